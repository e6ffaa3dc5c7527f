"""The events' documents: generated, valid, and only ever added to."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from aiokafka import AIOKafkaConsumer
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft7Validator, validators

from shared.bus import open_publisher
from shared.contracts import EVENTS, PRODUCERS, TOPICS
from shared.contracts.__main__ import main
from shared.contracts.compatibility import incompatibilities
from shared.contracts.samples import samples
from shared.contracts.schemas import all_schemas
from shared.events import Event
from shared.ids import uuid7
from shared.settings import Settings
from shared.testing.plugin import START

SPECS = Path(__file__).resolve().parents[3] / "shared" / "specs"
"""Beside the checkout, where the project's other material is; not part of it."""
ASYNCAPI_SCHEMA = SPECS / "asyncapi" / "asyncapi-3.0.0.schema.json"
HOUSEHOLD = "samaki.registry.household.registered.v1"


def as_event(type_: str) -> Event:
    """The sample of a type, as its service would publish it."""
    payload = samples()[type_]
    return Event(
        id=uuid7(),
        type=type_,
        source=f"/samaki/{PRODUCERS[payload.TOPIC]}",
        topic=payload.TOPIC,
        key=payload.key,
        time=START,
        data=payload.model_dump_json().encode(),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


def changed(edit: str, value: Any) -> dict[str, Any]:
    """The household schema with one place replaced; `edit` is a path of keys."""
    schema = copy.deepcopy(all_schemas()[HOUSEHOLD])
    *parents, last = edit.split("/")
    node: Any = schema
    for part in parents:
        node = node[int(part)] if isinstance(node, list) else node[part]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return schema


# --- documents --------------------------------------------------------------------------------------------------------


def test_the_committed_documents_are_what_the_models_generate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("type_", EVENTS)
def test_every_event_as_published_fits_its_json_schema(type_: str) -> None:
    schema = all_schemas()[type_]
    Draft7Validator.check_schema(schema)
    Draft7Validator(schema).validate(json.loads(as_event(type_).data))


@pytest.mark.parametrize("type_", EVENTS)
def test_every_event_type_is_named_by_the_house_rule(type_: str) -> None:
    service = PRODUCERS[EVENTS[type_].TOPIC]
    assert re.fullmatch(rf"samaki\.{service}\.[a-z_]+\.[a-z_]+\.v[1-9]\d*", type_)


def test_money_travels_as_an_exact_decimal_string() -> None:
    data = json.loads(as_event("samaki.eligibility.entitlement.granted.v1").data)
    assert isinstance(data["amount"], str)


def test_the_asyncapi_document_is_valid(tmp_path: Path) -> None:
    if not ASYNCAPI_SCHEMA.exists():
        pytest.skip("the AsyncAPI 3.0 schema is not beside this checkout")
    main(["--write"], root=tmp_path)
    document = yaml.safe_load((tmp_path / "docs" / "events" / "asyncapi.yaml").read_text())
    meta = json.loads(ASYNCAPI_SCHEMA.read_text())
    errors = list(validators.validator_for(meta)(meta).iter_errors(document))
    assert errors == []
    assert set(document["channels"]) == set(TOPICS)
    for message in document["components"]["messages"].values():
        assert (tmp_path / "docs" / "events" / message["payload"]["schema"]["$ref"]).exists()


# --- changes ----------------------------------------------------------------------------------------------------------


def test_nothing_changed_is_compatible() -> None:
    for schema in all_schemas().values():
        assert incompatibilities(schema, schema) == []


@pytest.mark.parametrize(
    ("edit", "value"),
    [
        ("properties/dwelling", {"type": "string"}),
        ("definitions/MemberFacts/properties/schooling", {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ("properties/reference/description", "Another explanation."),
        ("properties/at_risk/default", True),
    ],
)
def test_an_added_optional_field_or_another_explanation_is_compatible(edit: str, value: Any) -> None:
    assert incompatibilities(all_schemas()[HOUSEHOLD], changed(edit, value)) == []


@pytest.mark.parametrize(
    ("edit", "value", "problem"),
    [
        ("properties/reference", None, "reference: the field was removed"),
        ("definitions/MemberFacts/properties/sex", None, "members[].sex: the field was removed"),
        ("required", ["version"], "village_code: the field became optional; receivers rely on it"),
        ("properties/version/type", "string", "version: type changed from 'integer' to 'string'"),
        ("properties/version/minimum", 2, "version: minimum changed from 1 to 2"),
        ("properties/members/maxItems", 20, "members: maxItems changed from 60 to 20"),
        ("properties/location_class/pattern", "^[a-z]$", "location_class: pattern changed from"),
        ("properties/poverty_level/anyOf", [{"type": "integer"}], "poverty_level: the types it may have changed"),
        ("properties/card_valid_from/anyOf/0/format", "date-time", "card_valid_from: format changed"),
        ("definitions/MemberFacts/properties/sex/enum", ["female"], "members[].sex: the value 'male' was removed"),
        (
            "definitions/MemberFacts/properties/disability/enum",
            ["none", "mild", "medium", "severe", "unknown"],
            "members[].disability: the value 'unknown' was added",
        ),
        ("x-key", "reference", "the event: x-key changed from 'household_id' to 'reference'"),
    ],
)
def test_any_other_change_is_named_and_refused(edit: str, value: Any, problem: str) -> None:
    found = incompatibilities(all_schemas()[HOUSEHOLD], changed(edit, value))
    assert any(text.startswith(problem) for text in found), found


def test_a_new_field_that_is_required_is_refused() -> None:
    schema = changed("properties/dwelling", {"type": "string"})
    schema["required"] = [*schema["required"], "dwelling"]
    found = incompatibilities(all_schemas()[HOUSEHOLD], schema)
    assert found == ["dwelling: a new field must be optional; old events lack it"]


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    """A house with its documents written."""
    assert main(["--write"], root=tmp_path) == 0
    return tmp_path


def test_drift_fails_the_check_and_names_the_file(committed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = committed / "docs" / "events" / "asyncapi.yaml"
    file.write_text(file.read_text().replace("Samaki events", "Other events"))
    assert main(["--check"], root=committed) == 1
    assert "asyncapi.yaml: out of date" in capsys.readouterr().out


def test_an_incompatible_change_fails_the_check_and_cannot_be_written(
    committed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = committed / "docs" / "events" / "schemas" / f"{HOUSEHOLD}.json"
    file.write_text(json.dumps(changed("properties/dwelling", {"type": "string"})))
    for command in ("--check", "--write"):
        assert main([command], root=committed) == 1
        assert "dwelling: the field was removed" in capsys.readouterr().out
    assert main(["--write", "--unpublished"], root=committed) == 0
    assert main(["--check"], root=committed) == 0


def test_an_event_type_cannot_vanish(committed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (committed / "docs" / "events" / "schemas" / "samaki.registry.person.born.v1.json").write_text("{}")
    assert main(["--check"], root=committed) == 1
    assert "samaki.registry.person.born.v1: the event type was removed" in capsys.readouterr().out


# --- a reader that is not ours ------------------------------------------------------------------------------------


@pytest.mark.kafka
async def test_the_cloudevents_sdk_reads_every_topic_through_a_plain_consumer(kafka: str) -> None:
    prefix = f"foreign{uuid4().hex[:8]}."
    settings = Settings(
        service="probe",
        database_url="postgresql://unused",  # type: ignore[arg-type]
        kafka_bootstrap_servers=kafka,
        topic_prefix=prefix,
    )
    sent = {str(event.id): event for event in map(as_event, EVENTS)}
    publisher = open_publisher(settings)
    await publisher.start()
    await publisher.publish(list(sent.values()))
    await publisher.stop()
    topics = [prefix + topic for topic in TOPICS]
    read = {}
    async with AIOKafkaConsumer(*topics, bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        while len(read) < len(sent):
            records = await consumer.getmany(timeout_ms=10_000)
            assert records, f"{len(read)} of {len(sent)} events in 10 s"
            for record in (record for batch in records.values() for record in batch):
                message = KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value)
                event = from_binary(message, JSONFormat())
                read[event.get_id()] = (record.topic, event)
    assert {topic for topic, _ in read.values()} == set(topics)
    for id_, (topic, event) in read.items():
        original = sent[id_]
        assert (topic, event.get_type(), event.get_source()) == (
            prefix + original.topic,
            original.type,
            original.source,
        )
        assert (event.get_subject(), event.get_time()) == (original.key, original.time)
        assert event.get_data() == json.loads(original.data)
        assert event.get_datacontenttype() == "application/json"
        assert event.get_extension("partitionkey") == original.key
        assert event.get_extension("traceparent") == original.traceparent
