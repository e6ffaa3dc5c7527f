"""Set evaluation equals single evaluation, on random rules and random populations (faults 15 to 18)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import cel
import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from services.eligibility.conditions.repository import insert_events
from services.eligibility.conditions.units import events_in_force
from services.eligibility.decisions.population import judge_population
from services.eligibility.facts import repository as facts
from services.eligibility.facts.household import Household, Member, Shock, view_on
from services.eligibility.facts.on_household_changed import on_household_changed
from services.eligibility.facts.units import load_view, units_in_force
from services.eligibility.programmes.compiled import (
    CompiledBenefit,
    CompiledClause,
    CompiledLine,
    CompiledProgramme,
    Judgement,
    LineResult,
)
from services.eligibility.programmes.file import parse_programme_file
from services.eligibility.rules.evaluate import HouseholdView, evaluate
from services.eligibility.rules.parser import parse_rule
from services.eligibility.tests.builders import COVID, household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.rule_texts import (
    CONDITIONS,
    EVENT_CONDITIONS,
    HOUSEHOLDS,
    NUMBERS,
    PERSON_CONDITIONS,
    PERSON_NUMBERS,
    REFERENCE,
)
from shared.consumer import Received
from shared.contracts.registry import HouseholdRegistered
from shared.ids import uuid7
from shared.testing.service import TestService

LAST = UUID(int=(1 << 128) - 1)
FILE = parse_programme_file(COVID)


def programme(conditions: list[str], numbers: list[str]) -> CompiledProgramme:
    """A programme of random clauses, and of random quantities at the rates of the sample programme."""
    clauses = tuple(CompiledClause(f"clause_{i}", parse_rule(text)) for i, text in enumerate(conditions))
    lines = tuple(
        CompiledLine(f"line_{i}", parse_rule(text), ("base", "per_member")[i % 2]) for i, text in enumerate(numbers)
    )
    return CompiledProgramme(FILE, clauses, (CompiledBenefit("transfer", lines),))


async def judge_in_sql(
    service: TestService, compiled: CompiledProgramme, population: list[HouseholdRegistered], on: date
) -> dict[UUID, Any]:
    """Store the population, judge it by the one statement, roll back."""
    async with service.database.open_session() as session:
        events = [Received(uuid7(), state, service.clock.now(), None) for state in population]
        await on_household_changed(service.context, session, events)
        judged = judge_population(compiled, facts.facts_in_force(on, after=None, until=LAST), on)
        rows = (await session.execute(select(judged.cte))).mappings().all()
        await session.rollback()
    return {row["household_id"]: row for row in rows}


def _line(result: LineResult) -> dict[str, Any]:
    rate = None if result.rate is None else f"{result.rate:.2f}"
    return {
        "component": result.component,
        "quantity": result.quantity,
        "rate": rate,
        "amount": f"{result.amount:.2f}",
    }


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    conditions=st.lists(CONDITIONS, min_size=1, max_size=6),
    numbers=st.lists(NUMBERS, min_size=1, max_size=4),
    population=st.lists(HOUSEHOLDS, min_size=1, max_size=12),
)
async def test_fault_15_a_population_is_judged_by_sql_exactly_as_one_household_is_in_memory(
    office: Office, conditions: list[str], numbers: list[str], population: list[HouseholdRegistered]
) -> None:
    compiled = programme(conditions, numbers)
    stored = await judge_in_sql(office.service, compiled, population, REFERENCE)
    for state in population:
        single = compiled.judge(view_on(_as_stored(state), REFERENCE), REFERENCE)
        assert_same(stored[state.household_id], single, (conditions, numbers))


def assert_same(row: Any, single: Judgement, rules: Any) -> None:
    """What SQL says of a unit is what the interpreter says of it."""
    assert row["failed"] == [name for name, holds in single.clauses.items() if not holds], rules
    assert row["qualifies"] == single.qualifies
    lines = single.benefits["transfer"]
    assert orjson.loads(row["lines_0"]) == [_line(line) for line in lines], rules
    assert row["amount_0"] == sum((line.amount for line in lines), Decimal(0))
    assert row["priced_0"] == all(line.rate is not None for line in lines)


def _as_stored(state: HouseholdRegistered) -> Household:
    people = tuple(
        Member(
            m.birth_date,
            m.sex,
            m.relationship,
            m.disability,
            m.living_with_hiv,
            m.pregnant,
            m.person_id,
            m.education_level,
            m.employment,
            m.employer_id,
            m.employer_sector,
            m.insured,
            m.civil_servant,
            m.disability_card_valid_until,
        )
        for m in state.members
    )
    return Household(
        state.household_id,
        state.version,
        state.reference,
        state.village_code,
        state.location_class,
        state.poverty_level or 0,
        state.card_valid_from,
        state.card_valid_until,
        state.at_risk,
        people,
        state.kind,
        tuple(Shock(shock.code, shock.occurred_on) for shock in state.shocks),
    )


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=CONDITIONS | NUMBERS, state=HOUSEHOLDS)
def test_our_evaluator_says_what_an_independent_cel_implementation_says(text: str, state: HouseholdRegistered) -> None:
    view = view_on(_as_stored(state), REFERENCE)
    context = {
        "household": {**view.household, "size": len(view.members), "shocks": sorted(view.shocks)},
        "members": [dict(person) for person in view.members],
        "reference": _owned(view, "reference"),
    }
    assert evaluate(parse_rule(text), view) == cel.evaluate(text, context), text


def _owned(view: HouseholdView, owner: str) -> dict[str, Any]:
    prefix = f"{owner}."
    return {name.removeprefix(prefix): value for name, value in view.unit.items() if name.startswith(prefix)}


async def test_fault_15_a_rule_with_or_does_not_entitle_people_who_match_nothing(office: Office) -> None:
    """OR glued to another condition without parentheses entitled people who match nothing."""
    compiled = programme(["household.at_risk || household.poverty_level == 2", "household.card_valid"], ["1"])
    nobody = household(poverty_level=1, card_valid_until=date(2020, 12, 31))
    risky = household(at_risk=True, card_valid_until=date(2020, 12, 31))
    level_two = household(poverty_level=2)
    rows = await judge_in_sql(office.service, compiled, [nobody, risky, level_two], REFERENCE)
    assert {key for key, row in rows.items() if row["qualifies"]} == {level_two.household_id}


async def test_a_member_rule_that_names_only_household_facts_counts_members(office: Office) -> None:
    """PostgreSQL took such a count for an aggregate over households, and refused it."""
    state = household(member(3), member(40))
    compiled = programme(["members.all(m, household.card_valid)"], ["members.filter(m, household.card_valid).size()"])
    rows = await judge_in_sql(office.service, compiled, [state], date(2020, 7, 1))
    assert rows[state.household_id]["failed"] == []
    assert orjson.loads(rows[state.household_id]["lines_0"])[0]["quantity"] == 2


async def test_fault_17_the_number_of_people_is_no_limit_to_one_statement(office: Office) -> None:
    """One parameter per person: a query fails above 32,767 of them."""
    crowd = [household(*(member(age) for age in range(0, 100, 2))) for _ in range(800)]  # 40,000 people
    compiled = programme(["members.exists(m, m.age > 90)"], ["members.filter(m, m.age < 18).size()"])
    rows = await judge_in_sql(office.service, compiled, crowd, date(2020, 7, 1))
    assert len(rows) == 800
    assert {orjson.loads(row["lines_0"])[0]["quantity"] for row in rows.values()} == {9}


async def test_fault_18_text_in_a_rule_never_becomes_sql(office: Office) -> None:
    hostile = 'household.location_class == "\'; DROP TABLE household_fact; --"'
    state = household()
    rows = await judge_in_sql(office.service, programme([hostile], ["1"]), [state], REFERENCE)
    assert rows[state.household_id]["failed"] == ["clause_0"]


UNITS_FILE = """
format: samaki.programme/1
code: ZU-TRAINING
names: {km: x, en: x}
unit: UNIT
EVENTS
frequency: FREQUENCY
currency: EUR
funding_line: ZU
valid_from: 2020-01-01
reference_date: DATE
payment_window: {opens: {day: 1, months_after: 0}, closes: {day: 31, months_after: 0}}
conditions: {trained: {kind: training, within_days: 60, minimum: 3, at_least: 2}}
eligibility: [{id: always, when: "true", reason: {km: x, en: x}}]
benefits: [{component: transfer, names: {km: x, en: x}, formula: [
  {component: one, names: {km: x, en: x}, quantity: "1", rate: by_person}]}]
