"""Whether a batch may go to its rail now: stops, opening hours, the day's limit, the breaker.

Read under the lock of the rail's health, so that two workers never take the last of a day's limit, or two probes of a
half open breaker, together. A question about a batch that may have left passes only the breaker: it moves no money.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.rails import health_repository as store
from services.payments.rails.breaker import Health, begun, waits_until
from services.payments.rails.model import Step
from services.payments.rails.policy import RailPolicy, local_day, opening, opening_after_today

STOPPED_AGAIN_AFTER: Final = timedelta(minutes=2)
"""How often a stopped batch looks whether the stop was lifted."""


@dataclass(frozen=True)
class Wait:
    """The batch waits until then, for this reason: `stopped`, `closed`, `day_limit` or `breaker`."""

    until: datetime
    reason: str


@dataclass(frozen=True)
class Go:
    """The call may be made, on this day of the rail's own."""

    day: date


async def pass_gate(
    session: AsyncSession, row: Any, step: Step, policy: RailPolicy, *, stopped: str, now: datetime, call: timedelta
) -> Wait | Go:
    """Decide, and keep a half open breaker's probe for this call.

    Arguments:
        row: the batch, locked.
        stopped: the reason of an emergency stop that concerns it; empty: none.
        call: how long the call may last at most.
    """
    health = await store.lock_health(session, row.rail)
    day = local_day(policy, now)
    if step is Step.SUBMIT:
        wait = await _submission_waits(session, row, policy, stopped, day, now)
        if wait is not None:
            return wait
    until = waits_until(health, now)
    if until is not None:
        return Wait(until, "breaker")
    await _keep(session, row.rail, health, begun(health, now, call))
    return Go(day)


async def _submission_waits(
    session: AsyncSession, row: Any, policy: RailPolicy, stopped: str, day: date, now: datetime
) -> Wait | None:
    if stopped:
        return Wait(now + STOPPED_AGAIN_AFTER, "stopped")
    opens = opening(policy, now)
    if opens is None or opens > now:
        return Wait(opens or now + timedelta(days=1), "closed")
    per_day = policy.limit(row.currency).per_day
    if per_day is None:
        return None
    gone = await store.sent_on(session, row.rail, row.currency, day, row.id)
    if gone + row.amount <= per_day:
        return None
    return Wait(opening_after_today(policy, now) or now + timedelta(days=1), "day_limit")


async def _keep(session: AsyncSession, rail: str, before: Health, after: Health) -> None:
    if after != before:
        await store.keep_health(session, rail, after)
