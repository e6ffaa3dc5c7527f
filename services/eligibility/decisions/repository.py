"""All SQL of decisions: reading and counting. They are written by the statements that enrol and compute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, Text, and_, cast, column, func, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.decisions.model import DecisionRow
from services.eligibility.model import AnyRow
from shared.auth import Principal, in_area

D = DecisionRow
_COLUMNS = (
    D.id,
    D.purpose,
    D.programme_code,
    D.programme_version,
    D.cycle_id,
    D.beneficiary_id,
    D.beneficiary_reference,
    D.village_code,
    D.facts_version,
    D.facts_hash,
    D.on_date,
    D.qualifies,
    D.clauses,
    D.lines,
    D.decided_at,
)


async def find(session: AsyncSession, decision_id: UUID) -> AnyRow | None:
    """One decision, or None."""
    return (await session.execute(select(*_COLUMNS).where(D.id == decision_id))).one_or_none()


async def list_of_beneficiary(
    session: AsyncSession,
    principal: Principal,
    beneficiary_id: UUID,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[AnyRow]:
    """A beneficiary's decisions in the caller's area, oldest first."""
    statement = (
        select(*_COLUMNS)
        .where(D.beneficiary_id == beneficiary_id, in_area(principal, D.village_code))
        .order_by(D.decided_at, D.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(D.decided_at, D.id) > after)
    return (await session.execute(statement)).all()


async def count_last_run(session: AsyncSession, principal: Principal, code: str) -> tuple[int, int, dict[str, int]]:
    """Of the last enrolment run in the caller's area: decided, qualified, and households by clause that fails."""
    enrolment = and_(D.programme_code == code, D.cycle_id.is_(None))
    last = (
        select(D.programme_version, D.on_date)
        .where(enrolment)
        .order_by(D.programme_version.desc(), D.on_date.desc())
        .limit(1)
        .subquery("last")
    )
    # A household decided twice in the run (its facts changed) counts once, by its newest facts.
    newest = (
        select(D.qualifies, D.clauses)
        .join(last, and_(D.programme_version == last.c.programme_version, D.on_date == last.c.on_date))
        .where(enrolment, in_area(principal, D.village_code))
        .ext(distinct_on(D.beneficiary_id))
        .order_by(D.beneficiary_id, D.facts_version.desc())
        .cte("newest")
    )
    counts = (
        await session.execute(select(func.count(), func.count().filter(newest.c.qualifies)).select_from(newest))
    ).one()
    clause = func.jsonb_each(newest.c.clauses).table_valued(column("key", Text), column("value", JSONB)).lateral()
    failed = await session.execute(
        select(clause.c.key, func.count())
        .select_from(newest)
        .join(clause, ~cast(clause.c.value, Boolean))
        .where(~newest.c.qualifies)
        .group_by(clause.c.key)
    )
    return counts[0], counts[1], {row[0]: row[1] for row in failed}
