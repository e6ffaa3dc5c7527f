"""Enrolling a population: decisions, enrolments, history and events by one statement a range of ids."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Date,
    Integer,
    Select,
    Table,
    Text,
    cast,
    func,
    insert,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.decisions.exclusions import at_enrolment
from services.eligibility.decisions.model import DecisionRow, Purpose
from services.eligibility.decisions.population import Judged, judge_population
from services.eligibility.decisions.tell_decisions import differing, telling
from services.eligibility.enrolments.life import Action, EnrolmentState
from services.eligibility.enrolments.model import EnrolmentRow
from services.eligibility.enrolments.newcomers_sql import cause_column, newcomers_of
from services.eligibility.enrolments.transitions import enrolment_events, record_changes
from services.eligibility.facts.units import units_in_force
from services.eligibility.programmes.compiled import CompiledProgramme
from shared.contracts.eligibility import EnrolmentApproved, EnrolmentCause
from shared.outbox import outbox_table

ENROLMENT: Table = EnrolmentRow.__table__  # type: ignore[assignment]
DECISION: Table = DecisionRow.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class _Why:
    """Why somebody is enrolled: `told` with the events; `kept` with the state, where the platform found it."""

    told: ColumnElement[str]
    kept: ColumnElement[str] | None = None


async def enrol_chunk(
    session: AsyncSession,
    programme: CompiledProgramme,
    version: int,
    on: date,
    *,
    after: UUID | None,
    until: UUID,
    cause: EnrolmentCause,
    only: Select[UUID] | None = None,
    by: str | None = None,
) -> int:
    """Decide on everybody of an id range and enrol those who qualify, with their events: one statement.

    Who is enrolled already stays as she is, and a decision already taken is not repeated, so running again is harmless.
    Where the programme's capacity is bounded, newcomers are put on the waiting list, and nothing is told of them until
    enrolments/admit_waiting.py has ranked it.

    Args:
        cause: why, as the events tell it.
        only: a subquery of the beneficiaries to look at; None: all.
        by: subject of the officer who asked for it.

    Returns:
        How many were newly enrolled or listed.
    """
    judged = _judged(programme, version, on, units_in_force(programme, on, after=after, until=until, only=only))
    decided = insert_decisions(judged, programme.file.code, version, on, Purpose.ENROLMENT)
    differ = differing(judged, programme.file.code, version)
    why = _Why(told=literal(cause, Text))
    enrolled, written = _enrolling(programme, judged, differ, version, on, by, why)
    statement = select(func.count()).select_from(enrolled).add_cte(decided, *written)
    return int((await session.execute(statement)).scalar_one())


async def enrol_newcomers_chunk(
    session: AsyncSession,
    programme: CompiledProgramme,
    version: int,
    on: date,
    *,
    after: UUID | None,
    until: UUID,
) -> dict[str, int]:
    """The platform's own look at who is not enrolled: the same with a cause, and only decisions that differ are kept.

    Returns:
        How many were newly enrolled or listed, by cause.
    """
    code, only = programme.file.code, newcomers_of(programme, after, until)
    judged = _judged(programme, version, on, units_in_force(programme, on, after=after, until=until, only=only))
    differ = differing(judged, code, version)
    row = judged.cte.c
    kept = select(judged.cte).where(or_(row.qualifies, row.beneficiary_id.in_(select(differ.c.beneficiary_id))))
    decided = insert_decisions(judged, code, version, on, Purpose.ENROLMENT, kept.cte("kept"))
    cause = cause_column(programme, judged, version, on)
    why = _Why(told=cause, kept=cause)
    enrolled, written = _enrolling(programme, judged, differ, version, on, None, why)
    statement = select(enrolled.c.cause, func.count()).group_by(enrolled.c.cause).add_cte(decided, *written)
    return {row[0]: row[1] for row in await session.execute(statement)}


def _judged(programme: CompiledProgramme, version: int, on: date, facts: CTE) -> Judged:
    return judge_population(
        programme, facts, on, decision_key=(programme.file.code, str(version), on.isoformat()),
        exclusions=at_enrolment(programme.file.exclusivity),
    )  # fmt: skip


def _enrolling(
    programme: CompiledProgramme,
    judged: Judged,
    differ: CTE,
    version: int,
    on: date,
    by: str | None,
    why: _Why,
) -> tuple[CTE, list[CTE]]:
    """The CTE that enrols or lists who qualifies, and those that write its history and tell what happened."""
    code, waiting = programme.file.code, programme.file.capacity is not None
    enrolled = _enrolments(judged, code, version, on, waiting=waiting, why=why)
    written = [*telling(differ, code, version, on, by)]
    written.append(record_changes(enrolled, Action.WAITLIST if waiting else Action.APPROVE, by))
    if not waiting:
        events = enrolment_events(enrolled, EnrolmentApproved)
        outbox = insert(outbox_table).from_select(["topic", "key", "type", "data", "traceparent"], events)
        written.append(outbox.cte("told"))
    return enrolled, written


def insert_decisions(
    judged: Judged, code: str, version: int, on: date, purpose: Purpose, source: CTE | None = None
) -> CTE:
    """A CTE that stores decisions without amounts; one that is stored already is left as it is.

    Args:
        source: rows with the columns of `differing` instead of everybody judged.
    """
    row = judged.cte.c if source is None else source.c
    columns: dict[str, ColumnElement[Any]] = {
        "id": row.decision_id,
        "purpose": literal(purpose.value, Text),
        "programme_code": literal(code, Text),
        "programme_version": literal(version, Integer),
        "beneficiary_id": row.beneficiary_id,
        "household_id": row.household_id,
        "beneficiary_reference": row.reference,
        "village_code": row.village_code,
        "facts_version": row.version,
        "facts_hash": row.facts_hash,
        "on_date": literal(on, Date),
        "qualifies": row.qualifies,
        "failed": row.failed,
    }
    inserted = pg_insert(DECISION).from_select(list(columns), select(*columns.values()))
    return inserted.on_conflict_do_nothing(index_elements=["id"]).cte("decided")


def _enrolments(judged: Judged, code: str, version: int, on: date, *, waiting: bool, why: _Why) -> CTE:
    """New enrolments, and ended ones that begin again; not those that ended for good."""
    row = judged.cte.c
    state = EnrolmentState.WAITLISTED if waiting else EnrolmentState.APPROVED
    columns: dict[str, ColumnElement[Any]] = {
        "programme_code": literal(code, Text),
        "programme_version": literal(version, Integer),
        "beneficiary_id": row.beneficiary_id,
        "household_id": row.household_id,
        "beneficiary_reference": row.reference,
        "village_code": row.village_code,
        "state": literal(state.value, Text),
        "effective_on": literal(on, Date),
        "decision_id": row.decision_id,
        "expected_amount": judged.expected(),
        "rank_key": row.rank_key,
        "card_valid_until": row.card_valid_until,
        "cause": cast(null(), Text) if why.kept is None else why.kept,
        "approved_cause": why.told,
    }
    inserted = pg_insert(ENROLMENT).from_select(list(columns), select(*columns.values()).where(row.qualifies))
    fixed = ("programme_code", "beneficiary_id", "beneficiary_reference")
    again: dict[str, Any] = {name: inserted.excluded[name] for name in columns if name not in fixed}
    again |= {name: null() for name in ("ended_on", "changed_on", "changed_by", "suspended_until", "rank")}
    return (
        inserted.on_conflict_do_update(
            index_elements=["beneficiary_id", "programme_code"],
            set_=again | {"version": ENROLMENT.c.version + 1},
            where=(ENROLMENT.c.state == EnrolmentState.ENDED.value) & ~ENROLMENT.c.ended_for_good,
        )
        .returning(*ENROLMENT.c)
        .cte("enrolled")
    )
