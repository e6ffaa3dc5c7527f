"""Every event this service hears, and its handler."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.facts.on_household_changed import on_household_changed
from services.eligibility.facts.repository import clear
from shared.consumer import Subscription
from shared.contracts import registry
from shared.service import Context


async def _forget_households(_context: Context, session: AsyncSession) -> None:
    await clear(session)


SUBSCRIPTIONS = (
    Subscription(
        topic=registry.HOUSEHOLDS,
        types=(registry.HouseholdRegistered, registry.HouseholdChanged, registry.HouseholdDissolved),
        handler=on_household_changed,
        reset=_forget_households,
    ),
)
