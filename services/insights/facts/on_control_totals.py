"""Reaction: a cycle was closed, or its payment list approved: the totals that our own sums must meet (fault 22)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.insights.facts import repository
from services.insights.facts.model import CycleFact, PaymentListFact
from shared.consumer import Received
from shared.contracts.eligibility import CycleClosed
from shared.contracts.payments import PaymentListApproved
from shared.service import Context


async def on_cycle_closed(_context: Context, session: AsyncSession, events: Sequence[Received[CycleClosed]]) -> None:
    """Keep what each cycle says it granted."""
    await repository.record(session, CycleFact, [_totals(event.payload) for event in events])


async def on_list_approved(
    _context: Context, session: AsyncSession, events: Sequence[Received[PaymentListApproved]]
) -> None:
    """Keep what each payment list says it pays."""
    await repository.record(session, PaymentListFact, [_totals(event.payload) for event in events])


async def forget_cycles(_context: Context, session: AsyncSession) -> None:
    """Before a replay."""
    await repository.forget(session, CycleFact)


async def forget_lists(_context: Context, session: AsyncSession) -> None:
    """Before a replay."""
    await repository.forget(session, PaymentListFact)


def _totals(told: CycleClosed | PaymentListApproved) -> dict[str, Any]:
    return {
        "cycle_id": told.cycle_id,
        "version": told.version,
        "programme_code": told.programme_code,
        "period": told.period,
        "currency": told.currency,
        "count": told.count,
        "amount": told.amount,
        "totals": [total.model_dump(mode="json") for total in told.totals],
    }
