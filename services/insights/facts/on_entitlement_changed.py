"""Reaction: eligibility granted or withdrew entitlements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.insights.facts import repository
from services.insights.facts.model import EntitlementFact, EntitlementRevocation
from shared.consumer import Received
from shared.contracts.eligibility import EntitlementGranted, EntitlementRevoked
from shared.service import Context

TYPES = (EntitlementGranted, EntitlementRevoked)


async def on_entitlement_changed(
    _context: Context, session: AsyncSession, events: Sequence[Received[EntitlementGranted | EntitlementRevoked]]
) -> None:
    """Keep each grant as last told, and the newest withdrawal beside it."""
    payloads = [event.payload for event in events]
    granted = [_grant(payload) for payload in payloads if isinstance(payload, EntitlementGranted)]
    revoked = [_revocation(payload) for payload in payloads if isinstance(payload, EntitlementRevoked)]
    await repository.record(session, EntitlementFact, granted)
    await repository.record(session, EntitlementRevocation, revoked)


async def forget_entitlements(_context: Context, session: AsyncSession) -> None:
    """Before a replay."""
    await repository.forget(session, EntitlementFact, EntitlementRevocation)


def _grant(entitlement: EntitlementGranted) -> dict[str, Any]:
    return {
        "entitlement_id": entitlement.entitlement_id,
        "version": entitlement.version,
        "cycle_id": entitlement.cycle_id,
        "programme_code": entitlement.programme_code,
        "period": entitlement.period,
        "beneficiary_id": entitlement.beneficiary_id,
        "village_code": entitlement.village_code,
        "component": entitlement.component,
        "amount": entitlement.amount,
        "currency": entitlement.currency,
    }


def _revocation(revoked: EntitlementRevoked) -> dict[str, Any]:
    return {"entitlement_id": revoked.entitlement_id, "version": revoked.version}
