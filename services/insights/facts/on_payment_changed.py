"""Reaction: payments told what happened to payments: benefits, and refunds of contributions, which are kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.insights.facts import repository
from services.insights.facts.model import REFUNDS, PaymentFact, RefundFact
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
_OF_REFUND = tuple(column.name for column in RefundFact.__table__.columns)


async def on_payment_changed(
    _context: Context, session: AsyncSession, events: Sequence[Received[PaymentEvent]]
) -> None:
    """Keep each payment as last told. A refund is none of those who are paid a benefit, in no figure."""
    payloads = [event.payload for event in events]
    benefits = [_row(payload) for payload in payloads if payload.programme_code != REFUNDS]
    refunds = [_row(payload) for payload in payloads if payload.programme_code == REFUNDS]
    await repository.record(session, PaymentFact, benefits)
    await repository.record(session, RefundFact, [{name: row[name] for name in _OF_REFUND} for row in refunds])


async def forget_payments(_context: Context, session: AsyncSession) -> None:
    """Before a replay."""
    await repository.forget(session, PaymentFact, RefundFact)


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
