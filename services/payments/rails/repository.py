"""All SQL of batches. Set-wise: a batch of ten thousand costs as many statements as a batch of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.rails.model import MAX_TRIES, BatchState
from services.payments.rails.port import BatchHeader

_FORM = text(
    """
    WITH queued AS MATERIALIZED (
        SELECT a.id, a.rail, a.provider, a.currency, a.amount, p.payment_list_id
        FROM payment_attempt a JOIN payment p ON p.id = a.payment_id
        WHERE a.state = 'queued' AND a.batch_id IS NULL
        ORDER BY a.rail, a.provider, a.id
        LIMIT :most
        FOR UPDATE OF a SKIP LOCKED
    ), numbered AS (
        SELECT q.*, CASE WHEN rail = 'bank' THEN '' ELSE provider END AS destination,
            (row_number() OVER (PARTITION BY rail, CASE WHEN rail = 'bank' THEN '' ELSE provider END,
                payment_list_id, currency ORDER BY id) - 1)
            / CASE WHEN rail = 'bank' THEN CAST(:bank_size AS int) ELSE CAST(:mobile_money_size AS int) END AS chunk
        FROM queued q
    ), grouped AS MATERIALIZED (
        SELECT uuidv7() AS batch_id, rail, destination, payment_list_id, currency, chunk,
            count(*) AS count, sum(amount) AS amount
        FROM numbered GROUP BY rail, destination, payment_list_id, currency, chunk
    ), formed AS (
        INSERT INTO batch (id, rail, provider, payment_list_id, message_id, count, amount, currency, execution_on,
            next_at, created_at)
        SELECT batch_id, rail, destination, payment_list_id, 'SMK' || replace(CAST(batch_id AS text), '-', ''),
            count, amount, currency, :today, :now, :now
        FROM grouped
    )
    UPDATE payment_attempt a SET batch_id = g.batch_id, updated_at = :now
    FROM numbered n
    JOIN grouped g USING (rail, destination, payment_list_id, currency, chunk)
    WHERE a.id = n.id
    """
)
_DUE = text(
    """
    SELECT id FROM batch
    WHERE state IN ('formed', 'submitting', 'unknown') AND next_at <= :now AND tries < :max_tries
    ORDER BY next_at LIMIT :most
    """
)
_LOCK = text("SELECT * FROM batch WHERE id = :id FOR UPDATE")
_SUBMITTING = text(
    """
    UPDATE batch SET state = 'submitting', tries = tries + 1, next_at = :next_at WHERE id = :id RETURNING tries
    """
)
_SENT = text(
    """
    UPDATE payment_attempt SET state = 'sent', updated_at = :now
    WHERE batch_id = :id AND state IN ('queued', 'unknown')
    """
)
_COUNT_TRY = text("UPDATE batch SET tries = tries + 1, next_at = :next_at WHERE id = :id RETURNING tries")
_ANSWER = text(
    """
    UPDATE batch SET state = :state, reference = COALESCE(NULLIF(:reference, ''), reference),
        reason_code = :reason_code, reason = :reason, next_at = :next_at,
        submitted_at = CASE WHEN :state = 'submitted' THEN COALESCE(submitted_at, :now) ELSE submitted_at END,
        completed_at = CASE WHEN :state = 'rejected' THEN :now ELSE completed_at END
    WHERE id = :id AND tries = :tries AND state IN ('formed', 'submitting', 'unknown')
    RETURNING id
    """
)
_MARK_UNKNOWN = text(
    "UPDATE payment_attempt SET state = 'unknown', updated_at = :now WHERE batch_id = :id AND state = 'sent'"
)
_MARK_SENT = text(
    "UPDATE payment_attempt SET state = 'sent', updated_at = :now WHERE batch_id = :id AND state = 'unknown'"
)
_CONFIRM = text(
    """
    UPDATE batch SET state = 'submitted', submitted_at = COALESCE(submitted_at, :now), reason_code = '', reason = ''
    WHERE message_id = :message_id AND state IN ('formed', 'submitting', 'unknown') AND tries > 0
    RETURNING id
    """
)
_REJECT = text(
    """
    UPDATE batch SET state = 'rejected', completed_at = :now, reason_code = :reason_code,
        reason = 'refused as a whole by a status report'
    WHERE message_id = :message_id AND tries > 0 AND state <> 'rejected' RETURNING id
    """
)
_ATTEMPTS = text("SELECT id FROM payment_attempt WHERE batch_id = :id ORDER BY id")
_MEMBERS = text(
    """
    SELECT id, end_to_end_id, amount, currency FROM payment_attempt WHERE batch_id = :id ORDER BY end_to_end_id
    """
)
_COMPLETE = text(
    """
    UPDATE batch b SET state = 'completed', completed_at = :now
    WHERE b.id = ANY(:ids) AND b.state IN ('submitting', 'submitted', 'unknown')
      AND NOT EXISTS (SELECT FROM payment_attempt a
                      WHERE a.batch_id = b.id AND a.state IN ('queued', 'sent', 'unknown', 'accepted'))
    """
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))
_OPEN = text(
    """
    UPDATE batch SET polled_at = :now WHERE id IN (
        SELECT id FROM batch WHERE rail = :rail AND state IN ('submitted', 'unknown')
        ORDER BY polled_at NULLS FIRST LIMIT :most FOR UPDATE SKIP LOCKED)
    RETURNING *
    """
)
_NEWS = text("UPDATE batch SET polled_at = NULL WHERE id = :id RETURNING id")
_LOCATED = text("UPDATE batch SET reference = :reference WHERE id = :id AND reference = ''")
_TRY_NOW = text(
    """
    UPDATE batch SET next_at = :now, tries = LEAST(tries, :tries) WHERE state IN ('formed', 'submitting', 'unknown')
    """
)
_LIST = text(
    """
    SELECT * FROM batch
    WHERE (CAST(:payment_list_id AS uuid) IS NULL OR payment_list_id = :payment_list_id)
      AND (CAST(:state AS text) IS NULL OR state = :state)
      AND (CAST(:after AS uuid) IS NULL OR id > :after)
    ORDER BY id LIMIT :most
    """
)


def header(row: Any) -> BatchHeader:
    """A batch as its rail sees it."""
    return BatchHeader(
        id=row.id,
        rail=row.rail,
        provider=row.provider,
        message_id=row.message_id,
        count=row.count,
        amount=row.amount,
        currency=row.currency,
        created_at=row.created_at,
        execution_on=row.execution_on,
        reference=row.reference,
    )


async def form(
    session: AsyncSession, *, bank_size: int, mobile_money_size: int, now: datetime, today: date, most: int
) -> int:
    """Put queued attempts into batches: by list and currency, for the bank over all providers, else by provider.

    Returns:
        How many attempts were placed (at most `most`).
    """
    values = {"bank_size": bank_size, "mobile_money_size": mobile_money_size, "now": now, "today": today, "most": most}
    return int((await session.execute(_FORM, values)).rowcount)  # type: ignore[attr-defined]


async def due(session: AsyncSession, now: datetime, most: int) -> list[UUID]:
    """Batches to be submitted or queried now."""
    return list((await session.execute(_DUE, {"now": now, "max_tries": MAX_TRIES, "most": most})).scalars())


async def lock(session: AsyncSession, batch_id: UUID) -> Any | None:
    """The batch's row, locked, or nothing."""
    return (await session.execute(_LOCK, {"id": batch_id})).one_or_none()


