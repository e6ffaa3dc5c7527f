"""All SQL of collections and their messages, set-wise: ten thousand codes are one statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.metadata import Record

_ISSUE = text(
    """
    WITH told AS MATERIALIZED (
        SELECT * FROM unnest(CAST(:ends AS text[]), CAST(:references AS text[]), CAST(:providers AS text[]),
            CAST(:amounts AS numeric[]), CAST(:numbers AS bytea[]), CAST(:hashes AS bytea[]),
            CAST(:messages AS uuid[]), CAST(:codes AS bytea[]))
            AS s(end_to_end_id, reference, provider, amount, number_encrypted, code_hash, message, code_encrypted)
    ), due AS MATERIALIZED (
        SELECT t.*, COALESCE(a.id, CAST(t.end_to_end_id AS uuid)) AS attempt_id,
               COALESCE(p.village_code, '') AS village,
               GREATEST(c.payment_window_until, CAST(:least AS date)) AS window_until,
               v.secret_hash AS voucher_hash, v.serial
        FROM told t
        LEFT JOIN payment_attempt a ON a.end_to_end_id = t.end_to_end_id
        LEFT JOIN payment p ON p.id = a.payment_id
        LEFT JOIN cycle c ON c.id = p.cycle_id
        LEFT JOIN voucher v ON v.payment_id = p.id
    ), opened AS (
        INSERT INTO cash_collection (attempt_id, end_to_end_id, message_id, reference, provider, village_code, amount,
            currency, number_encrypted, code_hash, window_until, opened_at)
        SELECT d.attempt_id, d.end_to_end_id, :message_id, COALESCE(d.serial, d.reference), d.provider, d.village,
               d.amount, CAST(:currency AS text), d.number_encrypted, COALESCE(d.voucher_hash, d.code_hash),
               d.window_until, :now
        FROM due d
        ON CONFLICT (end_to_end_id) DO NOTHING
        RETURNING attempt_id
    )
    INSERT INTO cash_message (id, attempt_id, code_encrypted, next_at)
    SELECT d.message, d.attempt_id, d.code_encrypted, :now
    FROM due d JOIN opened o ON o.attempt_id = d.attempt_id WHERE d.voucher_hash IS NULL
    """
)
_COUNT_OF_BATCH = text("SELECT count(*) FROM cash_collection WHERE message_id = :message_id")
_UNTOLD = text(
    """
    SELECT end_to_end_id, amount, currency, opened_at FROM cash_collection
    WHERE message_id = :message_id AND told_at IS NULL ORDER BY end_to_end_id
    """
)
_TOLD = text(
    "UPDATE cash_collection SET told_at = now() WHERE message_id = ANY(CAST(:ids AS text[])) AND told_at IS NULL"
)
_BY_REFERENCE = text(
    """
    SELECT c.*, p.beneficiary_id, p.id AS payment_id, p.fund_code, p.programme_code, p.payment_list_id, a.batch_id,
           v.serial AS voucher_serial, v.state AS voucher_state,
           EXISTS (SELECT FROM death g WHERE NOT g.withdrawn AND (g.person_id = p.beneficiary_id
               OR (g.household_id = p.beneficiary_id AND g.living_members = 0)
               OR g.person_id IN (SELECT o.id FROM identity_member m JOIN identity_member o
                   ON o.canonical_id = m.canonical_id WHERE m.id = p.beneficiary_id))) AS payee_died
    FROM cash_collection c
    LEFT JOIN payment_attempt a ON a.id = c.attempt_id
    LEFT JOIN payment p ON p.id = a.payment_id
    LEFT JOIN voucher v ON v.payment_id = p.id
    WHERE c.reference = :reference
    """
)
_LOCK = text("SELECT attempt_id FROM cash_collection WHERE reference = :reference FOR UPDATE")
_SAID_BEFORE = text("SELECT * FROM cash_collection WHERE agent_code = :agent AND agent_reference = :agent_reference")
_COUNT_TRY = text(
    """
    UPDATE cash_collection SET tries = tries + 1
    WHERE reference = :reference AND state = 'open' AND tries < :most RETURNING tries, code_hash
    """
)
_IS_OPEN = text("SELECT state = 'open' FROM cash_collection WHERE reference = :reference")
_COLLECT = text(
    """
    UPDATE cash_collection SET state = 'collected', ended_at = :now, tries = 0, agent_code = :agent,
        agent_reference = :agent_reference, receipt = :receipt, collected_by = :collected_by,
        identity_check = :identity_check, proxy_id = :proxy_id, version = version + 1
    WHERE reference = :reference AND state = 'open' RETURNING *
    """
)
_DUE_TO_EXPIRE = text(
    """
    SELECT c.attempt_id, a.batch_id FROM cash_collection c
    JOIN payment_attempt a ON a.id = c.attempt_id
    LEFT JOIN voucher v ON v.payment_id = a.payment_id
    WHERE c.state = 'open' AND (c.window_until < :today OR a.state IN ('failed', 'returned', 'expired')
        OR v.state = 'cancelled')
    ORDER BY c.attempt_id LIMIT :most FOR UPDATE OF c SKIP LOCKED
    """
)
_END = text(
    """
    UPDATE cash_collection SET state = :state, ended_at = :now, version = version + 1
    WHERE attempt_id = ANY(CAST(:attempts AS uuid[])) AND state = 'open'
    RETURNING attempt_id
    """
)
_DROP_MESSAGES = text(
    """
    UPDATE cash_message SET state = 'replaced', code_encrypted = NULL
    WHERE attempt_id = ANY(CAST(:attempts AS uuid[])) AND state = 'waiting'
    """
)
_RENEW = text(
    """
    UPDATE cash_collection SET code_hash = :hash, codes = codes + 1, tries = 0, version = version + 1
    WHERE attempt_id = :attempt AND state = 'open' RETURNING *
    """
)
_MESSAGE = text(
    "INSERT INTO cash_message (id, attempt_id, code_encrypted, next_at) VALUES (:id, :attempt, :code, :now)"
)
_TAKE_MESSAGES = text(
    """
    WITH taken AS (
        UPDATE cash_message SET tries = tries + 1, next_at = :lease WHERE id IN (
            SELECT m.id FROM cash_message m WHERE m.state = 'waiting' AND m.next_at <= :now
            ORDER BY m.next_at LIMIT :most FOR UPDATE SKIP LOCKED)
        RETURNING *
    )
    SELECT t.id, t.tries, t.code_encrypted, c.number_encrypted, c.reference, c.amount, c.currency, c.window_until,
           c.state AS collection_state
    FROM taken t JOIN cash_collection c ON c.attempt_id = t.attempt_id ORDER BY t.id
    """
)
_SENT = text(
    """
    UPDATE cash_message SET state = 'sent', sent_at = :now, code_encrypted = NULL
    WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'waiting'
    """
)
_NOT_SENT = text(
    """
    UPDATE cash_message SET last_error = :error,
        state = CASE WHEN tries >= :most THEN 'given_up' ELSE state END,
        code_encrypted = CASE WHEN tries >= :most THEN NULL ELSE code_encrypted END, next_at = :next_at
    WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'waiting'
    """
)
_COUNT_MESSAGES = text("SELECT state, count(*) AS count FROM cash_message GROUP BY state")


async def issue(session: AsyncSession, values: dict[str, Any]) -> None:
    """Open a collection for each instruction that has none, and queue its message. Arrays in parallel."""
    await session.execute(_ISSUE, values)


async def count_of_batch(session: AsyncSession, message_id: str) -> int:
    """How many collections a batch has: all of them or none."""
    return int((await session.execute(_COUNT_OF_BATCH, {"message_id": message_id})).scalar_one())


async def untold(session: AsyncSession, message_id: str) -> Sequence[Record]:
    """The collections of a batch that reconciliation has not heard of."""
    return (await session.execute(_UNTOLD, {"message_id": message_id})).all()


async def told(session: AsyncSession, message_ids: Sequence[str]) -> None:
    """Reconciliation has heard of these batches."""
    await session.execute(_TOLD, {"ids": list(message_ids)})


async def by_reference(session: AsyncSession, reference: str, *, lock: bool = False) -> Record | None:
    """A collection with its payment; locked on request."""
    if lock and (await session.execute(_LOCK, {"reference": reference})).first() is None:
        return None
    return (await session.execute(_BY_REFERENCE, {"reference": reference})).one_or_none()


async def said_before(session: AsyncSession, agent: str, agent_reference: str) -> Record | None:
    """What this agent redeemed under this reference of hers."""
    values = {"agent": agent, "agent_reference": agent_reference}
    return (await session.execute(_SAID_BEFORE, values)).one_or_none()


async def count_try(session: AsyncSession, reference: str, most: int) -> Record | None:
    """Count a guess; None when no more are allowed, or it is not open. Commit before comparing."""
    return (await session.execute(_COUNT_TRY, {"reference": reference, "most": most})).one_or_none()


async def is_open(session: AsyncSession, reference: str) -> bool:
    """Whether a collection has not ended."""
    return bool((await session.execute(_IS_OPEN, {"reference": reference})).scalar_one_or_none())


async def collect(session: AsyncSession, values: dict[str, Any]) -> Record | None:
    """Mark an open collection as collected."""
    return (await session.execute(_COLLECT, values)).one_or_none()


async def due_to_expire(session: AsyncSession, today: date, most: int) -> Sequence[Record]:
    """Open collections whose window is over, or whose payment was ended elsewhere; locked. (attempt_id, batch_id)"""
    return (await session.execute(_DUE_TO_EXPIRE, {"today": today, "most": most})).all()


async def end(session: AsyncSession, attempts: Sequence[UUID], state: str, now: datetime) -> list[UUID]:
    """End open collections and withdraw their unsent messages. Returns those that were open."""
    values = {"attempts": list(attempts), "state": state, "now": now}
    ended = list((await session.execute(_END, values)).scalars())
    await session.execute(_DROP_MESSAGES, {"attempts": list(attempts)})
    return ended


async def renew(
    session: AsyncSession, attempt: UUID, code_hash: bytes, message: UUID, sealed: bytes, now: datetime
) -> Record | None:
    """Give an open collection a new code and queue its message; the code before is void."""
    row = (await session.execute(_RENEW, {"attempt": attempt, "hash": code_hash})).one_or_none()
    if row is not None:
        await session.execute(_DROP_MESSAGES, {"attempts": [attempt]})
        await session.execute(_MESSAGE, {"id": message, "attempt": attempt, "code": sealed, "now": now})
    return row


async def take_messages(session: AsyncSession, now: datetime, lease: datetime, most: int) -> Sequence[Record]:
    """Messages to be sent, counted as tried and kept from others until `lease`."""
    return (await session.execute(_TAKE_MESSAGES, {"now": now, "lease": lease, "most": most})).all()


async def sent(session: AsyncSession, ids: Sequence[UUID], now: datetime) -> None:
    """The gateway has these: the code is forgotten here."""
    await session.execute(_SENT, {"ids": list(ids), "now": now})


async def not_sent(session: AsyncSession, ids: Sequence[UUID], error: str, most: int, next_at: datetime) -> None:
    """The gateway did not take these."""
    await session.execute(_NOT_SENT, {"ids": list(ids), "error": error, "most": most, "next_at": next_at})


async def count_messages(session: AsyncSession) -> dict[str, int]:
    """Messages by state."""
    return {state: int(count) for state, count in await session.execute(_COUNT_MESSAGES)}
