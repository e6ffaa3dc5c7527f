"""Reaction: the registry found that two records were one, or that they were not."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.people import repository
from shared.consumer import Received
from shared.contracts.registry import IdentityMerged, IdentityRestored
from shared.service import Context

IdentityEvent = IdentityMerged | IdentityRestored


async def on_identity_changed(
    _context: Context, session: AsyncSession, events: Sequence[Received[IdentityEvent]]
) -> None:
    """Project a batch of merges and their undoing; older versions change nothing."""
    rows = [
        {
            "retired_id": event.payload.retired_id,
            "version": event.payload.version,
            "surviving_id": event.payload.surviving_id if isinstance(event.payload, IdentityMerged) else None,
        }
        for event in events
    ]
    await repository.record_aliases(session, rows)
