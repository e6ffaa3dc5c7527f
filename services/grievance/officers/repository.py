"""All SQL on officers, and on giving them cases many at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.officers.model import Officer

MAX_OFFICERS: Final = 20_000

_LOADS: Final = text(
    """
    SELECT o.subject, o.level, o.areas, o.categories, o.capacity, o.person_id,
      (SELECT count(*) FROM grievance_case c WHERE c.assigned_to = o.subject AND NOT c.answered) AS load
    FROM officer o WHERE o.active ORDER BY o.subject LIMIT 20000
    """
)
_WAITING: Final = text(
    """
    SELECT c.id, c.due_on, c.level, c.category, c.place_code, c.subject_id, c.beneficiary_id, c.complainant_person_id
    FROM grievance_case c
    WHERE NOT c.answered AND c.assigned_to IS NULL AND NOT c.sealed AND c.state IN ('opened', 'reopened')
      AND (c.due_on, c.id) > (CAST(:due AS date), CAST(:id AS uuid))
    ORDER BY c.due_on, c.id LIMIT :limit
    """
)
_GIVE: Final = text(
    """
    WITH given AS (
      SELECT g.id, g.subject FROM json_to_recordset(CAST(:rows AS json)) AS g(id uuid, subject text)
    ), moved AS (
      UPDATE grievance_case c SET assigned_to = g.subject, state = 'assigned', version = c.version + 1,
        changed_at = :now
      FROM (SELECT c.id, g.subject FROM grievance_case c JOIN given g ON g.id = c.id
            WHERE c.assigned_to IS NULL AND c.state IN ('opened', 'reopened') AND NOT c.sealed
            ORDER BY c.id FOR UPDATE OF c SKIP LOCKED) g
      WHERE c.id = g.id
      RETURNING c.id, c.version, c.assigned_to, c.level, c.due_on, c.contact_kind
    ), step AS (
      INSERT INTO case_step (case_id, version, action, state, actor, at, detail)
      SELECT id, version, 'assign', 'assigned', 'system:assignment', :now, jsonb_build_object('assignee', assigned_to)
      FROM moved
    ), told AS (
      INSERT INTO notification (id, case_id, step, level, due_on, state, queued_at, due_at)
      SELECT uuidv7(), id, 'assigned', level, due_on, 'queued', :now, :now FROM moved WHERE contact_kind IS NOT NULL
    )
    SELECT count(*) FROM moved
    """
)


async def find(session: AsyncSession, subject: str) -> Officer | None:
    """One officer."""
    return await session.get(Officer, subject)


async def lock(session: AsyncSession, subject: str) -> Officer | None:
    """One officer, locked until the transaction ends."""
    return await session.get(Officer, subject, with_for_update=True, populate_existing=True)


async def add(session: AsyncSession, officer: Officer) -> None:
    """Write a new officer."""
    session.add(officer)
    await session.flush()


async def save(session: AsyncSession) -> None:
    """Write the changes of a locked officer."""
    await session.flush()


async def page(session: AsyncSession, *, after: str | None, fetch: int) -> Sequence[Officer]:
    """Officers by subject."""
    statement = select(Officer).order_by(Officer.subject).limit(fetch)
    if after is not None:
        statement = statement.where(Officer.subject > after)
    return (await session.scalars(statement)).all()


async def loads(session: AsyncSession) -> Sequence[Row[Any]]:
    """Every active officer with the number of open cases that she has."""
    return (await session.execute(_LOADS)).all()


async def waiting(session: AsyncSession, after: tuple[Any, UUID], limit: int) -> Sequence[Row[Any]]:
    """Open cases that nobody has, those due first first, after the (due_on, id) given. Never sealed ones."""
    values = {"due": after[0], "id": after[1], "limit": limit}
    return (await session.execute(_WAITING, values)).all()


async def give(session: AsyncSession, assignments: Mapping[UUID, str], now: datetime) -> int:
    """Assign cases, with their steps and messages, in one statement. Cases that somebody took meanwhile are left.

    Returns:
        How many were assigned.
    """
    rows = [{"id": str(case), "subject": subject} for case, subject in assignments.items()]
    return await session.scalar(_GIVE, {"rows": json.dumps(rows), "now": now}) or 0
