"""Use-case: record events that facilities, schools and employers report. One by one or thousands: the same checks.

A report of what is known already changes nothing (a repeated file, a second click); one that contradicts it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.conditions import repository
from services.eligibility.conditions.kinds import ConditionKind
from services.eligibility.conditions.model import EventState
from services.eligibility.conditions.report import (
    Person,
    Refusal,
    Report,
    Reporter,
    day_of,
    find_fault,
    working_days_between,
)
from shared.clock import Clock
from shared.ids import uuid7

Key = tuple[UUID, str, date]


@dataclass(frozen=True)
class Outcome:
    """What became of one report.

    Attributes:
        outcome: recorded, pending (it waits for approval), duplicate or refused.
        event_id: of the event that stands now; None if refused.
    """

    outcome: str
    event_id: UUID | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True)
class Rules:
    """The kinds as configured, and the public holidays."""

    kinds: Mapping[str, ConditionKind]
    holidays: frozenset[date] = field(default_factory=frozenset)


_DIFFERS = Refusal(
    "occurred_on", "contradicts_report", "This event is recorded with other details: withdraw that report first."
)


async def record_events(
    session: AsyncSession, rules: Rules, reporter: Reporter, reports: Sequence[Report], clock: Clock, source: str
) -> list[Outcome]:
    """Judge and store reports; each gets its own answer, in their order.

    Args:
        clock: tells the time of recording.
        source: how they came: api, file or fhir.
    """
    persons = await repository.find_persons(session, list({report.person_id for report in reports}))
    outcomes: list[Outcome | None] = [None] * len(reports)
    first: dict[Key, int] = {}
    rows: list[dict[str, Any]] = []
    for index, report in enumerate(reports):
        kind, person = rules.kinds.get(report.kind), persons.get(report.person_id)
        fault = find_fault(report, kind, person, reporter, clock.today())
        if fault is not None or kind is None or person is None:
            outcomes[index] = Outcome("refused", refusal=fault)
            continue
        key = (report.person_id, report.kind, day_of(kind, report))
        if key not in first:
            first[key] = index
            rows.append(_row(report, kind, person, rules, reporter, clock, source))
    added = await repository.insert_events(session, rows)
    standing = await _standing(session, rows, added)
    by_key = {_key(row): row for row in rows}
    for index, report in enumerate(reports):
        if outcomes[index] is None:
            key = (report.person_id, report.kind, day_of(rules.kinds[report.kind], report))
            is_new = first[key] == index and by_key[key]["id"] in added
            outcomes[index] = _outcome(report, rules.kinds[report.kind], by_key[key], standing.get(key), is_new)
    return [outcome for outcome in outcomes if outcome is not None]


def _key(row: Mapping[str, Any]) -> Key:
    return row["person_id"], row["kind"], row["occurred_on"]


async def _standing(session: AsyncSession, rows: Sequence[dict[str, Any]], added: set[UUID]) -> dict[Key, Any]:
    """What stands already under the keys that could not be added."""
    keys = [
        {name: row[name] for name in ("person_id", "kind", "occurred_on")} for row in rows if row["id"] not in added
    ]
    found = await repository.find_live(session, keys)
    return {(row.person_id, row.kind, row.occurred_on): row._mapping for row in found}


def _outcome(report: Report, kind: ConditionKind, row: Mapping[str, Any], known: Any, is_new: bool) -> Outcome:
    standing = row if known is None else known
    if is_new:
        return Outcome("pending" if kind.needs_approval else "recorded", standing["id"])
    said = (report.until, report.value or 0, report.babies or 0)
    if said != (standing["until"], standing["value"], standing["babies"]):
        return Outcome("refused", refusal=_DIFFERS)
    return Outcome("duplicate", standing["id"])


def _row(
    report: Report, kind: ConditionKind, person: Person, rules: Rules, reporter: Reporter, clock: Clock, source: str
) -> dict[str, Any]:
    day = day_of(kind, report)
    return {
        "id": uuid7(),
        "kind": report.kind,
        "person_id": report.person_id,
        "subject_id": person.subject_id,
        "occurred_on": day,
        "until": report.until,
        "value": report.value or 0,
        "babies": report.babies or 0,
        "notice_days": working_days_between(clock.today(), day, rules.holidays),
        "episode_days": kind.episode_days,
        "facility_code": report.facility_code,
        "employer_id": report.employer_id,
        "village_code": person.village_code,
        "source": source,
        "state": EventState.PENDING if kind.needs_approval else EventState.ACCEPTED,
        "recorded_by": reporter.principal.subject,
        "recorded_at": clock.now().isoformat(),
    }


async def read_rules(session: AsyncSession) -> Rules:
    """The kinds and holidays as they are configured now."""
    documents = await repository.read_kinds(session)
    holidays = documents.pop(HOLIDAYS, {}).get("days", [])
    kinds = {code: ConditionKind.model_validate(document) for code, document in documents.items()}
    return Rules(kinds, frozenset(date.fromisoformat(day) for day in holidays))


HOLIDAYS = "-holidays"
"""The row of the kinds' table that holds the public holidays: no kind can have this code."""
