"""Builders of test households and programmes."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from shared.contracts.registry import HouseholdDissolved, HouseholdRegistered, MemberFacts
from shared.ids import reference, uuid7

PACKS = Path(__file__).parent.parent / "packs"
COVID = (PACKS / "kh" / "KH-CTP-COVID.yaml").read_bytes()
OFFICER = "programme_officer"


def born(age: int, on: date = date(2020, 7, 1)) -> date:
    """A birth date that makes this age on a date (half a year past the birthday)."""
    return date(on.year - age, 1, 1)


def member(age: int = 30, **facts: Any) -> MemberFacts:
    """A member of this age on 2020-07-01."""
    values = {"person_id": uuid7(), "relationship": "other", "sex": "female", "birth_date": born(age)}
    return MemberFacts(**(values | facts))


def household(*members: MemberFacts, household_id: UUID | None = None, **facts: Any) -> HouseholdRegistered:
    """A poor rural household of level 1 with a valid card; two adults unless members are given."""
    identity = household_id or uuid7()
    values = {
        "version": 1,
        "household_id": identity,
        "reference": reference("HH", identity),
        "village_code": "01020304",
        "location_class": "rural",
        "poverty_level": 1,
        "card_valid_from": date(2020, 1, 1),
        "card_valid_until": date(2022, 12, 31),
        "effective_on": date(2020, 1, 1),
        "members": members or (member(), member()),
    }
    return HouseholdRegistered(**(values | facts))


def dissolved(state: HouseholdRegistered, on: date) -> HouseholdDissolved:
    """The end of a household."""
    return HouseholdDissolved(
        version=state.version + 1, household_id=state.household_id, cause="error", effective_on=on
    )
