"""All SQL on messages to complainants."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases.model import Case
from services.grievance.notifications.model import MessageState, Notification, Told
from shared.ids import uuid7

_CLAIM: Final = text(
    """
    WITH due AS (
      SELECT id FROM notification WHERE state = 'queued' AND due_at <= :now
      ORDER BY due_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE notification n SET attempts = n.attempts + 1, due_at = :again FROM due, grievance_case c
    WHERE n.id = due.id AND c.id = n.case_id
    RETURNING n.id, n.step, n.attempts, n.level, n.due_on, n.outcome, c.id AS case_id, c.reference, c.language,
      c.contact_kind, c.contact_encrypted
    """
)


async def queue(session: AsyncSession, case: Case, step: Told, at: datetime) -> None:
    """Tell the complainant of a step, if she left an address. Of a sealed case nobody is ever sent anything."""
    if case.sealed or case.contact_encrypted is None:
        return
    message = Notification(
        id=uuid7(),
        case_id=case.id,
        step=step.value,
        level=case.level,
        due_on=case.due_on,
        outcome=case.outcome,
        state=MessageState.QUEUED.value,
        attempts=0,
        queued_at=at,
        due_at=at,
    )
    session.add(message)
    await session.flush()


async def claim(session: AsyncSession, now: datetime, again_after: timedelta, limit: int) -> Sequence[Row[Any]]:
    """Take messages that are due, with what they say: until `again_after` nobody else takes them."""
    values = {"now": now, "again": now + again_after, "limit": limit}
    return (await session.execute(_CLAIM, values)).all()


async def finish(session: AsyncSession, ids: Sequence[UUID], state: MessageState, at: datetime) -> None:
    """These messages arrived, or never will."""
    if ids:
        ended = update(Notification).where(Notification.id.in_(ids)).values(state=state.value, ended_at=at)
        await session.execute(ended)


async def retry(session: AsyncSession, due: Sequence[tuple[UUID, datetime]]) -> None:
    """Try these again at these instants."""
    for identifier, at in due:  # at most one batch of senders' failures: 100
        await session.execute(update(Notification).where(Notification.id == identifier).values(due_at=at))


async def of_case(session: AsyncSession, case_id: UUID) -> Sequence[Notification]:
    """Messages about a case, oldest first; at most 100."""
    statement = select(Notification).where(Notification.case_id == case_id).order_by(Notification.queued_at).limit(100)
    return (await session.scalars(statement)).all()
