"""Every event this service hears, and its handler."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.facts.on_household_changed import on_household_changed
from services.eligibility.facts.on_identity_merged import on_identity_merged
from services.eligibility.facts.on_life_event import on_life_event
from services.eligibility.facts.repository import IDENTITY_ALIAS, LIFE_EVENT, clear, clear_table
from services.eligibility.left_behind.on_payment import forget_payments, on_payment
from services.eligibility.remedies.on_appeal import on_appeal
from services.eligibility.remedies.on_remedy_requested import on_remedy_requested
from shared.consumer import Subscription
from shared.contracts import grievance, payments, registry
from shared.service import Context


async def _forget_households(_context: Context, session: AsyncSession) -> None:
    await clear(session)


async def _forget_identities(_context: Context, session: AsyncSession) -> None:
    await clear_table(session, IDENTITY_ALIAS)


async def _forget_life_events(_context: Context, session: AsyncSession) -> None:
    await clear_table(session, LIFE_EVENT)


SUBSCRIPTIONS = (
    Subscription(
        topic=registry.HOUSEHOLDS,
        types=(registry.HouseholdRegistered, registry.HouseholdChanged, registry.HouseholdDissolved),
        handler=on_household_changed,
        reset=_forget_households,
    ),
    Subscription(
        topic=registry.IDENTITIES,
        types=(registry.IdentityMerged, registry.IdentityRestored),
        handler=on_identity_merged,
        reset=_forget_identities,
    ),
    Subscription(
        topic=registry.LIFE_EVENTS,
        types=(registry.LifeEventRecorded, registry.LifeEventWithdrawn),
        handler=on_life_event,
        reset=_forget_life_events,
    ),
    Subscription(
        topic=payments.PAYMENTS,
        types=(
            payments.PaymentInstructed,
            payments.PaymentSettled,
            payments.PaymentFailed,
            payments.PaymentReturned,
            payments.PaymentExpired,
            payments.PaymentExcluded,
        ),
        handler=on_payment,
        reset=forget_payments,
    ),
    Subscription(
        topic=grievance.CASES,
        types=(grievance.AppealLodged, grievance.AppealDecided),
        handler=on_appeal,
    ),
    Subscription(
        topic=grievance.REMEDIES,
        types=(grievance.RemedyRequested,),
        handler=on_remedy_requested,
    ),
)
