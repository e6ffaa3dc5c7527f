"""identity.merged and .restored: keep which records are one, so that nobody is paid twice under two ids."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.identities import repository
from shared.consumer import Received
from shared.contracts.registry import IdentityMerged, IdentityRestored
from shared.service import Context

IdentityEvent = IdentityMerged | IdentityRestored


async def on_identity_changed(
    _context: Context, session: AsyncSession, events: Sequence[Received[IdentityEvent]]
) -> None:
    """Project a batch of merges and their undoing; older versions change nothing, the order of arrival neither."""
    rows = [
        {
            "retired_id": event.payload.retired_id,
            "surviving_id": event.payload.surviving_id,
            "kind": event.payload.kind,
            "merge_id": event.payload.merge_id,
            "active": isinstance(event.payload, IdentityMerged),
            "version": event.payload.version,
        }
        for event in events
    ]
    await repository.save_aliases(session, rows)


async def forget_identities(_context: Context, session: AsyncSession) -> None:
    """Before a replay of the topic: every record stands alone."""
    await repository.forget(session)
