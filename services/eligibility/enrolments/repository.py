"""All SQL of enrolments: enrolling a population by one statement per chunk, ending, lists and counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    Boolean,
    ColumnElement,
    Date,
    Integer,
    Table,
    Text,
    cast,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.decisions.model import DecisionRow, Purpose
from services.eligibility.decisions.population import Judged, judge_population
from services.eligibility.enrolments.model import EnrolmentRow, EnrolmentState
from services.eligibility.facts.repository import facts_in_force
from services.eligibility.model import AnyRow
from services.eligibility.programmes.compiled import CompiledProgramme
from shared.auth import Principal, in_area
from shared.contracts.eligibility import EnrolmentApproved
from shared.db import rows_from_json
from shared.outbox import outbox_table
from shared.telemetry import current_traceparent

ENROLMENT: Table = EnrolmentRow.__table__  # type: ignore[assignment]
DECISION: Table = DecisionRow.__table__  # type: ignore[assignment]
E = EnrolmentRow


async def enrol_chunk(
    session: AsyncSession, programme: CompiledProgramme, version: int, on: date, *, after: UUID | None, until: UUID
) -> int:
    """Decide on every household of an id range and enrol those who qualify, with their events: one statement.

    Who is enrolled already stays as she is, and a decision already taken is not repeated, so running again is harmless.

    Returns:
        How many were newly enrolled.
    """
    code = programme.file.code
    key = (code, str(version), on.isoformat())
    judged = judge_population(programme, facts_in_force(on, after=after, until=until), on, decision_key=key)
    decided = _decisions(judged, code, version, on)
    enrolled = _enrolments(judged, code, version, on)
    event = func.json_build_object(
        "version", enrolled.c.version,
        "enrolment_id", enrolled.c.id,
        "programme_code", enrolled.c.programme_code,
        "programme_version", enrolled.c.programme_version,
        "beneficiary_id", enrolled.c.beneficiary_id,
        "beneficiary_reference", enrolled.c.beneficiary_reference,
        "village_code", enrolled.c.village_code,
        "effective_on", enrolled.c.effective_on,
    )  # fmt: skip
    statement = insert(outbox_table).from_select(
        ["topic", "key", "type", "data", "traceparent"],
        select(
            literal(EnrolmentApproved.TOPIC, Text),
            cast(enrolled.c.id, Text),
            literal(EnrolmentApproved.TYPE, Text),
            cast(event, JSON),
            literal(current_traceparent(), Text),
        ),
    )
    result: Any = await session.execute(statement.add_cte(decided))
    return int(result.rowcount)


def _decisions(judged: Judged, code: str, version: int, on: date) -> CTE:
    row = judged.cte.c
    columns = {
        "id": row.decision_id,
        "purpose": literal(Purpose.ENROLMENT.value, Text),
        "programme_code": literal(code, Text),
        "programme_version": literal(version, Integer),
        "beneficiary_id": row.household_id,
        "beneficiary_reference": row.reference,
        "village_code": row.village_code,
        "facts_version": row.version,
        "facts_hash": row.facts_hash,
        "on_date": literal(on, Date),
        "qualifies": row.qualifies,
        "clauses": row.clauses,
    }
    inserted = pg_insert(DECISION).from_select(list(columns), select(*columns.values()))
    return inserted.on_conflict_do_nothing(index_elements=["id"]).returning(DECISION.c.id).cte("decided")


def _enrolments(judged: Judged, code: str, version: int, on: date) -> CTE:
    row = judged.cte.c
    columns: dict[str, ColumnElement[Any]] = {
        "programme_code": literal(code, Text),
        "programme_version": literal(version, Integer),
        "beneficiary_id": row.household_id,
        "beneficiary_reference": row.reference,
        "village_code": row.village_code,
        "effective_on": literal(on, Date),
        "decision_id": row.decision_id,
    }
    source = select(*columns.values()).where(cast(row.qualifies, Boolean))
    inserted = pg_insert(ENROLMENT).from_select(list(columns), source)
    return (
        inserted.on_conflict_do_nothing(index_elements=["beneficiary_id", "programme_code"])
        .returning(*ENROLMENT.c)
        .cte("enrolled")
    )


async def end(session: AsyncSession, ends: Sequence[dict[str, Any]], cause: str) -> Sequence[AnyRow]:
    """End what is not ended of these beneficiaries' enrolments.

    Args:
        ends: {"beneficiary_id", "ended_on"} each.

    Returns:
        The enrolments as they are now.
    """
    incoming = rows_from_json(ENROLMENT, ["beneficiary_id", "ended_on"])
    statement = (
        update(ENROLMENT)
        .where(ENROLMENT.c.beneficiary_id == incoming.c.beneficiary_id, ENROLMENT.c.state != EnrolmentState.ENDED)
        .values(
            state=EnrolmentState.ENDED,
            ended_on=incoming.c.ended_on,
            cause=cause,
            version=ENROLMENT.c.version + 1,
        )
        .returning(*ENROLMENT.c)
    )
    return (await session.execute(statement, {"rows": list(ends)})).all()


async def list_enrolments(
    session: AsyncSession, principal: Principal, code: str, after: UUID | None, limit: int
) -> Sequence[AnyRow]:
    """Enrolments of a programme in the caller's area, oldest first."""
    statement = (
        select(
            E.id,
            E.state,
            E.programme_version,
            E.beneficiary_id,
            E.beneficiary_reference,
            E.village_code,
            E.effective_on,
            E.ended_on,
            E.decision_id,
        )
        .where(E.programme_code == code, in_area(principal, E.village_code))
        .order_by(E.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(E.id > after)
    return (await session.execute(statement)).all()


async def count_by_state(session: AsyncSession, principal: Principal, code: str) -> dict[str, int]:
    """Enrolments of a programme in the caller's area, by state."""
    statement = (
        select(E.state, func.count())
        .where(E.programme_code == code, in_area(principal, E.village_code))
        .group_by(E.state)
    )
    return {row[0]: row[1] for row in await session.execute(statement)}
