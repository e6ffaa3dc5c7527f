"""All SQL of batches. Set-wise: a batch of ten thousand costs as many statements as a batch of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.rails.model import BatchState
from services.payments.rails.port import BatchHeader

_LEAVE_OUT = text(
    """
    WITH taken AS (
        UPDATE payment_attempt SET batch_id = NULL, updated_at = :now
        WHERE batch_id = :id AND state = 'queued' AND id = ANY(CAST(:attempts AS uuid[])) RETURNING amount
    )
    UPDATE batch SET count = batch.count - t.count, amount = batch.amount - t.amount
    FROM (SELECT count(*) AS count, sum(amount) AS amount FROM taken) AS t
    WHERE batch.id = :id AND t.count > 0 AND batch.count > t.count
    RETURNING batch.count
    """
)
_DISSOLVE = text("DELETE FROM batch WHERE id = :id AND sent_on IS NULL AND state = 'formed'")
_RELEASE = text("UPDATE payment_attempt SET batch_id = NULL, updated_at = :now WHERE batch_id = :id")
_DUE = text(
    """
    SELECT id FROM batch
    WHERE state IN ('formed', 'submitting', 'unknown') AND next_at <= :now
    ORDER BY next_at LIMIT :most
    """
)
_LOCK = text("SELECT * FROM batch WHERE id = :id FOR UPDATE")
_SUBMITTING = text(
    """
    UPDATE batch SET state = 'submitting', tries = tries + 1, next_at = :next_at, sent_on = :day, waits_for = '',
        execution_on = CASE WHEN sent_on IS NULL THEN GREATEST(execution_on, CAST(:day AS date)) ELSE execution_on END
    WHERE id = :id RETURNING *
    """
)
_SENT = text(
    """
    UPDATE payment_attempt SET state = 'sent', updated_at = :now
    WHERE batch_id = :id AND state IN ('queued', 'unknown')
    """
)
_COUNT_TRY = text(
    "UPDATE batch SET tries = tries + 1, next_at = :next_at, waits_for = '' WHERE id = :id RETURNING tries"
)
_POSTPONE = text("UPDATE batch SET next_at = :until, waits_for = :reason WHERE id = :id")
_ANSWER = text(
    """
    UPDATE batch SET state = :state, reference = COALESCE(NULLIF(:reference, ''), reference),
        reason_code = :reason_code, reason = :reason, next_at = :next_at,
        sent_on = CASE WHEN :state = 'formed' THEN CAST(:sent_before AS date) ELSE sent_on END,
        submitted_at = CASE WHEN :state = 'submitted' THEN COALESCE(submitted_at, :now) ELSE submitted_at END,
        completed_at = CASE WHEN :state = 'rejected' THEN :now ELSE completed_at END
    WHERE id = :id AND tries = :tries AND state IN ('formed', 'submitting', 'unknown')
    RETURNING id
    """
)
_MARK_UNKNOWN = text(
    "UPDATE payment_attempt SET state = 'unknown', updated_at = :now WHERE batch_id = :id AND state = 'sent'"
)
_MARK_QUEUED = text(
    "UPDATE payment_attempt SET state = 'queued', updated_at = :now WHERE batch_id = :id AND state = 'sent'"
)
_MARK_SENT = text(
    """
    UPDATE payment_attempt SET state = 'sent', updated_at = :now
    WHERE batch_id = :id AND state IN ('queued', 'unknown')
    """
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
    UPDATE batch b SET next_at = :now, tries = LEAST(b.tries, t.tries)
    FROM unnest(CAST(:rails AS text[]), CAST(:tries AS integer[])) AS t(rail, tries)
    WHERE b.rail = t.rail AND b.state IN ('formed', 'submitting', 'unknown')
    """
)
_LOOK_AGAIN = text(
    """
    UPDATE batch SET next_at = LEAST(next_at, :now) WHERE rail = :rail AND waits_for <> '' AND state = 'formed'
    """
)
_LIST = text(
    """
    SELECT * FROM batch
    WHERE (CAST(:payment_list_id AS uuid) IS NULL OR payment_list_id = :payment_list_id)
      AND (CAST(:state AS text) IS NULL OR state = :state)
      AND (CAST(:silent_before AS timestamptz) IS NULL
           OR (state = 'submitted' AND submitted_at < :silent_before))
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


async def dissolve(session: AsyncSession, batch_id: UUID, now: datetime) -> None:
    """Take a batch that never left apart: its attempts are queued again."""
    await session.execute(_RELEASE, {"id": batch_id, "now": now})
    await session.execute(_DISSOLVE, {"id": batch_id})


async def leave_out(session: AsyncSession, batch_id: UUID, attempts: Sequence[UUID], now: datetime) -> bool:
    """Take attempts out of a batch that never left. They are queued again. False: nothing is left of the batch."""
    values = {"id": batch_id, "attempts": list(attempts), "now": now}
    if (await session.execute(_LEAVE_OUT, values)).one_or_none() is not None:
        return True
    await dissolve(session, batch_id, now)
    return False


async def postpone(session: AsyncSession, batch_id: UUID, until: datetime, reason: str) -> None:
    """The batch waits; no call was made."""
    await session.execute(_POSTPONE, {"id": batch_id, "until": until, "reason": reason})


async def due(session: AsyncSession, now: datetime, most: int) -> list[UUID]:
    """Batches to be submitted or queried now."""
    return list((await session.execute(_DUE, {"now": now, "most": most})).scalars())


async def lock(session: AsyncSession, batch_id: UUID) -> Any | None:
    """The batch's row, locked, or nothing."""
    return (await session.execute(_LOCK, {"id": batch_id})).one_or_none()


async def begin_submission(session: AsyncSession, batch_id: UUID, now: datetime, next_at: datetime, day: date) -> Any:
    """Record, before the call, that the call is about to be made.

    Returns:
        The batch as it goes out: `tries` is the call's number, the fence for its answer. One that waited over a
        cut-off is executed on the day it goes; one that may have left before keeps its day.
    """
    row = (await session.execute(_SUBMITTING, {"id": batch_id, "next_at": next_at, "day": day})).one()
    await session.execute(_SENT, {"id": batch_id, "now": now})
    return row


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
    sent_before: date | None,
) -> bool:
    """Record a call's answer, unless another call or a status report has overtaken it.

    Arguments:
        sent_before: when the batch was handed over before this call, if it may have left then.

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
            "sent_before": sent_before,
        },
    )
    if row.one_or_none() is None:
        return False
    if state is BatchState.FORMED and sent_before is None:
        await session.execute(_MARK_QUEUED, {"id": batch_id, "now": now})
    elif state is BatchState.UNKNOWN:
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


async def try_now(session: AsyncSession, now: datetime, tries: Mapping[str, int]) -> None:
    """A person asks to try the waiting batches again, also those that had been tried too often.

    `tries`: by rail, to how many the count of calls goes back at most.
    """
    await session.execute(_TRY_NOW, {"now": now, "rails": list(tries), "tries": list(tries.values())})


async def look_again(session: AsyncSession, rail: str, now: datetime) -> None:
    """Batches that were held back at the gate try it again."""
    await session.execute(_LOOK_AGAIN, {"rail": rail, "now": now})


async def listing(
    session: AsyncSession,
    *,
    payment_list_id: UUID | None,
    state: str | None,
    silent_before: datetime | None,
    after: UUID | None,
    most: int,
) -> list[Any]:
    """Batches in order of forming. `silent_before`: only those handed over before then and not ended."""
    values = {
        "payment_list_id": payment_list_id,
        "state": state,
        "silent_before": silent_before,
        "after": after,
        "most": most,
    }
    return list(await session.execute(_LIST, values))
