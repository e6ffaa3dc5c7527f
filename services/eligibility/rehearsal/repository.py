"""All SQL of rehearsals as records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.model import AnyRow
from services.eligibility.rehearsal.model import RehearsalRow, RehearsalState

R = RehearsalRow
_COLUMNS = tuple(RehearsalRow.__table__.c)


async def create(
    session: AsyncSession, code: str, version: int, baseline: int | None, request: dict[str, Any], subject: str
) -> UUID:
    """Store what is asked."""
    statement = (
        insert(R)
        .values(programme_code=code, version=version, baseline_version=baseline, request=request, requested_by=subject)
        .returning(R.id)
    )
    return (await session.execute(statement)).scalar_one()


async def find(session: AsyncSession, rehearsal_id: UUID, *, lock: bool = False) -> AnyRow | None:
    """One rehearsal, or None; with `lock` it is held until the transaction ends."""
    statement = select(*_COLUMNS).where(R.id == rehearsal_id)
    return (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()


async def finish(
    session: AsyncSession, rehearsal_id: UUID, result: dict[str, Any], result_hash: str, at: datetime
) -> None:
    """Store what came out."""
    await session.execute(
        update(R)
        .where(R.id == rehearsal_id)
        .values(state=RehearsalState.FINISHED, result=result, result_hash=result_hash, finished_at=at)
    )


async def approve(session: AsyncSession, rehearsal_id: UUID, subject: str, at: datetime) -> None:
    """Mark as approved."""
    await session.execute(
        update(R).where(R.id == rehearsal_id).values(state=RehearsalState.APPROVED, approved_by=subject, approved_at=at)
    )


async def approved_of(session: AsyncSession, code: str, version: int) -> AnyRow | None:
    """The last approved rehearsal of a version."""
    statement = (
        select(*_COLUMNS)
        .where(R.programme_code == code, R.version == version, R.state == RehearsalState.APPROVED)
        .order_by(R.approved_at.desc())
        .limit(1)
    )
    return (await session.execute(statement)).one_or_none()


async def list_of(session: AsyncSession, code: str, after: UUID | None, limit: int) -> Sequence[AnyRow]:
    """Rehearsals of a programme, oldest first."""
    statement = select(*_COLUMNS).where(R.programme_code == code).order_by(R.id).limit(limit)
    if after is not None:
        statement = statement.where(R.id > after)
    return (await session.execute(statement)).all()
