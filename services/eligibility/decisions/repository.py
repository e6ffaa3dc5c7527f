"""All SQL of decisions: reading and counting. They are written by the statements that enrol and compute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.cycles.model import EntitlementRow
from services.eligibility.decisions.model import DecisionRow, StandingRow
from services.eligibility.model import AnyRow
from shared.auth import Principal, in_area

D, S, G = DecisionRow, StandingRow, EntitlementRow
_COLUMNS = (
    D.id,
    D.purpose,
    D.programme_code,
    D.programme_version,
    D.cycle_id,
    D.unit_id,
    D.beneficiary_id,
    D.household_id,
    D.beneficiary_reference,
    D.village_code,
    D.facts_version,
    D.facts_hash,
    D.on_date,
    D.qualifies,
    D.failed,
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


async def lines_of(session: AsyncSession, decision: AnyRow) -> dict[str, list[dict[str, Any]]]:
    """The lines of a payment decision by component: its own, or those of the entitlements that it became."""
    if decision.lines is not None or decision.cycle_id is None:
        return decision.lines or {}
    rows = await session.execute(
        select(G.component, G.lines).where(
            G.cycle_id == decision.cycle_id, G.beneficiary_id == decision.beneficiary_id, G.decision_id == decision.id
        )
    )
    return {row.component: row.lines for row in rows}


async def count_last_run(session: AsyncSession, principal: Principal, code: str) -> tuple[int, int, dict[str, int]]:
    """Of what stands in the caller's area: decided, qualified, and beneficiaries by clause that fails."""
    mine = and_(S.programme_code == code, in_area(principal, S.village_code))
    counts = (await session.execute(select(func.count(), func.count().filter(S.qualifies)).where(mine))).one()
    each = select(func.unnest(S.failed).label("id")).where(mine).subquery("each")
    failed = await session.execute(select(each.c.id, func.count()).group_by(each.c.id))
    return counts[0], counts[1], {row[0]: row[1] for row in failed}
