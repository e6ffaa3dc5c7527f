"""Reaction: the registry told of households."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.insights.facts import repository
from services.insights.facts.model import HouseholdFact
from shared.consumer import Received
from shared.contracts.registry import HouseholdChanged, HouseholdDissolved, HouseholdRegistered
from shared.service import Context

TYPES = (HouseholdRegistered, HouseholdChanged, HouseholdDissolved)
HouseholdEvent = HouseholdRegistered | HouseholdChanged | HouseholdDissolved


async def on_household_changed(
    _context: Context, session: AsyncSession, events: Sequence[Received[HouseholdEvent]]
) -> None:
    """Keep each household as last told."""
    await repository.record(session, HouseholdFact, [_row(event.payload) for event in events])


async def forget_households(_context: Context, session: AsyncSession) -> None:
    """Before a replay."""
    await repository.forget(session, HouseholdFact)


def _row(household: HouseholdEvent) -> dict[str, Any]:
    known = None if isinstance(household, HouseholdDissolved) else household
    return {
        "household_id": household.household_id,
        "version": household.version,
        "state": "active" if known else "dissolved",
        "village_code": known.village_code if known else None,
        "location_class": known.location_class if known else None,
        "poverty_level": known.poverty_level if known else None,
        "at_risk": known.at_risk if known else False,
        "kind": known.kind if known else "family",
        "people": len(known.members) if known else 0,
    }
