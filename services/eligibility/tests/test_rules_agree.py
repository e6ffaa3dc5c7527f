"""Set evaluation equals single evaluation, on random rules and random populations (faults 15 to 18)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import cel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from services.eligibility.decisions.population import judge_population
from services.eligibility.facts import repository as facts
from services.eligibility.facts.household import Household, Member, view_on
from services.eligibility.facts.on_household_changed import on_household_changed
from services.eligibility.programmes.compiled import (
    CompiledBenefit,
    CompiledClause,
    CompiledLine,
    CompiledProgramme,
    LineResult,
)
from services.eligibility.programmes.file import parse_programme_file
from services.eligibility.rules.evaluate import evaluate
from services.eligibility.rules.parser import parse_rule
from services.eligibility.tests.builders import COVID, household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.rule_texts import CONDITIONS, HOUSEHOLDS, NUMBERS, REFERENCE
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
        row = stored[state.household_id]
        assert row["clauses"] == single.clauses, conditions
        assert row["qualifies"] == single.qualifies
        lines = single.benefits["transfer"]
        assert row["lines_0"] == [_line(line) for line in lines], numbers
        assert row["amount_0"] == sum((line.amount for line in lines), Decimal(0))
        assert row["priced_0"] == all(line.rate is not None for line in lines)


def _as_stored(state: HouseholdRegistered) -> Any:
    people = tuple(
        Member(m.birth_date, m.sex, m.relationship, m.disability, m.living_with_hiv, m.pregnant) for m in state.members
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
    )


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=CONDITIONS | NUMBERS, state=HOUSEHOLDS)
def test_our_evaluator_says_what_an_independent_cel_implementation_says(text: str, state: HouseholdRegistered) -> None:
    view = view_on(_as_stored(state), REFERENCE)
    context = {
        "household": {**view.household, "size": len(view.members)},
        "members": [dict(person) for person in view.members],
    }
    assert evaluate(parse_rule(text), view) == cel.evaluate(text, context), text


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
    assert rows[state.household_id]["clauses"] == {"clause_0": True}
    assert rows[state.household_id]["lines_0"][0]["quantity"] == 2


async def test_fault_17_the_number_of_people_is_no_limit_to_one_statement(office: Office) -> None:
    """One parameter per person: a query fails above 32,767 of them."""
    crowd = [household(*(member(age) for age in range(0, 100, 2))) for _ in range(800)]  # 40,000 people
    compiled = programme(["members.exists(m, m.age > 90)"], ["members.filter(m, m.age < 18).size()"])
    rows = await judge_in_sql(office.service, compiled, crowd, date(2020, 7, 1))
    assert len(rows) == 800
    assert {row["lines_0"][0]["quantity"] for row in rows.values()} == {9}


async def test_fault_18_text_in_a_rule_never_becomes_sql(office: Office) -> None:
    hostile = 'household.location_class == "\'; DROP TABLE household_fact; --"'
    state = household()
    rows = await judge_in_sql(office.service, programme([hostile], ["1"]), [state], REFERENCE)
    assert rows[state.household_id]["clauses"] == {"clause_0": False}
