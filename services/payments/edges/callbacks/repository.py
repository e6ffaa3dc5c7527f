"""All SQL of callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.metadata import Record

_ADD = text(
    """
    INSERT INTO external_callback (id, source_code, protocol, kind, order_id, url, body_encrypted, next_at, created_at)
    VALUES (:id, :source, :protocol, :kind, :order_id, :url, :body, :now, :now)
    """
)
_TAKE = text(
    """
    UPDATE external_callback SET tries = tries + 1, next_at = :lease WHERE id = (
        SELECT id FROM external_callback WHERE state = 'waiting' AND next_at <= :now
        ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *
    """
)
_END = text(
    """
    UPDATE external_callback SET state = :state, next_at = :next_at, last_status = :status, last_error = :error,
        sent_at = CASE WHEN :state = 'sent' THEN CAST(:now AS timestamptz) END
    WHERE id = :id AND tries = :tries AND state = 'waiting'
    """
)
_AGAIN = text(
    """
    UPDATE external_callback SET state = 'waiting', tries = 0, next_at = :now WHERE id = :id AND state = 'given_up'
    RETURNING *
    """
)
_BY_ID = text("SELECT * FROM external_callback WHERE id = :id")
_LIST = text(
    """
    SELECT * FROM external_callback WHERE (CAST(:state AS text) IS NULL OR state = :state)
      AND (CAST(:order_id AS uuid) IS NULL OR order_id = :order_id)
      AND (CAST(:after AS uuid) IS NULL OR id > :after)
    ORDER BY id LIMIT :most
    """
)


async def add(session: AsyncSession, values: dict[str, Any]) -> None:
    """Store a callback to be made."""
    await session.execute(_ADD, values)


async def take(session: AsyncSession, now: datetime, lease: datetime) -> Record | None:
    """The callback due longest, counted as tried and kept from others until `lease`."""
    return (await session.execute(_TAKE, {"now": now, "lease": lease})).one_or_none()


async def end(session: AsyncSession, values: dict[str, Any]) -> None:
    """Record how a try ended, unless a later one overtook it."""
    await session.execute(_END, values)


async def again(session: AsyncSession, callback_id: UUID, now: datetime) -> Record | None:
    """Try once more what was given up; None when it was not."""
    return (await session.execute(_AGAIN, {"id": callback_id, "now": now})).one_or_none()


async def by_id(session: AsyncSession, callback_id: UUID) -> Record | None:
    """One callback."""
    return (await session.execute(_BY_ID, {"id": callback_id})).one_or_none()


async def listing(
    session: AsyncSession, *, state: str | None, order_id: UUID | None, after: UUID | None, most: int
) -> Sequence[Record]:
    """Callbacks, oldest first."""
    values = {"state": state, "order_id": order_id, "after": after, "most": most}
    return (await session.execute(_LIST, values)).all()
