"""All SQL of counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases.model import Case
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
    """Sealed cases opened in [since, until) by (province, category); the seal is open. Not to be shown as they are."""
    statement = (
        select(func.coalesce(Case.province_code, "").label("province"), Case.category, func.count().label("cases"))
        .where(Case.sealed, Case.opened_at >= since, Case.opened_at < until)
        .group_by(Case.province_code, Case.category)
    )
    return {(row.province, row.category): row.cases for row in await session.execute(statement)}
