"""A household's facts as values, and the view that rules get of them on a reference date. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

import orjson

from services.eligibility.rules.evaluate import Facts, HouseholdView, Value
from services.eligibility.rules.vocabulary import NO_DAY
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
    person_id: UUID | None = None
    education_level: str = "none"
    employment: str = "none"
    employer_id: UUID | None = None
    employer_sector: str | None = None
    insured: bool = False
    civil_servant: bool = False
    disability_card_valid_until: date | None = None


@dataclass(frozen=True)
class Shock:
    """A shock that hit a household."""

    code: str
    occurred_on: date


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
    kind: str = "family"
    shocks: tuple[Shock, ...] = ()


@dataclass(frozen=True)
class UnitSeen:
    """What is judged besides the household.

    Attributes:
        person_id: the person that the unit is, or that the event happened to; None for a household.
        event: facts of the event, by name.
        met: the programme's named conditions that each person meets on the reference date.
        conditions: every name of a condition of the programme.
    """

    person_id: UUID | None = None
    event: Facts = field(default_factory=dict)
    met: Mapping[UUID, frozenset[str]] = field(default_factory=dict)
    conditions: frozenset[str] = frozenset()


_HOUSEHOLD_ITSELF = UnitSeen()


def view_on(household: Household, reference_date: date, unit: UnitSeen = _HOUSEHOLD_ITSELF) -> HouseholdView:
    """What rules see on the reference date: ages then, the card's validity then, members born by then (fault 21)."""
    on = ymd(reference_date)
    facts: Facts = {
        "village_code": household.village_code,
        "location_class": household.location_class,
        "poverty_level": household.poverty_level,
        "card_valid": _card_valid(household, reference_date),
        "at_risk": household.at_risk,
        "kind": household.kind,
        "card_days_left": _card_days_left(household, reference_date),
    }
    seen: dict[str, Value] = {"reference.ymd": on, "reference.year": on // 10_000, "reference.month": on // 100 % 100}
    seen |= {f"event.{name}": value for name, value in unit.event.items()}
    people = [(m, _member(m, reference_date, unit)) for m in household.members if m.birth_date <= reference_date]
    if unit.person_id is not None:
        person = next(facts for member, facts in people if member.person_id == unit.person_id)
        seen |= {f"person.{name}": value for name, value in person.items()}
    shocks = frozenset(shock.code for shock in household.shocks if shock.occurred_on <= reference_date)
    return HouseholdView(facts, [person for _, person in people], seen, shocks)


def _card_valid(household: Household, on: date) -> bool:
    return (
        household.poverty_level > 0
        and (household.card_valid_from is None or household.card_valid_from <= on)
        and (household.card_valid_until is None or household.card_valid_until >= on)
    )


def _card_days_left(household: Household, on: date) -> int:
    if household.poverty_level == 0:
        return -NO_DAY
    until = household.card_valid_until
    return NO_DAY if until is None else max(-NO_DAY, min(NO_DAY, (until - on).days))


def _member(member: Member, reference_date: date, unit: UnitSeen) -> Facts:
    birth, on = ymd(member.birth_date), ymd(reference_date)
    card_until = member.disability_card_valid_until
    met = unit.met.get(member.person_id, frozenset()) if member.person_id is not None else frozenset()
    return {
        "age": age_years(birth, on),
        "age_months": age_months(birth, on),
        "sex": member.sex,
        "relationship": member.relationship,
        "disability": member.disability,
        "living_with_hiv": member.living_with_hiv,
        "pregnant": member.pregnant,
        "education_level": member.education_level,
        "employment": member.employment,
        "has_employer": member.employer_id is not None,
        "employer_sector": member.employer_sector or "",
        "insured": member.insured,
        "civil_servant": member.civil_servant,
        "disability_card_valid": member.disability != "none" and (card_until is None or card_until >= reference_date),
        **{name: name in met for name in unit.conditions},
    }


_NOT_FACTS = {"version", "members", "reference", "head_person_id", "change", "changed_by"}


def facts_hash(state: HouseholdState) -> bytes:
    """SHA-256 over the facts of a state, members in the order of their ids: equal facts, equal hash."""
    document = state.model_dump(mode="json", exclude=_NOT_FACTS)
    document["members"] = sorted((m.model_dump(mode="json") for m in state.members), key=lambda m: str(m["person_id"]))
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).digest()
