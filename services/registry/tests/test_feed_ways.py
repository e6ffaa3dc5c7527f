"""The same random feed, applied as sets and line by line, leaves the same register and tells the others the same.

Compared is every row of every table the feed writes: ids as names of what they name, without what is random (ciphers)
or counts from somewhere (sequences). Then every event is withdrawn, and the registers must be the same again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import date, timedelta
from typing import Any, Final
from unittest.mock import AsyncMock, patch

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from services.registry.app import SERVICE
from services.registry.life_events import apply_feed
from services.registry.search.index_people import start_indexing
from services.registry.tests.building import VILLAGES, Registry, file_of, person
from services.registry.tests.test_feed_sets import born, certificate, married
from services.registry.tests.test_life_events import FEED, dead
from shared.testing.schemas import Schemas

HOMES: Final = 6
BY_HAND: Final = ("pregnancy", "representative")
ALONE: Final = 99
"""Lives by himself."""
MEMBERS: Final = (
    {"sex": "female", "birth_date": "1985-01-01", "relationship": "head"},
    {"sex": "male", "birth_date": "1984-01-01", "relationship": "spouse"},
    {"sex": "female", "birth_date": "2001-01-01", "relationship": "child"},
    {"sex": "male", "birth_date": "2003-01-01", "relationship": "other"},
)
TABLES: Final = (
    *("person", "household", "membership", "identifier", "life_event", "fact_change", "household_version"),
    *("feed_line", "audit_entry", "name_key"),
)
UNLIKE: Final = {"phone_cipher", "cipher", "reference", "written_in", "created_at", "at", "seq", "traceparent"}
NAMED: Final = """
    SELECT id, name_en AS name FROM person
    UNION ALL SELECT id, 'home ' || household_ref FROM household
    UNION ALL SELECT id, concat_ws(' ', 'event', kind, occurred_on, feed_id) FROM life_event
    UNION ALL SELECT m.id, 'place of ' || p.name_en || ' in ' || g.household_ref || ' since ' || m.valid_from
      FROM membership m JOIN person p ON p.id = m.person_id JOIN household g ON g.id = m.household_id
    UNION ALL SELECT id, 'change ' || concat_ws('/', kind, source, reason, recorded_by, effective_on, recorded_at)
      FROM register_change"""
UUID_TEXT: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

who = st.integers(0, HOMES * len(MEMBERS) - 1)
mother = st.one_of(st.integers(0, HOMES - 1).map(lambda home: home * len(MEMBERS)), who)
day = st.integers(-3, 40).map(lambda days: str(date(2020, 5, 25) + timedelta(days=days)))
PLAIN: Final = {"sex": "female", "name_km": "បុប្ផា"}
odd = st.fixed_dictionaries(
    {"sex": st.sampled_from(["female", "male"])},
    optional={
        "name_en": st.just(""),
        "phone": st.sampled_from(["012345678", "012 345 678", "12"]),
        "number": st.sampled_from(["BC-0001", "BC-0002", "BC 0002", "?"]),
        "national_id": st.sampled_from(["000000001", "900000001"]),
        "birth_date": st.sampled_from(["2020-06-01", "2020"]),
        "pregnant": st.booleans(),
        "washington_group": st.just(dict.fromkeys(
            ("seeing", "hearing", "walking", "remembering", "self_care", "communicating"), 2)),
        "insured": st.just(True),
    },
)  # fmt: skip
child = st.one_of(st.just(PLAIN), st.just({**PLAIN, "number": "BC-0001"}), odd)
line = st.one_of(
    st.tuples(st.just("birth"), mother, day, child),
    st.tuples(st.just("marriage"), who, who, day),
    st.tuples(st.just("death"), who, day),
    st.tuples(st.just("pregnancy"), mother, day),
    st.tuples(st.just("representative"), who, day),
    st.tuples(st.just("child's death"), st.sampled_from(["BC-0001", "BC-0002"]), day),
)
feeds = st.lists(st.lists(line, min_size=1, max_size=7), min_size=1, max_size=2)


def number(index: int) -> str:
    return f"{index:09}"


def sent(feed_id: str, told: Sequence[Any]) -> dict[str, Any]:
    """A line as the civil registration sends it."""
    match told:
        case ("birth", of, on, facts):
            values = {name: value for name, value in facts.items() if name != "number"}
            given = certificate(facts["number"], issuer="commune") if "number" in facts else {}
            return born(feed_id, number(of), on, **values, **given)
        case ("marriage", one, other, on):
            return married(feed_id, number(one), number(other), on)
        case ("death", one, on):
            return dead(feed_id, number(one), on)
        case ("child's death", of, on):
            return {**dead(feed_id, "", on), "person": {"type": "birth_certificate", "number": of}}
    raise AssertionError(told)


def villagers() -> str:
    """Six households of four, the last out of the feed's area; three of the heads are pregnant. And one of one."""
    lines = []
    for home in range(HOMES):
        for place, facts in enumerate(MEMBERS):
            index = home * len(MEMBERS) + place
            village = VILLAGES[3] if home == HOMES - 1 else VILLAGES[home % 3]
            cells = {"village_code": village, "name_km": "", "name_en": f"Somebody {index}", **facts}
            cells |= {"national_id": number(index), "pregnant": str(place == 0 and home % 2 == 0).lower()}
            lines.append(person(f"H{home}", str(place + 1), **cells))
    alone = {"name_km": "", "name_en": f"Somebody {ALONE}", "sex": "male", "national_id": number(ALONE)}
    return file_of(*lines, person("H99", "1", **alone))


