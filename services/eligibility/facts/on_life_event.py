"""Reaction to registry.life-events: births and other events of a life, as told; the newest word on each counts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.facts.repository import LIFE_EVENT
from shared.consumer import Received
from shared.contracts.registry import LifeEventRecorded, LifeEventWithdrawn
from shared.db import upsert_versioned
from shared.service import Context


async def on_life_event(
    _context: Context, session: AsyncSession, events: Sequence[Received[LifeEventRecorded | LifeEventWithdrawn]]
) -> None:
    """Keep them by id."""
    rows = []
    for event in events:
        payload = event.payload
        recorded = payload if isinstance(payload, LifeEventRecorded) else None
        rows.append(
            {
                "id": payload.life_event_id,
                "version": payload.version,
                "kind": payload.kind,
                "person_id": payload.person_id,
                "household_id": payload.household_id,
                "occurred_on": recorded.occurred_on if recorded else None,
                "mother_person_id": recorded.mother_person_id if recorded else None,
                "withdrawn": recorded is None,
                "recorded_at": event.occurred_at.isoformat(),
            }
        )
    await upsert_versioned(session, LIFE_EVENT, rows, key=["id"])
