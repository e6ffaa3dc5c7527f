"""Reaction to registry.identities: what was reported of a retired record counts for the one that survives, and back."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.conditions.repository import follow_identities
from services.eligibility.facts.repository import IDENTITY_ALIAS
from shared.consumer import Received
from shared.contracts.registry import IdentityMerged, IdentityRestored
from shared.db import upsert_versioned
from shared.service import Context


async def on_identity_merged(
    _context: Context, session: AsyncSession, events: Sequence[Received[IdentityMerged | IdentityRestored]]
) -> None:
    """Keep who is who now; events and waivers of persons follow. Facts of households come on registry.households."""
    rows = [
        {
            "retired_id": event.payload.retired_id,
            "kind": event.payload.kind,
            "surviving_id": event.payload.surviving_id,
            "merge_id": event.payload.merge_id,
            "version": event.payload.version,
            "active": isinstance(event.payload, IdentityMerged),
            "recorded_at": event.occurred_at.isoformat(),
        }
        for event in events
    ]
    await upsert_versioned(session, IDENTITY_ALIAS, rows, key=["retired_id"])
    persons = [event.payload.retired_id for event in events if event.payload.kind == "person"]
    if persons:
        await follow_identities(session, persons)
