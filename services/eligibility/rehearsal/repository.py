"""All SQL of rehearsals as records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.model import AnyRow
from services.eligibility.rehearsal.model import RehearsalChangeRow, RehearsalRow, RehearsalState
from shared.auth import Principal, in_area

R, H = RehearsalRow, RehearsalChangeRow
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


async def forget_changes(session: AsyncSession, rehearsal_id: UUID) -> None:
    """Before a rehearsal runs (again): it begins with an empty list. Lists of earlier rehearsals of the same version
    that nobody approved go too: they name people, and are of no use any more."""
    mine = select(R.programme_code, R.version).where(R.id == rehearsal_id).subquery()
    old = (
        select(R.id)
        .join(mine, (R.programme_code == mine.c.programme_code) & (R.version == mine.c.version))
        .where((R.state == RehearsalState.FINISHED) | (R.id == rehearsal_id))
    )
    await session.execute(delete(H).where(H.rehearsal_id.in_(old)))


async def list_changes(
    session: AsyncSession,
    principal: Principal,
    rehearsal_id: UUID,
    *,
    change: str | None,
    place: str,
    after: UUID | None,
    limit: int,
) -> Sequence[AnyRow]:
    """Who would gain, lose, get more or less, in the caller's area, in the order of the ids."""
    statement = (
        select(*RehearsalChangeRow.__table__.c)
        .where(H.rehearsal_id == rehearsal_id, in_area(principal, H.village_code))
        .order_by(H.unit_id)
        .limit(limit)
    )
    if change is not None:
        statement = statement.where(H.change == change)
    if place:
        statement = statement.where(H.village_code.startswith(place, autoescape=True))
    if after is not None:
        statement = statement.where(H.unit_id > after)
    return (await session.execute(statement)).all()
