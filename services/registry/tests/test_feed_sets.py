"""A feed's deaths are applied as a set where they stand by themselves; what comes of it is what one by one makes."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from datetime import date, timedelta
from typing import Any
from unittest.mock import AsyncMock, patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.registry.life_events import apply_feed
from services.registry.tests.building import VILLAGES, Registry, file_of, person
from services.registry.tests.test_life_events import dead, feed
from shared.contracts.registry import HouseholdChanged, LifeEventRecorded

STATE = (
    "SELECT right(p.name_en, 3) AS who, p.alive, p.died_on, p.pregnant, m.relationship, m.valid_from, m.valid_until,"
    " g.version, g.effective_on, g.dissolved_on, h.name_en IS NULL AS headless, e.kind, e.occurred_on, e.source,"
    " e.undo ->> 'relationship' AS was, e.undo ->> 'successor' IS NULL AS unfollowed,"
    " (SELECT count(*) FROM fact_change f WHERE f.subject_id IN (p.id, m.id, g.id)) AS facts"
    " FROM person p JOIN membership m ON m.person_id = p.id JOIN household g ON g.id = m.household_id"
    " LEFT JOIN person h ON h.id = g.head_person_id LEFT JOIN life_event e ON e.person_id = p.id"
    " WHERE g.household_ref LIKE :prefix ORDER BY 1, m.valid_from"
)


async def villagers(registry: Registry, prefix: str, households: int, first: int) -> list[str]:
    """Households of three, everybody with a number: the numbers, in order."""
    lines, numbers = [], []
    for index in range(households):
        for member in range(3):
            number = f"{first + index * 3 + member:09}"
            numbers.append(number)
            cells = {"national_id": number, "name_km": "", "name_en": f"Name {index}-{member}"}
            lines.append(person(f"{prefix}{index}", str(member + 1), birth_date=f"19{60 + member}-01-01", **cells))
    await registry.send(file_of(*lines))
    return numbers


async def test_many_deaths_are_one_change_a_day_and_each_is_published(registry: Registry) -> None:
    numbers = await villagers(registry, "V", 12, 1)
    await registry.service.outbox()
    before = await registry.count("register_change")
    members = numbers[1::3]
    lines = [dead(f"d{n}", number, f"2020-06-{10 + n % 3}") for n, number in enumerate(members)]
    result, _ = await feed(registry, lines)
    assert result == {"applied": 12}
    assert await registry.count("register_change") == before + 3
    events = await registry.service.outbox()
    assert len([event for event in events if isinstance(event, LifeEventRecorded)]) == 12
    assert {len(event.members) for event in events if isinstance(event, HouseholdChanged)} == {2}
    audits = await registry.rows("SELECT object_id FROM audit_entry WHERE action = 'life_event.record'")
    assert len({row.object_id for row in audits}) == 12
    (event,) = await registry.rows("SELECT id FROM life_event ORDER BY id LIMIT 1")
    url = f"/registry/v1/life-events/{event.id}/withdraw"
    headers = registry.officer() | {"If-Match": '"1"'}
    answer = await registry.http.post(url, json={"cause": "a mistake"}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert (await registry.rows("SELECT count(*) AS n FROM person WHERE NOT alive"))[0].n == 11


async def test_a_death_that_cannot_be_is_refused_by_itself(registry: Registry) -> None:
    numbers = await villagers(registry, "V", 4, 1)
    lines = [
        dead("good", numbers[1]),
        dead("future", numbers[4], "2020-07-02"),
        dead("unborn", numbers[7], "1950-01-01"),
        dead("twice", numbers[10]),
        dead("again", numbers[10], "2020-06-16"),
    ]
    result, rows = await feed(registry, lines)
    assert result == {"applied": 2, "refused": 3}
    assert {row["feed_id"]: row["code"] for row in rows} == {
        "good": "", "future": "date_in_future", "unborn": "before_birth", "twice": "", "again": "person_dead",
    }  # fmt: skip


async def test_a_feed_reaches_no_further_than_its_sender(registry: Registry) -> None:
    await registry.send(file_of(
        *(person("F", str(n), village_code=VILLAGES[3], national_id=f"00000000{n}") for n in (1, 2))
    ))  # fmt: skip
    headers = registry.officer("integration", areas=["01"])
    body = [dead("a", "000000002")]
    answer = await registry.http.post("/registry/v1/life-event-feeds/gdi", json=body, headers=headers)
    assert answer.status_code == 202
    await registry.service.run_jobs()
    assert (await registry.rows("SELECT state, code FROM feed_line"))[0] == ("refused", "unknown_person")


RUNS = itertools.count(1)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deaths=st.lists(
        st.tuples(st.integers(0, 8), st.integers(0, 20)), min_size=1, max_size=9, unique_by=lambda item: item[0]
    )
)
async def test_as_a_set_or_one_by_one_the_register_is_the_same(
    registry: Registry, deaths: list[tuple[int, int]]
) -> None:
    run, states = next(RUNS), []
    for way in ("S", "O"):
        prefix = f"{way}{run}x"
        numbers = await villagers(registry, prefix, 3, (run * 2 + (way == "O")) * 1000)
        lines: list[dict[str, Any]] = [
            dead(f"{prefix}{who}", numbers[who], str(date(2020, 6, 1) + timedelta(days=day))) for who, day in deaths
        ]
        with nullcontext() if way == "S" else patch.object(apply_feed, "apply_deaths", AsyncMock(return_value={})):
            await feed(registry, lines)
        states.append([tuple(row) for row in await registry.rows(STATE, prefix=f"{prefix}%")])
    assert states[0] == states[1]
