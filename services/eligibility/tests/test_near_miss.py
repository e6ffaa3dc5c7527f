"""A decision that refuses says what was missing."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings

from services.eligibility.facts.household import Household, Member, view_on
from services.eligibility.rules.evaluate import HouseholdView, evaluate
from services.eligibility.rules.near_miss import Missing, missing
from services.eligibility.rules.parser import parse_rule
from services.eligibility.tests.builders import household
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.rule_texts import CONDITIONS
from shared.ids import uuid7

ON = date(2020, 7, 1)


def _view(**facts: Any) -> HouseholdView:
    values: dict[str, Any] = {
        "household_id": uuid7(), "version": 1, "reference": "HH-1", "village_code": "01020304",
        "location_class": "rural", "poverty_level": 2, "card_valid_from": None, "card_valid_until": None,
        "at_risk": False, "members": (Member(date(1962, 1, 1), "female"), Member(date(2017, 1, 1), "male")),
    }  # fmt: skip
    return view_on(Household(**(values | facts)), ON)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("household.poverty_level == 1", [Missing("household.poverty_level", 2, "==", 1)]),
        ("members.exists(m, m.age >= 60)", [Missing("members counted", 0, ">", 0)]),
        ("3 <= household.size", [Missing("household.size", 2, ">=", 3)]),
        ("household.at_risk", [Missing("household.at_risk", False, "==", True)]),
        ("!household.card_valid", [Missing("household.card_valid", True, "==", False)]),
        ("household.location_class in ['urban', 'island']",
         [Missing("household.location_class", "rural", "in", "urban, island")]),
        ("'flood' in household.shocks", [Missing("household.shocks", "", "with", "flood")]),
        ("household.at_risk && household.size > 4 || household.poverty_level == 1",
         [Missing("household.poverty_level", 2, "==", 1)]),
        ("household.poverty_level == 2", []),
    ],
)  # fmt: skip
def test_what_is_missing_is_the_shortest_way_to_the_clause(text: str, expected: list[Missing]) -> None:
    found = missing(parse_rule(text), _view())
    assert [(step.fact, step.has, step.needs, step.than) for step in found] == [
        (step.fact, step.has, step.needs, step.than) for step in expected
    ]


@given(CONDITIONS)
@settings(max_examples=200, deadline=None)
def test_something_is_missing_exactly_where_a_rule_does_not_hold(text: str) -> None:
    rule, view = parse_rule(text), _view()
    assert bool(missing(rule, view)) == (not evaluate(rule, view))


async def test_a_near_miss_is_told_with_the_one_thing_that_was_missing(office: Office) -> None:
    state = household(card_valid_until=date(2020, 6, 30))
    await office.service.deliver(state)
    await office.publish()
    await office.enrol()
    (item,) = (await office.get(f"/beneficiaries/{state.household_id}/decisions"))["items"]
    decision = await office.get(f"/decisions/{item['id']}")
    assert decision["near_miss"]
    (failed,) = [clause for clause in decision["clauses"] if not clause["holds"]]
    assert failed["missing"] == [{"fact": "household.card_valid", "has": False, "needs": "==", "than": True}]