async def begin_submission(session: AsyncSession, batch_id: UUID, now: datetime, next_at: datetime) -> int:
    """Record, before the call, that the call is about to be made. Returns its number: the fence for its answer."""
    tries = (await session.execute(_SUBMITTING, {"id": batch_id, "next_at": next_at})).scalar_one()
    await session.execute(_SENT, {"id": batch_id, "now": now})
    return int(tries)


async def begin_query(session: AsyncSession, batch_id: UUID, next_at: datetime) -> int:
    """Record that a query is about to be made; its number is the fence for its answer."""
    return int((await session.execute(_COUNT_TRY, {"id": batch_id, "next_at": next_at})).scalar_one())


async def record_answer(
    session: AsyncSession,
    batch_id: UUID,
    *,
    tries: int,
    state: BatchState,
    reference: str,
    reason_code: str,
    reason: str,
    now: datetime,
    wait: timedelta,
) -> bool:
    """Record a call's answer, unless another call or a status report has overtaken it.

    Returns:
        Whether it was recorded.
    """
    row = await session.execute(
        _ANSWER,
        {
            "id": batch_id,
            "tries": tries,
            "state": str(state),
            "reference": reference,
            "reason_code": reason_code,
            "reason": reason,
            "now": now,
            "next_at": now + wait,
        },
    )
    if row.one_or_none() is None:
        return False
    if state is BatchState.UNKNOWN:
        await session.execute(_MARK_UNKNOWN, {"id": batch_id, "now": now})
    elif state is BatchState.SUBMITTED:
        await session.execute(_MARK_SENT, {"id": batch_id, "now": now})
    return True


