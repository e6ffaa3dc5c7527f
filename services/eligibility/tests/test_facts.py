"""Facts come only from events; they are dated; rebuilt from the topics they are the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from services.eligibility.decisions.population import judge_population
from services.eligibility.facts.repository import facts_in_force
from services.eligibility.facts.units import units_in_force
from services.eligibility.programmes.compiled import compile_source
from services.eligibility.tests.builders import COVID, PACKS, dissolved, household, member
from services.eligibility.tests.conftest import Office
from shared.bus.port import Delivery
from shared.consumer import Consumer
from shared.contracts.registry import (
    HouseholdChanged,
    HouseholdRegistered,
    IdentityMerged,
    IdentityRestored,
    LifeEventRecorded,
    LifeEventWithdrawn,
    Shock,
)
from shared.ids import uuid7
from shared.testing.service import TestService

LAST = UUID(int=(1 << 128) - 1)
TABLES = ("household_fact", "member_fact", "identity_alias", "life_event")


def changed(state: HouseholdRegistered, version: int, **facts: Any) -> HouseholdChanged:
    """A later version of a household."""
    return HouseholdChanged(**(state.model_dump() | {"version": version} | facts))


async def projection(service: TestService) -> dict[str, list[Any]]:
    """Every row of every projection built from the registry."""
    found = {}
    async with service.database.session() as session:
        for table in TABLES:
            rows = await session.execute(text(f"SELECT to_jsonb(t) FROM {table} t ORDER BY to_jsonb(t)::text"))
            found[table] = list(rows.scalars())
    return found


class Topic:
    """A topic that is read again from its beginning, in batches."""

    def __init__(self, deliveries: Sequence[Delivery], size: int = 3) -> None:
        self._all, self._left, self._size = list(deliveries), list(deliveries), size

    async def seek_to_beginning(self, _topics: Sequence[str]) -> None:
        """Start over."""
        self._left = list(self._all)

    async def lag(self) -> int:
        """Events left."""
        return len(self._left)

    async def poll(self, _size: int, _seconds: float) -> list[Delivery]:
        """The next few."""
        batch, self._left = self._left[: self._size], self._left[self._size :]
        return batch

    async def commit(self, _deliveries: Sequence[Delivery]) -> None:
        """Remember nothing."""


async def test_projections_rebuilt_from_the_topics_equal_the_live_ones(office: Office) -> None:
    """Other batches, repetitions, and another hour of the clock: the same rows."""
    service = office.service
    first, second = household(member(30), member(3)), household(shocks=(Shock(code="flood", occurred_on="2020-02-02"),))
    merge = {"kind": "person", "retired_id": uuid7(), "surviving_id": uuid7(), "merge_id": uuid7()}
    life: dict[str, Any] = {
        "life_event_id": uuid7(),
        "kind": "birth",
        "person_id": first.members[1].person_id,
        "household_id": first.household_id,
    }
    told = {
        "occurred_on": date(2020, 3, 3),
        "source": "officer",
        "village_code": "01020304",
        "mother_person_id": first.members[0].person_id,
        "living_members": 3,
    }
    payloads = [
        first,
        second,
        changed(first, 2, at_risk=True, change="correction"),
        changed(first, 3, village_code="02020202", effective_on=date(2020, 5, 1)),
        dissolved(second, date(2020, 6, 1)),
        IdentityMerged(version=1, **merge),
        IdentityRestored(version=2, **merge),
        LifeEventRecorded(version=1, **life, **told),
        LifeEventWithdrawn(version=2, **life, cause="typed_twice"),
    ]
    deliveries = []
    for payload in payloads:
        service.clock.advance(timedelta(minutes=7))
        deliveries.append(service.delivery(payload))
        await service.apply([deliveries[-1]])
    live = await projection(service)
    assert [len(live[table]) for table in TABLES] == [5, 8, 1, 1]
    service.clock.advance(timedelta(days=30))
    for topic in ("registry.households", "registry.identities", "registry.life-events"):
        mine = [delivery for delivery in deliveries if delivery.topic == topic]
        subscriber: Any = Topic([*mine, mine[-1], mine[0]])
        assert await Consumer(service.context, subscriber).replay_topic(topic) >= len(mine)
    assert await projection(service) == live


async def test_versions_that_arrive_out_of_order_end_in_the_same_facts(office: Office) -> None:
    state = household(member(30))
    versions = [state, *(changed(state, n, poverty_level=n % 2 + 1) for n in range(2, 6))]
    deliveries = [office.service.delivery(version) for version in versions]
    random.Random(7).shuffle(deliveries)
    for delivery in deliveries:
        await office.service.apply([delivery])
    assert [row["version"] for row in (await projection(office.service))["household_fact"]] == [1, 2, 3, 4, 5]


async def _judged(office: Office, on: date, known_at: Any = None) -> Any:
    programme = compile_source(COVID)
    async with office.service.database.session() as session:
        facts = facts_in_force(on, after=None, until=LAST, known_at=known_at)
        judged = judge_population(programme, facts, on)
        return (await session.execute(select(judged.cte))).mappings().all()


async def test_fault_19_a_past_month_is_judged_by_the_facts_known_then_and_by_the_corrected_ones_since(
    office: Office,
) -> None:
    """A correction told in October changes what July should have been, and not what July was."""
    state = household(member(30), effective_on=date(2020, 1, 1))
    await office.service.deliver(state)
    office.service.clock.advance(timedelta(days=1))
    known = office.service.clock.now()
    office.service.clock.advance(timedelta(days=90))
    await office.service.deliver(changed(state, 2, poverty_level=2, change="correction"))
    on = date(2020, 7, 1)
    (then,) = await _judged(office, on, known)
    (now,) = await _judged(office, on)
    assert (then["version"], now["version"]) == (1, 2)
    assert then["amount_0"] - now["amount_0"] == 24_000 - 16_000


async def test_a_move_to_another_location_class_counts_from_its_day(office: Office) -> None:
    state = household(member(30))
    moved = changed(state, 2, location_class="urban_phnom_penh", effective_on=date(2020, 8, 15), change="life_change")
    await office.service.deliver(state, moved)
    (august,) = await _judged(office, date(2020, 8, 1))
    (september,) = await _judged(office, date(2020, 9, 1))
    assert (august["amount_0"], september["amount_0"]) == (104_000, 172_000)


async def test_fault_21_a_child_leaves_the_small_ones_on_its_own_birthday_and_not_all_at_once(office: Office) -> None:
    """Ages re-evaluated all at once: a third of the under-fives vanished between two months."""
    children = [member(0, birth_date=date(2015, month, 1)) for month in range(1, 13)]
    await office.service.deliver(household(*children))
    counts = []
    for month in range(1, 13):
        (row,) = await _judged(office, date(2021, month, 1))
        counts.append(int(row["amount_0"] - 80_000 - 12 * 24_000) // 24_000)
    assert counts == list(range(11, -1, -1))


async def test_a_rich_state_keeps_every_fact_of_the_contract(office: Office) -> None:
    factory = uuid7()
    rich = member(
        30,
        employer_id=factory,
        employer_sector="garment",
        insured=True,
        employment="full_time",
        education_level="higher",
        disability="mild",
        disability_card_valid_until=date(2021, 1, 1),
        expected_delivery_on=date(2020, 12, 1),
        civil_servant=True,
    )
    await office.service.deliver(household(rich, kind="individual", poverty_cause="on_demand"))
    rows = await projection(office.service)
    assert rows["household_fact"][0]["kind"] == "individual"
    kept = rows["member_fact"][0]
    for name, value in rich.model_dump(mode="json").items():
        assert kept[name] == value, name


async def test_a_person_listed_in_two_households_for_a_moment_is_one_unit_of_the_later_one(office: Office) -> None:
    """She moved: the new household has told already, the old one not yet."""
    her = member(30, disability="severe")
    old, new = household(her, member(50)), household(her, effective_on=date(2020, 6, 1), village_code="02020202")
    await office.service.deliver(old, new)
    programme = compile_source((PACKS / "kh" / "KH-DIS.yaml").read_bytes())
    async with office.service.database.session() as session:
        for on, home in ((date(2020, 7, 1), new), (date(2020, 5, 1), old)):
            units = units_in_force(programme, on, after=None, until=LAST)
            rows = (await session.execute(select(units.c.unit_id, units.c.household_id))).all()
            assert sorted(row.unit_id for row in rows) == sorted(person.person_id for person in old.members)
            assert {row.unit_id: row.household_id for row in rows}[her.person_id] == home.household_id
