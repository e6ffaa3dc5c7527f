"""All SQL of reversals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# The operator's name for a payment is the entry of the line that settled it.
_PAYMENT = text(
    """
    SELECT p.id, p.village_code, p.programme_code, a.id AS attempt_id, a.rail, a.state,
        (SELECT l.entry FROM statement_line l
         WHERE l.attempt_id = a.id AND l.kind = 'settled' AND l.verdict = 'matched' AND l.entry <> ''
         ORDER BY l.file_id LIMIT 1) AS reference
    FROM payment p JOIN payment_attempt a ON a.payment_id = p.id AND a.attempt = p.attempt
    WHERE p.id = :id FOR UPDATE OF p
    """
)
_ADD = text(
    """
    INSERT INTO rail_reversal (payment_id, attempt_id, rail, reference, reason, requested_by, requested_at)
    VALUES (:payment_id, :attempt_id, :rail, :reference, :reason, :by, :now)
    ON CONFLICT DO NOTHING RETURNING id
    """
)
_SHOWN = """
    SELECT r.*, p.programme_code, p.village_code, p.amount, p.currency, a.state AS attempt_state, a.batch_id
    FROM rail_reversal r JOIN payment p ON p.id = r.payment_id JOIN payment_attempt a ON a.id = r.attempt_id
"""
_ONE = text(_SHOWN + " WHERE r.id = :id")
_ONE_LOCKED = text(_SHOWN + " WHERE r.id = :id FOR UPDATE OF r")
_LIST = text(
    _SHOWN
    + """
    WHERE (CAST(:state AS text) IS NULL OR r.state = :state)
      AND (CAST(:payment_id AS uuid) IS NULL OR r.payment_id = :payment_id)
      AND (CAST(:after AS uuid) IS NULL OR r.id < :after)
      AND (:national OR p.village_code LIKE ANY (CAST(:areas AS text[])))
    ORDER BY r.id DESC LIMIT :most
    """
)
_DECIDE = text(
    """
    UPDATE rail_reversal SET state = :state, decided_by = :by, decided_at = :now, next_at = :next_at,
        ended_at = :ended_at, version = version + 1
    WHERE id = :id
    """
)
_ASK = text(
    """
    UPDATE rail_reversal SET state = CASE state WHEN 'approved' THEN 'asked' ELSE state END, tries = tries + 1,
        next_at = :next_at, version = version + 1
    WHERE id = :id
    """
)
_CONCLUDE = text(
    """
    UPDATE rail_reversal SET state = :state, reason_code = :reason_code, next_at = :next_at, ended_at = :ended_at,
        version = version + 1
    WHERE id = :id AND state IN ('asked', 'accepted')
    """
)
_DUE = text(
    """
    SELECT id FROM rail_reversal WHERE state IN ('approved', 'asked', 'accepted') AND next_at <= :now
    ORDER BY next_at LIMIT :most
    """
)


async def payment(session: AsyncSession, payment_id: UUID) -> Any | None:
    """A payment with its current attempt and the rail's own name for it, locked."""
    return (await session.execute(_PAYMENT, {"id": payment_id})).one_or_none()


async def add(session: AsyncSession, row: Any, reason: str, by: str, now: datetime) -> UUID | None:
    """Keep a request. Nothing where the attempt has one that was not turned down."""
    values = {
        "payment_id": row.id,
        "attempt_id": row.attempt_id,
        "rail": row.rail,
        "reference": row.reference,
        "reason": reason,
        "by": by,
        "now": now,
    }
    return (await session.execute(_ADD, values)).scalar_one_or_none()


async def one(session: AsyncSession, reversal_id: UUID, *, lock: bool = False) -> Any | None:
    """A reversal with its payment's amount and place."""
    return (await session.execute(_ONE_LOCKED if lock else _ONE, {"id": reversal_id})).one_or_none()


async def listing(
    session: AsyncSession,
    *,
    areas: Sequence[str] | None,
    state: str | None,
    payment_id: UUID | None,
    after: UUID | None,
    most: int,
) -> Sequence[Any]:
    """Reversals, newest first, of these areas (None: everywhere)."""
    values = {
        "national": areas is None,
        "areas": [area + "%" for area in areas or ()],
        "state": state,
        "payment_id": payment_id,
        "after": after,
        "most": most,
    }
    return (await session.execute(_LIST, values)).all()


async def decide(
    session: AsyncSession, reversal_id: UUID, state: str, by: str, now: datetime, *, next_at: datetime | None
) -> None:
    """A second person's word. `next_at`: when the rail is asked; none: it has ended."""
    ended_at = now if next_at is None else None
    values = {"id": reversal_id, "state": state, "by": by, "now": now, "next_at": next_at, "ended_at": ended_at}
    await session.execute(_DECIDE, values)


async def ask(session: AsyncSession, reversal_id: UUID, next_at: datetime) -> None:
    """The rail is about to be asked; again at this moment, should nothing be heard."""
    await session.execute(_ASK, {"id": reversal_id, "next_at": next_at})


async def conclude(
    session: AsyncSession, reversal_id: UUID, state: str, reason_code: str, *, next_at: datetime | None, now: datetime
) -> None:
    """What came of asking."""
    values = {
        "id": reversal_id,
        "state": state,
        "reason_code": reason_code,
        "next_at": next_at,
        "ended_at": now if next_at is None else None,
    }
    await session.execute(_CONCLUDE, values)


async def due(session: AsyncSession, now: datetime, most: int) -> list[UUID]:
    """Those to be asked, or looked after, now."""
    return list((await session.execute(_DUE, {"now": now, "most": most})).scalars())
