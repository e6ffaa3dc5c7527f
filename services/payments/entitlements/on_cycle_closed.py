"""cycle.closed: keep the control totals that a payment list must meet."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.entitlements import repository
from shared.consumer import Received
from shared.contracts.eligibility import CycleClosed
from shared.service import Context


async def on_cycle_closed(context: Context, session: AsyncSession, events: Sequence[Received[CycleClosed]]) -> None:
    """Project closed cycles. Nothing is paid by this: an officer builds the list."""
    rows = []
    for event in events:
        row = event.payload.model_dump(mode="json")
        row["id"] = row.pop("cycle_id")
        rows.append(row)
    await repository.save_cycles(session, rows)
