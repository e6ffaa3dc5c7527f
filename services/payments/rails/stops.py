"""Emergency stops, as the rails see them: what must not be sent now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.emergency_stops.check import stopped_attempts, stops_sending


async def batch_stopped(session: AsyncSession, row: Any) -> str:
    """The reason of a stop on the batch's rail, programme or funds; empty: none."""
    return await stops_sending(session, rail=row.rail, payment_list_id=row.payment_list_id) or ""


async def stopped_among(session: AsyncSession, attempt_ids: Sequence[UUID]) -> list[UUID]:
    """Those of these attempts whose person is stopped."""
    return await stopped_attempts(session, attempt_ids)
