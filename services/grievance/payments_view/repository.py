"""All SQL on what is known of payments. Set-wise: batches of thousands, a handful of statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.payments_view.model import PaymentStep, PaymentView
from shared.db import rows_from_json, upsert_versioned
from shared.service import Context

_VIEW = cast(Table, PaymentView.__table__)
_STEP = cast(Table, PaymentStep.__table__)
_STEP_COLUMNS = [column.name for column in _STEP.columns]
HISTORY_LIMIT = 100


async def record_states(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> set[UUID]:
    """Keep every told state, and the newest as the present one.

    Args:
        rows: one mapping per event with the columns of `payment_view`.

    Returns:
        The payments whose present state changed.
    """
    steps = [{name: row[name] for name in _STEP_COLUMNS} for row in rows]
    incoming = rows_from_json(_STEP, _STEP_COLUMNS)
    told = select(*(incoming.c[name] for name in _STEP_COLUMNS))
    statement = insert(_STEP).from_select(_STEP_COLUMNS, told).on_conflict_do_nothing()
    await session.execute(statement, {"rows": steps})
    changed = await upsert_versioned(session, _VIEW, rows, key=["payment_id"])
    return {payment_id for (payment_id,) in changed}


async def find(session: AsyncSession, payment_id: UUID) -> PaymentView | None:
    """The present state of a payment; None when nothing was told of it yet."""
    return await session.get(PaymentView, payment_id)


async def village_of(session: AsyncSession, payment_id: UUID) -> str | None:
    """Where a payment belongs; None when nothing was told of it yet."""
    return await session.scalar(select(PaymentView.village_code).where(PaymentView.payment_id == payment_id))


async def steps(session: AsyncSession, payment_id: UUID) -> Sequence[PaymentStep]:
    """The latest states of a payment, oldest first."""
    latest = (
        select(PaymentStep)
        .where(PaymentStep.payment_id == payment_id)
        .order_by(PaymentStep.version.desc())
        .limit(HISTORY_LIMIT)
    )
    return list(reversed((await session.scalars(latest)).all()))


async def forget(_context: Context, session: AsyncSession) -> None:
    """Empty the projection, before a replay of the whole topic builds it anew."""
    await session.execute(delete(PaymentStep))
    await session.execute(delete(PaymentView))
