"""All SQL of an operator's callbacks: kept once, read in the order they came, forgotten but for their hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_KEEP = text(
    """
    INSERT INTO operator_callback (digest, received_at, body_encrypted) VALUES (:digest, :now, :body)
    ON CONFLICT DO NOTHING
    RETURNING EXISTS (SELECT FROM operator_callback o WHERE o.body_encrypted IS NOT NULL) AS others
    """
)
# The rows are locked in their order, and waited for: whoever comes second finds them taken in, never a later one first.
_WAITING = text(
    """
    SELECT id, body_encrypted FROM operator_callback WHERE body_encrypted IS NOT NULL ORDER BY id LIMIT :most FOR UPDATE
    """
)
_ANY_WAITING = text("SELECT EXISTS (SELECT FROM operator_callback WHERE body_encrypted IS NOT NULL)")
_APPLIED = text(
    """
    UPDATE operator_callback c SET body_encrypted = NULL, file_id = :file_id, number = t.number - 1
    FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS t(id, number) WHERE c.id = t.id
    """
)
_FORGET = text("DELETE FROM operator_callback WHERE body_encrypted IS NULL AND received_at < :before")


@dataclass(frozen=True)
class WaitingCallback:
    """A callback that is not applied yet; its body is encrypted."""

    id: int
    body: bytes


async def keep(session: AsyncSession, digest: bytes, body: bytes, now: datetime) -> bool:
    """Keep an encrypted callback, unless the same one came before.

    Returns:
        Whether it is the first that waits: where others do, somebody was told.
    """
    values = {"digest": digest, "body": body, "now": now}
    return (await session.execute(_KEEP, values)).scalar_one_or_none() is False


async def lock_waiting(session: AsyncSession, most: int) -> list[WaitingCallback]:
    """The oldest callbacks that wait, locked."""
    rows = await session.execute(_WAITING, {"most": most})
    return sorted((WaitingCallback(row.id, bytes(row.body_encrypted)) for row in rows), key=lambda one: one.id)


async def any_waiting(session: AsyncSession) -> bool:
    """Whether any waits."""
    return bool(await session.scalar(_ANY_WAITING))


async def applied(session: AsyncSession, ids: Sequence[int], file_id: UUID) -> None:
    """These are lines 0, 1, 2 ... of a document now; their bodies are forgotten."""
    await session.execute(_APPLIED, {"ids": list(ids), "file_id": file_id})


async def forget(session: AsyncSession, before: datetime) -> None:
    """Forget those that came before a moment and are applied."""
    await session.execute(_FORGET, {"before": before})
