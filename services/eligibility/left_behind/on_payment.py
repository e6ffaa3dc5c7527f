"""Reaction to payments.payments: keep each payment as last told, set-wise; an older version changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Table, delete
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.left_behind.model import PaymentStateRow
from services.eligibility.programmes.file import REFUNDS
from shared.consumer import Received
from shared.contracts.payments import (
    PaymentExcluded,
    PaymentExpired,
    PaymentFailed,
    PaymentInstructed,
    PaymentReturned,
    PaymentSettled,
)
from shared.db import upsert_versioned
from shared.service import Context

PaymentEvent = PaymentInstructed | PaymentSettled | PaymentFailed | PaymentReturned | PaymentExpired | PaymentExcluded
PAYMENT: Table = PaymentStateRow.__table__  # type: ignore[assignment]
STATES: Final[dict[type[PaymentEvent], str]] = {
    PaymentInstructed: "instructed",
    PaymentSettled: "settled",
    PaymentFailed: "failed",
    PaymentReturned: "returned",
    PaymentExpired: "expired",
    PaymentExcluded: "excluded",
}


async def on_payment(_context: Context, session: AsyncSession, events: Sequence[Received[PaymentEvent]]) -> None:
    """Store the states of this batch. A refund of contributions is of no entitlement: nobody is paid a benefit."""
    benefits = [_row(event.payload) for event in events if event.payload.programme_code != REFUNDS]
    await upsert_versioned(session, PAYMENT, benefits, key=["payment_id"])


async def forget_payments(_context: Context, session: AsyncSession) -> None:
    """Before a replay."""
    await session.execute(delete(PAYMENT))


def _row(payment: PaymentEvent) -> dict[str, Any]:
    return {
        "payment_id": payment.payment_id,
        "version": payment.version,
        "cycle_id": payment.cycle_id,
        "programme_code": payment.programme_code,
        "period": payment.period,
        "beneficiary_id": payment.beneficiary_id,
        "component": payment.component,
        "amount": payment.amount,
        "state": STATES[type(payment)],
        "reason_code": getattr(payment, "reason_code", None),
    }
