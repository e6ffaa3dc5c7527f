"""All SQL of counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases.model import Case
from services.grievance.statistics.model import SealedQuarter, SealedQuarterCell
from shared.auth import Principal, in_area


async def seen(
    session: AsyncSession, principal: Principal, since: datetime, until: datetime, today: date
) -> Sequence[Row[Any]]:
    """Cases of the caller's area opened in [since, until): by category, level and state, with those overdue."""
    late = func.count().filter(Case.answered.is_(False), Case.due_on < today)
    statement = (
        select(
            Case.category,
            Case.level,
            Case.state,
            func.count().label("cases"),
            late.label("overdue"),
            func.count(Case.rating).label("ratings"),
            func.avg(Case.rating).label("rating"),
        )
        .where(
            Case.opened_at >= since, Case.opened_at < until, Case.sealed.is_(False), in_area(principal, Case.place_code)
        )
        .group_by(Case.category, Case.level, Case.state)
        .order_by(Case.category, Case.level, Case.state)
    )
    return (await session.execute(statement)).all()


async def sealed(session: AsyncSession, since: datetime, until: datetime) -> dict[tuple[str, str], int]:
    """Cases that were sealed in [since, until) by (province, category); the seal is open. Not to be shown as they are.

    Cases count where and as what they stand now.
    """
    statement = (
        select(func.coalesce(Case.province_code, "").label("province"), Case.category, func.count().label("cases"))
        .where(Case.sealed, Case.sealed_at >= since, Case.sealed_at < until)
        .group_by(Case.province_code, Case.category)
    )
    return {(row.province, row.category): row.cases for row in await session.execute(statement)}


async def claim_quarter(session: AsyncSession, quarter: str, at: datetime) -> bool:
    """Whether this transaction is the one that counts a quarter. Another one that does so is waited for."""
    statement = insert(SealedQuarter).values(quarter=quarter, frozen_at=at).on_conflict_do_nothing()
    return (await session.execute(statement.returning(SealedQuarter.quarter))).first() is not None


async def keep_cells(session: AsyncSession, quarter: str, cells: Mapping[tuple[str, str], int]) -> None:
    """Write what may be seen of a quarter; a few dozen rows."""
    rows = [
        {"quarter": quarter, "province_code": province, "category": category, "cases": cases}
        for (province, category), cases in sorted(cells.items())
    ]
    if rows:
        await session.execute(insert(SealedQuarterCell).values(rows))


async def frozen(session: AsyncSession, quarter: str) -> Sequence[SealedQuarterCell] | None:
    """The published cells of a quarter; None when it was not counted yet."""
    if await session.get(SealedQuarter, quarter) is None:
        return None
    statement = select(SealedQuarterCell).where(SealedQuarterCell.quarter == quarter)
    order = (SealedQuarterCell.province_code, SealedQuarterCell.category)
    return (await session.scalars(statement.order_by(*order))).all()