async def applied(registry: Registry, schemas: Schemas, sending: Sequence[Any], *, sets: bool) -> list[Any]:
    """All that is there after these feeds, and after all their events are withdrawn."""
    await schemas.fresh(SERVICE)
    await registry.place_villages()
    await registry.send(villagers())
    await registry.service.outbox()
    headers = registry.officer("integration", areas=["01"], subject="civil")
    with nullcontext() if sets else patch.object(apply_feed, "_apply_sets", AsyncMock(return_value={})):
        for batch, lines in enumerate(sending):
            for told in lines:
                if told[0] in BY_HAND:
                    await by_hand(registry, *told)
            body = [sent(f"{batch}.{at}", told) for at, told in enumerate(lines) if told[0] not in BY_HAND]
            if not body:
                continue
            answer = await registry.http.post(FEED, json=body, headers=headers)
            assert answer.status_code == 202, answer.text
            await registry.service.run_jobs()
    after = [await everything(registry), await published(registry)]
    withdrawn = []
    for row in await registry.rows("SELECT id, feed_id FROM life_event ORDER BY recorded_at, feed_id DESC"):
        url = f"/registry/v1/life-events/{row.id}/withdraw"
        officer = registry.officer() | {"If-Match": '"1"'}
        answer = await registry.http.post(url, json={"cause": "another person"}, headers=officer)
        withdrawn.append((row.feed_id, answer.status_code, answer.json().get("code")))
    return [*after, withdrawn, await everything(registry), await published(registry)]


async def by_hand(registry: Registry, kind: str, of: int, on: str) -> None:
    """An officer enters this before the feed comes."""
    (row,) = await registry.rows(
        "SELECT p.id, g.id AS home, g.version FROM person p LEFT JOIN membership m ON m.person_id = p.id"
        " AND m.valid_until IS NULL LEFT JOIN household g ON g.id = m.household_id WHERE p.name_en = :name",
        name=f"Somebody {of}",
    )
    if kind == "pregnancy":
        body = {"kind": "pregnancy", "occurred_on": on, "person_id": str(row.id)}
        answer = await registry.http.post("/registry/v1/life-events", json=body, headers=registry.officer())
    elif row.home is None:
        return
    else:
        url, headers = f"/registry/v1/households/{row.home}", registry.officer() | {"If-Match": f'"{row.version}"'}
        answer = await registry.http.patch(url, json={"representative_person_id": str(row.id)}, headers=headers)
    assert answer.status_code in {200, 201, 422}, answer.text


async def everything(registry: Registry) -> list[str]:
    """Every row of the tables, comparable."""
    await start_indexing(registry.service.context)
    await registry.service.run_jobs()
    names = {str(row.id): row.name for row in await registry.rows(NAMED)}
    found: list[str] = []
    for table in TABLES:
        rows = [row[0] for row in await registry.rows(f"SELECT to_jsonb(t) FROM {table} AS t")]
        found += sorted(f"{table}: {comparable(row, names)}" for row in rows)
    return found


async def published(registry: Registry) -> list[str]:
    """Every payload, comparable: of one key in order, the keys sorted."""
    names = {str(row.id): row.name for row in await registry.rows(NAMED)}
    told: dict[str, list[str]] = {}
    for event in await registry.service.outbox():
        key = names[event.key]
        told.setdefault(key, []).append(f"{key}: {event.TYPE} {comparable(event.model_dump(mode='json'), names)}")
    return [text for key in sorted(told) for text in told[key]]


def comparable(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    kept = {name: value for name, value in row.items() if name not in UNLIKE and not _counted(name, value)}
    text = json.dumps(kept, sort_keys=True, ensure_ascii=False)
    return UUID_TEXT.sub(lambda found: names.get(found[0], "?"), text)


def _counted(name: str, value: Any) -> bool:
    return name == "id" and isinstance(value, int)


# Shrinking what fails would take minutes: the rows that differ say enough.
@settings(
    max_examples=14,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sending=feeds)
@example(
    sending=[
        [
            ("birth", 0, "2020-06-01", {**PLAIN, "number": "BC-0001", "phone": "012345678"}),
            ("birth", 4, "2020-06-01", {**PLAIN, "national_id": "000000001"}),  # is somebody's
            ("birth", 10, "2020-06-02", {**PLAIN, "insured": True}),
            ("marriage", 14, 16, "2020-06-02"),
            ("birth", 20, "2020-06-02", PLAIN),  # out of the feed's area
            ("child's death", "BC-0001", "2020-06-04"),
        ]
    ]
)
@example(
    sending=[
        [("representative", 7, ""), ("marriage", 7, 9, "2020-06-20"), ("birth", 0, "2020-06-20", PLAIN)],
        [("marriage", ALONE, 13, "2020-06-20"), ("birth", 18, "2020-06-20", PLAIN)],  # nobody is left where he lived
        [("birth", 2, "2020-06-10", PLAIN), ("marriage", 6, 17, "2020-06-10"), ("death", 3, "2020-06-15")],
    ]
)
@example(
    sending=[
        [
            ("pregnancy", 4, "2020-06-10"),
            ("birth", 4, "2020-06-05", PLAIN),  # before she was found pregnant: it ends nothing of today
            ("birth", 8, "2020-06-05", {**PLAIN, "number": "BC-0001"}),
            ("birth", 16, "2020-06-05", {**PLAIN, "number": "BC-0001"}),
            ("marriage", 12, 1, "2020-06-05"),  # a head leaves
        ]
    ]
)
async def test_as_sets_or_line_by_line_the_register_is_the_same(
    registry: Registry, schemas: Schemas, sending: list[list[Any]]
) -> None:
    as_sets = await applied(registry, schemas, sending, sets=True)
    one_by_one = await applied(registry, schemas, sending, sets=False)
    for part, other in zip(as_sets, one_by_one, strict=True):
        assert [item for item in part if item not in other] == []
        assert [item for item in other if item not in part] == []
        assert part == other
