"""Reaction: the registry told of households. Ids and places only are kept; no fact about anybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.people import repository
from shared.consumer import Received
from shared.contracts.registry import HouseholdChanged, HouseholdDissolved, HouseholdRegistered
from shared.service import Context

HouseholdEvent = HouseholdRegistered | HouseholdChanged | HouseholdDissolved


async def on_household_changed(
    _context: Context, session: AsyncSession, events: Sequence[Received[HouseholdEvent]]
) -> None:
    """Project a batch of household states; older versions change nothing."""
    await repository.record_households(session, [_row(event.payload) for event in events])


def _row(household: HouseholdEvent) -> dict[str, Any]:
    state = None if isinstance(household, HouseholdDissolved) else household
    return {
        "household_id": household.household_id,
        "version": household.version,
        "village_code": state.village_code if state else None,
        "member_ids": [member.person_id for member in state.members] if state else [],
    }
