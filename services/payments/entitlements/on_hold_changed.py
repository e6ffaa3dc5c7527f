"""hold.placed and .released: keep which single payments must not go out (fault 24)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.entitlements import repository
from shared.consumer import Received
from shared.contracts.grievance import HoldPlaced, HoldReleased
from shared.service import Context


async def on_hold_changed(context: Context, session: AsyncSession, events: Sequence[Received[Any]]) -> None:
    """Project holds by hold id; the newest version wins."""
    placed = [_row(event.payload) for event in events if isinstance(event.payload, HoldPlaced)]
    released = [event.payload for event in events if isinstance(event.payload, HoldReleased)]
    if placed:
        await repository.save_holds(session, placed)
    if released:
        newest = {item.hold_id: item for item in sorted(released, key=lambda item: item.version)}
        await repository.release_holds(
            session,
            [(item.hold_id, item.payment_id, item.case_id, item.cause, item.version) for item in newest.values()],
        )


def _row(payload: HoldPlaced) -> dict[str, Any]:
    return {
        "id": payload.hold_id,
        "payment_id": payload.payment_id,
        "case_id": payload.case_id,
        "reason": payload.reason,
        "owner": payload.owner,
        "until": payload.until,
        "released": False,
        "version": payload.version,
    }
