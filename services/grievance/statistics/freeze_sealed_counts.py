"""Schedule: count the sealed cases of each quarter that is over, once; what may be seen of it never changes again."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from services.grievance.resources import Desk
from services.grievance.sealing import close_seal, open_seal
from services.grievance.statistics import repository
from services.grievance.statistics.quarters import over_at
from services.grievance.statistics.suppress import suppress
from shared import audit
from shared.service import Context

EVERY: Final = timedelta(hours=1)
QUARTERS: Final = 8
"""How far back a quarter is still counted that no worker was there to count in time."""


async def freeze_sealed_counts(context: Context) -> None:
    """Freeze every quarter that is over and was not counted yet, each in one transaction.

    Harmless to repeat, and for two workers at once: the quarter's own row decides who counts. No number is logged.
    """
    desk: Desk = context.resources
    for quarter in over_at(desk.calendar.local_date(context.clock.now()), QUARTERS):
        async with context.database.session() as session:
            if not await repository.claim_quarter(session, str(quarter), context.clock.now()):
                continue
            await open_seal(session)
            counts = await repository.sealed(session, instant(desk, quarter.first), instant(desk, quarter.after))
            await close_seal(session)
            await repository.keep_cells(session, str(quarter), suppress(counts).cells)
            await audit.record(session, "statistics", "sealed_counts.freeze", "quarter", str(quarter))


def instant(desk: Desk, day: date) -> datetime:
    """The instant at which a local day begins."""
    return datetime.combine(day, time.min, desk.calendar.zone).astimezone(UTC)
