"""One report of an event, and what is wrong with it. Pure: what is known of the person is given."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.eligibility.conditions.kinds import ConditionKind
from services.eligibility.facts.household import age_months, ymd
from services.eligibility.programmes.rates import Day
from shared.auth import Principal
from shared.contracts.base import PlaceCode

MAX_NOTICE = 400


class Report(BaseModel):
    """An event as a facility, school or employer reports it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")
    person_id: UUID
    occurred_on: Day = Field(description="The day; the first one of what lasts; any day of the month it tells of.")
    until: Day | None = Field(default=None, description="The last day of what lasts.")
    value: int | None = Field(default=None, ge=0, le=10_000)
    babies: int | None = Field(default=None, ge=1, le=9)
    facility_code: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$", description="Of the facility, school or enterprise.")
    place_code: PlaceCode = Field(description="Where it is: within the reporter's area.")
    employer_id: UUID | None = None


@dataclass(frozen=True)
class Person:
    """What is known of the person today; `subject_id`: who she is after merges of records."""

    subject_id: UUID
    village_code: str
    sex: str
    birth_date: date
    employer_id: UUID | None


@dataclass(frozen=True)
class Reporter:
    """Who reports: the caller, and the employers that she may report for."""

    principal: Principal
    employers: Collection[UUID] = ()


@dataclass(frozen=True)
class Refusal:
    """Why a report is not taken."""

    field: str
    code: str
    message: str


def day_of(kind: ConditionKind, report: Report) -> date:
    """The day under which it is kept: the first of the month for what tells of a month."""
    return report.occurred_on.replace(day=1) if kind.of_month else report.occurred_on


def find_fault(
    report: Report, kind: ConditionKind | None, person: Person | None, reporter: Reporter, today: date
) -> Refusal | None:
    """What is wrong with a report, or None. The first thing found: who may, then about whom, then when, then what."""
    if kind is None:
        return Refusal("kind", "kind_unknown", "Look at the list of kinds for its code.")
    return (
        _who(report, kind, reporter)
        or _about_whom(report, kind, person)
        or _when(report, kind, today)
        or _what(report, kind)
    )


def _who(report: Report, kind: ConditionKind, reporter: Reporter) -> Refusal | None:
    principal = reporter.principal
    if not principal.has(*kind.reported_by):
        return Refusal("kind", "role_not_allowed", f"This is reported by: {', '.join(kind.reported_by)}.")
    if not principal.covers(report.place_code):
        return Refusal("place_code", "outside_area", "The facility lies outside your area.")
    if principal.has("employer") and "employer" in kind.reported_by:
        if report.employer_id is None:
            return Refusal("employer_id", "employer_missing", "Say which employer reports.")
        if report.employer_id not in reporter.employers:
            return Refusal("employer_id", "not_your_employer", "You are not registered to report for this employer.")
    return None


def _about_whom(report: Report, kind: ConditionKind, person: Person | None) -> Refusal | None:
    if person is None:
        return Refusal("person_id", "person_unknown", "Register the person first, or take her id from the registry.")
    if kind.sex is not None and person.sex != kind.sex:
        return Refusal("person_id", "sex_does_not_fit", f"This kind of event is for: {kind.sex}.")
    if report.occurred_on < person.birth_date:
        return Refusal("occurred_on", "before_birth", "The person was not born yet on this day.")
    months = age_months(ymd(person.birth_date), ymd(report.occurred_on))
    if not kind.minimum_age_months <= months <= kind.maximum_age_months:
        low, high = kind.minimum_age_months, kind.maximum_age_months
        return Refusal("person_id", "age_does_not_fit", f"On that day her age must be {low} to {high} months.")
    if report.employer_id is not None and person.employer_id != report.employer_id:
        return Refusal("person_id", "not_employed_here", "The registry does not know her as employed there.")
    return None


def _when(report: Report, kind: ConditionKind, today: date) -> Refusal | None:
    day = day_of(kind, report)
    if day > today + timedelta(days=kind.ahead_days):
        return Refusal("occurred_on", "in_future", f"It may be reported {kind.ahead_days} days before, at most.")
    if report.occurred_on < today - timedelta(days=kind.late_days):
        return Refusal("occurred_on", "too_late", f"It may be reported {kind.late_days} days afterwards, at most.")
    if kind.lasts and report.until is None:
        return Refusal("until", "until_missing", "Say the last day.")
    if not kind.lasts and report.until is not None:
        return Refusal("until", "until_not_expected", "This kind of event is of one day: leave `until` out.")
    if report.until is not None:
        days = (report.until - report.occurred_on).days + 1
        if not 1 <= days <= kind.maximum_days:
            return Refusal("until", "length_out_of_range", f"It lasts 1 to {kind.maximum_days} days.")
    return None


def _what(report: Report, kind: ConditionKind) -> Refusal | None:
    if kind.value is not None and report.value is None:
        return Refusal("value", "value_missing", "Say what was measured.")
    if kind.value is None and report.value is not None:
        return Refusal("value", "value_not_expected", "This kind of event has no value: leave it out.")
    if kind.value is not None and not kind.value.minimum <= (report.value or 0) <= kind.value.maximum:
        low, high = kind.value.minimum, kind.value.maximum
        return Refusal("value", "value_out_of_range", f"The value is {low} to {high}.")
    if kind.counts_babies and report.babies is None:
        return Refusal("babies", "babies_missing", "Say how many babies were born.")
    if not kind.counts_babies and report.babies is not None:
        return Refusal("babies", "babies_not_expected", "This kind of event counts no babies: leave them out.")
    return None


def working_days_between(reported: date, first_day: date, holidays: Collection[date]) -> int:
    """Working days (Monday to Friday, no public holiday) from the day of the report, not counted, to the day before.

    Zero when it is reported on its first day or afterwards; 400 at most.
    """
    days = min((first_day - reported).days - 1, MAX_NOTICE * 2)
    found = (reported + timedelta(days=n) for n in range(1, days + 1))
    return min(MAX_NOTICE, sum(1 for day in found if day.weekday() < 5 and day not in holidays))
