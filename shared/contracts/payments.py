"""What payments says: who was paid, and who was not and why."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.base import Amount, ControlTotal, Currency, EventPayload, PlaceCode

PAYMENTS = "payments.payments"
CYCLES = "payments.cycles"


class _Payment(EventPayload):
    TOPIC: ClassVar[str] = PAYMENTS
    KEY: ClassVar[str] = "payment_id"

    payment_id: UUID = Field(description="The deterministic UUID of programme, cycle, beneficiary and component.")
    entitlement_id: UUID
    cycle_id: UUID
    programme_code: str
    period: str
    beneficiary_id: UUID
    beneficiary_reference: str
    village_code: PlaceCode
    component: str
    amount: Amount
    currency: Currency
    attempt: int = Field(ge=1, description="1 for the first issue, one more for each re-issue.")
    rail: str = Field(description="The payment rail, e.g. `bank` or `mobile_money`.")


class PaymentInstructed(_Payment):
    """Approved and handed to a rail (also when re-issued: `attempt` is then above 1)."""

    TYPE: ClassVar[str] = "samaki.payments.payment.instructed.v1"


class PaymentSettled(_Payment):
    """The money reached the beneficiary, by the rail's own word."""

    TYPE: ClassVar[str] = "samaki.payments.payment.settled.v1"
    settled_on: date


class PaymentFailed(_Payment):
    """The rail refused it; the money is back in the fund."""

    TYPE: ClassVar[str] = "samaki.payments.payment.failed.v1"
    reason_code: str = Field(description="ISO 20022 external status reason (AC04 ...) or the rail's own code.")
    reason: str


class PaymentReturned(_Payment):
    """It had settled, and came back; the money is back in the fund."""

    TYPE: ClassVar[str] = "samaki.payments.payment.returned.v1"
    reason_code: str
    reason: str


class PaymentExpired(_Payment):
    """Not collected within its window; the money is back in the fund."""

    TYPE: ClassVar[str] = "samaki.payments.payment.expired.v1"
    expired_on: date


class PaymentListApproved(EventPayload):
    """A cycle's payment list was approved: what is paid is exactly what this hash covers."""

    TYPE: ClassVar[str] = "samaki.payments.list.approved.v1"
    TOPIC: ClassVar[str] = CYCLES
    KEY: ClassVar[str] = "cycle_id"

    cycle_id: UUID
    payment_list_id: UUID
    programme_code: str
    period: str
    status: Literal["approved"] = "approved"
    count: int = Field(ge=0)
    amount: Amount
    currency: Currency
    totals: tuple[ControlTotal, ...] = Field(max_length=2000)
    content_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    submitted_by: str
    approved_by: str


EVENTS: tuple[type[EventPayload], ...] = (
    PaymentInstructed,
    PaymentSettled,
    PaymentFailed,
    PaymentReturned,
    PaymentExpired,
    PaymentListApproved,
)
