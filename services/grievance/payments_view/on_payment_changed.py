"""Reaction: payments told what happened to payments. Kept so that a case can show what became of its payment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.payments_view import repository
from shared.consumer import Received
from shared.contracts.payments import (
    PaymentExpired,
    PaymentFailed,
    PaymentInstructed,
    PaymentReturned,
    PaymentSettled,
)
from shared.service import Context

PaymentEvent = PaymentInstructed | PaymentSettled | PaymentFailed | PaymentReturned | PaymentExpired

STATUS: dict[type[PaymentEvent], str] = {
    PaymentInstructed: "instructed",
    PaymentSettled: "settled",
    PaymentFailed: "failed",
    PaymentReturned: "returned",
    PaymentExpired: "expired",
}


async def on_payment_changed(
    _context: Context, session: AsyncSession, events: Sequence[Received[PaymentEvent]]
) -> None:
    """Project a batch of payment events; older versions than the stored one change nothing but the history."""
    await repository.record_states(session, [_row(event) for event in events])


def _row(event: Received[PaymentEvent]) -> dict[str, Any]:
    payment = event.payload
    refusal = payment if isinstance(payment, PaymentFailed | PaymentReturned) else None
    return {
        "payment_id": payment.payment_id,
        "version": payment.version,
        "status": STATUS[type(payment)],
        "attempt": payment.attempt,
        "programme_code": payment.programme_code,
        "period": payment.period,
        "beneficiary_id": payment.beneficiary_id,
        "village_code": payment.village_code,
        "component": payment.component,
        "amount": payment.amount,
        "currency": payment.currency,
        "rail": payment.rail,
        "reason_code": refusal.reason_code if refusal else None,
        "reason": refusal.reason if refusal else None,
        "told_at": event.occurred_at,
    }
