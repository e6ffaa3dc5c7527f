"""Reaction: payments told what happened to payments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.insights.facts import repository
from services.insights.facts.model import PaymentFact
from shared.consumer import Received
from shared.contracts.payments import (
    PaymentExcluded,
    PaymentExpired,
    PaymentFailed,
    PaymentInstructed,
    PaymentReturned,
    PaymentSettled,
)
from shared.service import Context

PaymentEvent = PaymentExcluded | PaymentInstructed | PaymentSettled | PaymentFailed | PaymentReturned | PaymentExpired
STATUS: dict[type[PaymentEvent], str] = {
    PaymentExcluded: "excluded",
    PaymentInstructed: "instructed",
    PaymentSettled: "settled",
    PaymentFailed: "failed",
    PaymentReturned: "returned",
    PaymentExpired: "expired",
}


async def on_payment_changed(
    _context: Context, session: AsyncSession, events: Sequence[Received[PaymentEvent]]
) -> None:
    """Keep each payment as last told."""
    await repository.record(session, PaymentFact, [_row(event.payload) for event in events])


async def forget_payments(_context: Context, session: AsyncSession) -> None:
    """Before a replay."""
    await repository.forget(session, PaymentFact)


def _row(payment: PaymentEvent) -> dict[str, Any]:
    refusal = payment if isinstance(payment, PaymentFailed | PaymentReturned | PaymentExcluded) else None
    return {
        "payment_id": payment.payment_id,
        "version": payment.version,
        "status": STATUS[type(payment)],
        "attempt": payment.attempt,
        "cycle_id": payment.cycle_id,
        "programme_code": payment.programme_code,
        "period": payment.period,
        "village_code": payment.village_code,
        "component": payment.component,
        "rail": payment.rail,
        "amount": payment.amount,
        "currency": payment.currency,
        "reason_code": refusal.reason_code if refusal else None,
    }
