"""Uncollected money after the collection window: it expires, returns to the fund, is counted, and can be re-issued
(fault 14).

The window is the cycle's, told by eligibility. Some days of grace are left for late reports of what was collected in
time. What
is unknown is not expired: a rail must first say what became of it. What came later is a break, not a second payment.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.instructions.outcomes import Outcome, apply_outcomes
from shared import audit
from shared.jobs import JobKind, JobRun, Schedule, enqueue
from shared.service import Context

JOB: Final = "expire_payments"
CHUNK: Final = 5_000
# Rails whose payee must come for the money. On the others a payment settles or fails by itself. A collection that is
# open ends by its own window, the one that its payee was told: later than the cycle's where it went out late.
_OVERDUE: Final = text(
    """
    SELECT a.id
    FROM payment p
    JOIN cycle c ON c.id = p.cycle_id AND c.payment_window_until < :closed
    JOIN payment_attempt a ON a.payment_id = p.id AND a.attempt = p.attempt
    WHERE p.status = 'instructed' AND a.state IN ('sent', 'accepted') AND a.rail = ANY(CAST(:rails AS text[]))
      AND CAST(a.created_at AS date) < :closed AND a.id > :after
      AND NOT EXISTS (SELECT FROM cash_collection k WHERE k.attempt_id = a.id AND k.state = 'open')
    ORDER BY a.id LIMIT :most
    """
)


async def expire_payments(
    session: AsyncSession, today: date, grace_days: int, rails: list[str], after: UUID
) -> UUID | None:
    """Expire one chunk of what is overdue, in the session's transaction.

    Returns:
        The last attempt of the chunk; None when nothing was left.
    """
    closed = today - timedelta(days=grace_days)
    values = {"closed": closed, "rails": rails, "after": after, "most": CHUNK}
    overdue: list[UUID] = list((await session.scalars(_OVERDUE, values)).all())
    if not overdue:
        return None
    told = [
        Outcome(
            attempt, "expired", today, "window", f"closed-{closed}", "window_closed", "Not collected in its window."
        )
        for attempt in overdue
    ]
    applied = await apply_outcomes(session, told)
    detail = {"expired": applied.applied, "closed_before": str(closed)}
    await audit.record(session, "worker", "payment.expire", "payment", str(overdue[0]), detail)
    return overdue[-1]


async def run_expire_payments(run: JobRun) -> dict[str, Any]:
    """The job: chunk by chunk, each committed; run again, it goes on with what is left.

    Returns:
        chunks.
    """
    settings, after, chunks = run.context.settings, UUID(int=0), 0
    while True:
        async with run.context.database.session() as session:
            await run.still_mine(session)
            reached = await expire_payments(
                session, run.context.clock.today(), settings.expiry_grace_days, settings.collected_rails, after
            )
        if reached is None:
            return {"chunks": chunks}
        after, chunks = reached, chunks + 1
        await run.progress(chunks, None, "uncollected payments expired")


async def schedule_expiry(context: Context) -> None:
    """The schedule: once an hour, look for windows that have closed."""
    async with context.database.session() as session:
        await enqueue(session, JOB, {}, key=JOB)


EXPIRE_PAYMENTS = JobKind(JOB, run_expire_payments)
HOURLY = Schedule("expire_payments", timedelta(hours=1), schedule_expiry)