async def members(session: AsyncSession, batch_id: UUID) -> list[Any]:
    """The batch's attempts, in the fixed order in which they are written."""
    return list(await session.execute(_MEMBERS, {"id": batch_id}))


async def attempt_ids(session: AsyncSession, batch_id: UUID) -> list[UUID]:
    """The ids of the batch's attempts."""
    return list((await session.execute(_ATTEMPTS, {"id": batch_id})).scalars())


async def confirm(session: AsyncSession, message_id: str, now: datetime) -> None:
    """A document answers this batch: the other side has it, whatever our call's fate was."""
    batch_id = (await session.execute(_CONFIRM, {"message_id": message_id, "now": now})).scalar_one_or_none()
    if batch_id is not None:
        await session.execute(_MARK_SENT, {"id": batch_id, "now": now})


async def reject(session: AsyncSession, message_id: str, reason_code: str, now: datetime) -> UUID | None:
    """A status report refuses this batch as a whole. Returns its id unless that was known, or it is not ours."""
    values = {"message_id": message_id, "reason_code": reason_code, "now": now}
    return (await session.execute(_REJECT, values)).scalar_one_or_none()


async def complete(session: AsyncSession, batch_ids: Sequence[UUID], now: datetime) -> None:
    """Close those of these batches in which every attempt has come to its end."""
    if batch_ids:
        await session.execute(_COMPLETE, {"ids": list(batch_ids), "now": now})


async def take_open(session: AsyncSession, rail: str, now: datetime, most: int) -> list[BatchHeader]:
    """Batches of a rail still without an end, those asked about longest ago first; marks them as asked now."""
    return [header(row) for row in await session.execute(_OPEN, {"rail": rail, "now": now, "most": most})]


async def note_news(session: AsyncSession, batch_id: UUID) -> bool:
    """The rail says that this batch has news: asked about first. Returns whether it is ours."""
    return (await session.execute(_NEWS, {"id": batch_id})).scalar_one_or_none() is not None


async def located(session: AsyncSession, batch_id: UUID, reference: str) -> None:
    """The rail's own id of the batch, learnt late."""
    await session.execute(_LOCATED, {"id": batch_id, "reference": reference})


async def try_now(session: AsyncSession, now: datetime) -> None:
    """A person asks to try the waiting batches again, also those that had been tried too often."""
    await session.execute(_TRY_NOW, {"now": now, "tries": MAX_TRIES // 2})


async def listing(
    session: AsyncSession, *, payment_list_id: UUID | None, state: str | None, after: UUID | None, most: int
) -> list[Any]:
    """Batches in order of forming."""
    values = {"payment_list_id": payment_list_id, "state": state, "after": after, "most": most}
    return list(await session.execute(_LIST, values))
