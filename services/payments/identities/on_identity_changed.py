"""identity.merged and .restored: keep which records are one, so that nobody is paid twice under two ids."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.identities import repository
from services.payments.identities.stop_overtaken import stop_overtaken
from shared.consumer import Received
from shared.contracts.registry import IdentityMerged, IdentityRestored
from shared.service import Context

IdentityEvent = IdentityMerged | IdentityRestored


async def on_identity_changed(
    context: Context, session: AsyncSession, events: Sequence[Received[IdentityEvent]]
) -> None:
    """Project a batch of merges and their undoing; older versions change nothing, the order of arrival neither.

    What is instructed and has not left, and would now pay one person twice, is stopped.
    """
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
    merges = [event.payload for event in events if isinstance(event.payload, IdentityMerged)]
    merged = {one for merge in merges for one in (merge.retired_id, merge.surviving_id)}
    if merged:
        await stop_overtaken(session, merged, context.clock.now())


async def forget_identities(_context: Context, session: AsyncSession) -> None:
    """Before a replay of the topic: every record stands alone."""
    await repository.forget(session)
