"""The event on the wire: CloudEvents in Kafka binary mode, there and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from aiokafka.partitioner import murmur2 as library_murmur2
from hypothesis import given
from hypothesis import strategies as st

from shared.bus import Delivery
from shared.bus.partitioner import murmur2, partition_of
from shared.events import Event, MalformedEvent

text = st.text(min_size=1, max_size=60).filter(lambda value: value.encode("utf-8", "ignore").decode() == value)
events = st.builds(
    Event,
    id=st.uuids(),
    type=text,
    source=text,
    topic=st.just("registry.households"),
    key=text,
    time=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=7))])),
    data=st.binary(min_size=1, max_size=200),
    traceparent=st.none() | st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
)


@given(events)
def test_an_event_reads_back_as_it_was_written(event: Event) -> None:
    assert Event.from_kafka(event.topic, *event.to_kafka()) == event


def test_headers_follow_the_cloudevents_kafka_binding() -> None:
    event = Event(
        id=UUID("01890f3c-0000-7000-8000-000000000001"),
        type="samaki.registry.household.registered.v1",
        source="/samaki/registry",
        topic="registry.households",
        key="01890f3c-0000-7000-8000-00000000000a",
        time=datetime(2020, 7, 1, 0, 30, tzinfo=timezone(timedelta(hours=7))),
        data=b"{}",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    key, value, headers = event.to_kafka()
    assert key == b"01890f3c-0000-7000-8000-00000000000a"
    assert value == b"{}"
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"01890f3c-0000-7000-8000-000000000001",
        "ce_source": b"/samaki/registry",
        "ce_type": b"samaki.registry.household.registered.v1",
        "ce_time": b"2020-06-30T17:30:00Z",
        "ce_subject": key,
        "ce_partitionkey": key,
        "content-type": b"application/json",
        "ce_traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }


GOOD = {
    "ce_specversion": b"1.0",
    "ce_id": b"01890f3c-0000-7000-8000-000000000001",
    "ce_source": b"/samaki/registry",
    "ce_type": b"t",
    "ce_time": b"2020-06-30T17:30:00Z",
}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"ce_specversion": b"0.3"}, "ce_specversion is not 1.0"),
        ({"ce_id": b"7"}, "ce_id is not a UUID"),
        ({"ce_id": b""}, "ce_id is missing"),
        ({"ce_time": b"yesterday"}, "ce_time is not an RFC 3339 time"),
        ({"ce_time": b"2020-06-30T17:30:00"}, "ce_time has no offset from UTC"),
        ({"ce_type": b"\xff"}, "ce_type is not UTF-8"),
        ({"ce_partitionkey": b"other"}, "ce_partitionkey differs from the key"),
        ({"content-type": b"application/avro"}, "content-type is not application/json"),
    ],
)
def test_a_message_with_a_wrong_attribute_says_which(wrong: dict[str, bytes], reason: str) -> None:
    with pytest.raises(MalformedEvent) as error:
        Event.from_kafka("t", b"k", b"{}", list((GOOD | wrong).items()))
    assert error.value.reason == reason


@given(
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=20),
    st.lists(st.tuples(st.sampled_from([*GOOD, "ce_partitionkey", "content-type"]), st.binary(max_size=40))),
)
def test_no_message_whatever_can_make_reading_fail(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    delivery = Delivery.read("t", 0, 7, key, value, [*GOOD.items(), *headers])
    assert (delivery.event is None) == (delivery.malformed is not None)


def test_a_parked_delivery_is_restored_as_it_was() -> None:
    event = Event.from_kafka("t", b"k", b"{}", list(GOOD.items()))
    parked = [[name, value.decode()] for name, value in GOOD.items()]
    assert Delivery.restore("t", 3, 9, "k", parked, b"{}").event == event


@given(st.binary(max_size=80))
def test_keys_are_placed_as_javas_client_places_them(key: bytes) -> None:
    assert murmur2(key) == library_murmur2(key) & 0xFFFFFFFF
    assert 0 <= partition_of(key, 6) < 6
