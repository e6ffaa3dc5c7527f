"""A household's facts as values, and the view that rules get of them on a reference date. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import orjson

from services.eligibility.rules.evaluate import Facts, HouseholdView
from shared.contracts.registry import HouseholdState


def ymd(day: date) -> int:
    """A date as a number, 2020-01-31 as 20200131."""
    return day.year * 10_000 + day.month * 100 + day.day


def age_years(birth_ymd: int, on_ymd: int) -> int:
    """Completed years: born on 29 February, a year is complete on 1 March."""
    return (on_ymd - birth_ymd) // 10_000


def age_months(birth_ymd: int, on_ymd: int) -> int:
    """Completed months."""
    months = (on_ymd // 10_000 - birth_ymd // 10_000) * 12 + (on_ymd // 100 % 100) - (birth_ymd // 100 % 100)
    return months - (1 if on_ymd % 100 < birth_ymd % 100 else 0)


@dataclass(frozen=True)
class Member:
    """One member, as in shared/contracts/registry.py."""

    birth_date: date
    sex: str
    relationship: str = "other"
    disability: str = "none"
    living_with_hiv: bool = False
    pregnant: bool = False


@dataclass(frozen=True)
class Household:
    """One version of a household's facts; `poverty_level` is 0 without a card."""

    household_id: UUID
    version: int
    reference: str
    village_code: str
    location_class: str
    poverty_level: int
    card_valid_from: date | None
    card_valid_until: date | None
    at_risk: bool
    members: tuple[Member, ...]


def view_on(household: Household, reference_date: date) -> HouseholdView:
    """What rules see on the reference date: ages then, the card's validity then, members born by then (fault 21)."""
    on = ymd(reference_date)
    card_valid = (
        household.poverty_level > 0
        and (household.card_valid_from is None or household.card_valid_from <= reference_date)
        and (household.card_valid_until is None or household.card_valid_until >= reference_date)
    )
    facts: Facts = {
        "village_code": household.village_code,
        "location_class": household.location_class,
        "poverty_level": household.poverty_level,
        "card_valid": card_valid,
        "at_risk": household.at_risk,
    }
    return HouseholdView(facts, [_member(m, on) for m in household.members if m.birth_date <= reference_date])


def _member(member: Member, on: int) -> Facts:
    birth = ymd(member.birth_date)
    return {
        "age": age_years(birth, on),
        "age_months": age_months(birth, on),
        "sex": member.sex,
        "relationship": member.relationship,
        "disability": member.disability,
        "living_with_hiv": member.living_with_hiv,
        "pregnant": member.pregnant,
    }


def facts_hash(state: HouseholdState) -> bytes:
    """SHA-256 over the facts of a state, members in the order of their ids: equal facts, equal hash."""
    document = state.model_dump(mode="json", exclude={"version", "members", "reference", "head_person_id"})
    document["members"] = sorted((m.model_dump(mode="json") for m in state.members), key=lambda m: str(m["person_id"]))
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).digest()