rates:
  by_person:
    by: [person.sex, household.at_risk]
    periods:
      - {valid_from: 2020-01-01, valid_until: 2021-02-14, table: {female: {true: "1.10", false: "2.20"}}}
      - {valid_from: 2021-02-15, table: {female: {true: "3.30"}, male: {false: "0.05"}}}
"""


def unit_programme(unit: str, conditions: list[str], numbers: list[str]) -> CompiledProgramme:
    """A programme over persons or events, of random clauses and quantities."""
    event = unit == "event"
    values = ("event", "events: [visit]", "per_event", "event_date") if event else (unit, "", "monthly", "DAY")
    text_ = UNITS_FILE
    for name, value in zip(("UNIT", "EVENTS", "FREQUENCY", "DATE"), values, strict=True):
        text_ = text_.replace(name, value.replace("DAY", "last_day_of_period"), 1)
    file = parse_programme_file(text_.encode())
    tests = ("trained",)
    clauses = tuple(
        CompiledClause(f"clause_{i}", parse_rule(text, unit=unit, conditions=tests))
        for i, text in enumerate(conditions)
    )
    lines = tuple(
        CompiledLine(f"line_{i}", parse_rule(text, unit=unit, conditions=tests), "by_person")
        for i, text in enumerate(numbers)
    )
    return CompiledProgramme(file, clauses, (CompiledBenefit("transfer", lines),))


_TRAININGS = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from([REFERENCE, date(2021, 2, 1), date(2020, 12, 1)]), st.integers(2, 4)),
    max_size=12,
)
_VISITS = st.lists(
    st.tuples(st.integers(0, 20), st.dates(date(2021, 1, 20), date(2021, 3, 5)), st.integers(0, 3)), max_size=12
)


def _events(kind: str, people: list[UUID], drawn: list[tuple[int, date, int]]) -> list[dict[str, Any]]:
    keys = {(people[n % len(people)], day): number for n, day, number in drawn} if people else {}
    return [
        {
            "id": uuid7(),
            "kind": kind,
            "person_id": person,
            "subject_id": person,
            "occurred_on": day,
            "until": None,
            "value": number,
            "babies": number,
            "notice_days": number,
            "episode_days": 20,
            "facility_code": "F",
            "employer_id": None,
            "village_code": "01",
            "source": "test",
            "state": "accepted",
            "recorded_by": "test",
            "recorded_at": "2021-03-06T00:00:00Z",
        }
        for (person, day), number in keys.items()
    ]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    unit=st.sampled_from(["person", "worker", "student"]),
    conditions=st.lists(PERSON_CONDITIONS, min_size=1, max_size=4),
    numbers=st.lists(PERSON_NUMBERS, min_size=1, max_size=2),
    population=st.lists(HOUSEHOLDS, min_size=1, max_size=5),
    trainings=_TRAININGS,
)
async def test_fault_15_persons_are_judged_by_sql_exactly_as_one_is_in_memory(
    office: Office, unit: str, conditions: list[str], numbers: list[str], population: Any, trainings: Any
) -> None:
    compiled = unit_programme(unit, conditions, numbers)
    people = [person.person_id for state in population for person in state.members]
    async with office.service.database.open_session() as session:
        events = [Received(uuid7(), state, office.service.clock.now(), None) for state in population]
        await on_household_changed(office.service.context, session, events)
        await insert_events(session, _events("training", people, trainings))
        units = units_in_force(compiled, REFERENCE, after=None, until=LAST)
        judged = judge_population(compiled, units, REFERENCE)
        rows = (await session.execute(select(judged.cte))).mappings().all()
        for row in rows:
            view = await load_view(
                session, compiled, row["household_id"], row["version"], REFERENCE, person_id=row["beneficiary_id"]
            )
            assert_same(row, compiled.judge(view, REFERENCE), (conditions, numbers))
        await session.rollback()
    born = [p for state in population for p in state.members if p.birth_date <= REFERENCE]
    wanted = {
        "person": born,
        "worker": [p for p in born if p.employer_id is not None or p.insured],
        "student": [p for p in born if p.education_level in ("primary", "lower_secondary", "upper_secondary")],
    }
    assert {row["unit_id"] for row in rows} == {person.person_id for person in wanted[unit]}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    conditions=st.lists(EVENT_CONDITIONS, min_size=1, max_size=4),
    numbers=st.lists(PERSON_NUMBERS, min_size=1, max_size=2),
    population=st.lists(HOUSEHOLDS, min_size=1, max_size=5),
    visits=_VISITS,
    trainings=_TRAININGS,
)
async def test_fault_15_events_are_judged_by_sql_each_on_its_own_date_as_one_is_in_memory(
    office: Office, conditions: list[str], numbers: list[str], population: Any, visits: Any, trainings: Any
) -> None:
    compiled = unit_programme("event", conditions, numbers)
    people = [person.person_id for state in population for person in state.members]
    births = {person.person_id: person.birth_date for state in population for person in state.members}
    reported = _events("visit", people, visits)
    async with office.service.database.open_session() as session:
        events = [Received(uuid7(), state, office.service.clock.now(), None) for state in population]
        await on_household_changed(office.service.context, session, events)
        await insert_events(session, _events("training", people, trainings))
        await insert_events(session, reported)
        units = events_in_force(compiled.file, REFERENCE)
        judged = judge_population(compiled, units, units.c.on_date)
        rows = (await session.execute(select(judged.cte))).mappings().all()
        for row in rows:
            view = await load_view(
                session,
                compiled,
                row["household_id"],
                row["version"],
                row["on_date"],
                person_id=row["beneficiary_id"],
                event_id=row["unit_id"],
            )
            assert_same(row, compiled.judge(view, row["on_date"]), (conditions, numbers))
        await session.rollback()
    due = [event for event in reported if births[event["person_id"]] <= event["occurred_on"] <= REFERENCE]
    assert {row["unit_id"] for row in rows} == {event["id"] for event in due}
