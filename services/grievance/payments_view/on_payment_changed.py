"""Reaction: payments told what happened to payments. Kept so that a case can show what became of its payment.

What fails opens a case by itself, and what is paid closes it again: see services/grievance/automatic/.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.automatic.follow_payments import follow_payments
from services.grievance.payments_view import repository
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

PaymentEvent = PaymentInstructed | PaymentSettled | PaymentFailed | PaymentReturned | PaymentExpired | PaymentExcluded

REFUNDS: Final = "REFUND"
"""What payments calls the programme of a refund of contributions to an employer; no programme has this name."""
STATUS: dict[type[PaymentEvent], str] = {
    PaymentInstructed: "instructed",
    PaymentSettled: "settled",
    PaymentFailed: "failed",
    PaymentReturned: "returned",
    PaymentExpired: "expired",
    PaymentExcluded: "excluded",
}


async def on_payment_changed(context: Context, session: AsyncSession, events: Sequence[Received[PaymentEvent]]) -> None:
    """Project a batch of payment events; older versions than the stored one change nothing but the history.

    A refund is shown beside a case that somebody opens about it; by itself it opens none: no family waits for it.
    """
    rows = [_row(event) for event in events]
    known = await repository.record_states(session, rows)
    benefits = [row for row in rows if row["programme_code"] != REFUNDS]
    await follow_payments(context, session, benefits, known)


def _row(event: Received[PaymentEvent]) -> dict[str, Any]:
    payment = event.payload
    refusal = payment if isinstance(payment, PaymentFailed | PaymentReturned | PaymentExcluded) else None
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
        "account_token": payment.account_token,
        "agent_code": payment.agent_code,
    }
