"""Schedule: holds whose last day is over end by themselves, so that no family's money is forgotten (fault 24)."""

from __future__ import annotations

from datetime import timedelta

from services.grievance.holds import events, repository
from services.grievance.resources import Desk
from shared import audit
from shared.outbox import publish
from shared.service import Context
from shared.telemetry import get_logger

EVERY = timedelta(minutes=5)
CHUNK = 2_000
log = get_logger(__name__)


async def expire_holds(context: Context) -> None:
    """End every hold whose last local day is over, a chunk a transaction.

    Killed between two chunks, or run twice, it ends each hold once: an ended hold is no longer active.
    """
    desk: Desk = context.resources
    ended = CHUNK
    while ended == CHUNK:
        now = context.clock.now()
        async with context.database.session() as session:
            holds = await repository.expire(session, desk.calendar.local_date(now), now, CHUNK)
            ended = len(holds)
            if ended:
                await publish(session, [events.released(hold) for hold in holds])
                await audit.record(session, "worker", "hold.expire", "hold", "batch", {"count": ended})
                log.info("holds_expired", count=ended)
