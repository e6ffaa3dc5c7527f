"""Schedule: look for accounts, agents and officials in many cases, among those that are seen and among sealed."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from services.grievance.patterns import repository
from services.grievance.resources import Desk
from services.grievance.sealing import open_seal
from shared.service import Context

EVERY: Final = timedelta(hours=1)


async def flag_patterns(context: Context) -> None:
    """Flag patterns. Harmless to repeat: a pattern is one row, whatever its number of cases."""
    desk: Desk = context.resources
    policy = desk.categories.patterns
    now = context.clock.now()
    for sealed in (False, True):
        async with context.database.session() as session:
            if sealed:
                await open_seal(session)
            await repository.find_patterns(
                session,
                now - timedelta(days=policy.window_days),
                now,
                sealed=sealed,
                account=policy.account,
                agent=policy.agent,
                official=policy.official,
            )
