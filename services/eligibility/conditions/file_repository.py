"""SQL of files of reports and their lines. Once judged, a line keeps its outcome and gives up what it said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, and_, func, insert, null, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.conditions.model import ConditionFileRow, ConditionRowRow
from services.eligibility.model import AnyRow
from shared.auth import Principal
from shared.db import copy_records, rows_from_json

F = ConditionFileRow
ROW: Table = ConditionRowRow.__table__  # type: ignore[assignment]


async def add_file(
    session: AsyncSession, file_id: UUID, principal: Principal, total: int, digest: str, at: datetime
) -> None:
    """Store a file's head: who sent it, with the rights that she had then."""
    await session.execute(
        insert(F).values(
            id=file_id,
            recorded_by=principal.subject,
            roles=sorted(principal.roles),
            areas=list(principal.areas),
            total=total,
            digest=digest,
            received_at=at,
        )
    )


async def add_lines(session: AsyncSession, lines: Sequence[tuple[UUID, int, str]]) -> None:
    """Store lines: (file, number, report as JSON)."""
    await copy_records(session, "condition_row", ["file_id", "line", "report"], lines)


async def find_file(session: AsyncSession, file_id: UUID) -> AnyRow | None:
    """A file's head, or None."""
    return (await session.execute(select(*F.__table__.c).where(F.id == file_id))).one_or_none()


async def open_lines(session: AsyncSession, file_id: UUID, limit: int) -> Sequence[AnyRow]:
    """The next lines that are not judged."""
    statement = select(ROW.c.file_id, ROW.c.line, ROW.c.report).where(ROW.c.file_id == file_id, ROW.c.outcome.is_(None))
    return (await session.execute(statement.order_by(ROW.c.line).limit(limit))).all()


async def set_outcomes(session: AsyncSession, results: Sequence[Mapping[str, Any]]) -> None:
    """What became of lines. What they said is forgotten: an accepted one is an event now, a refused one is at home."""
    columns = ["file_id", "line", "outcome", "event_id", "field", "code", "message"]
    incoming = rows_from_json(ROW, columns)
    statement = (
        update(ROW)
        .where(and_(ROW.c.file_id == incoming.c.file_id, ROW.c.line == incoming.c.line))
        .values(report=null(), **{name: incoming.c[name] for name in columns[2:]})
    )
    await session.execute(statement, {"rows": list(results)})


async def count_outcomes(session: AsyncSession, file_id: UUID) -> dict[str, int]:
    """Lines by outcome; `waiting` are not judged yet."""
    outcome = func.coalesce(ROW.c.outcome, "waiting")
    rows = await session.execute(select(outcome, func.count()).where(ROW.c.file_id == file_id).group_by(outcome))
    return {row[0]: row[1] for row in rows}


async def list_lines(
    session: AsyncSession, file_id: UUID, outcome: str | None, after: int | None, limit: int
) -> Sequence[AnyRow]:
    """Lines with what became of them."""
    columns = (ROW.c.line, ROW.c.outcome, ROW.c.event_id, ROW.c.field, ROW.c.code, ROW.c.message)
    statement = select(*columns).where(ROW.c.file_id == file_id).order_by(ROW.c.line).limit(limit)
    if outcome is not None:
        statement = statement.where(ROW.c.outcome == outcome)
    if after is not None:
        statement = statement.where(ROW.c.line > after)
    return (await session.execute(statement)).all()
