"""What payments says: who was paid, and who was not and why."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.base import Amount, ControlTotal, Currency, EventPayload, PlaceCode
from shared.contracts.remedies import RemedyAnswer

PAYMENTS = "payments.payments"
CYCLES = "payments.cycles"
REMEDIES = "payments.remedies"


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
    account_token: str | None = Field(
        default=None,
        description="Opaque token of the account (keyed hash): equal tokens are one account, nothing else.",
    )
    agent_code: str | None = Field(default=None, description="The agent or cash point, where there is one.")


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


class PaymentExcluded(_Payment):
    """Owed, but left out of the payment list by a check; `reason_code` says which."""

    TYPE: ClassVar[str] = "samaki.payments.payment.excluded.v1"
    reason_code: str = Field(description="no_account, account_changed, hold, deceased, over_ceiling, sanctions ...")
    reason: str


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


class RemedyAnswered(RemedyAnswer):
    """What became of a remedy that payments was asked for."""

    TYPE: ClassVar[str] = "samaki.payments.remedy.answered.v1"
    TOPIC: ClassVar[str] = REMEDIES


EVENTS: tuple[type[EventPayload], ...] = (
    PaymentInstructed,
    PaymentSettled,
    PaymentFailed,
    PaymentReturned,
    PaymentExpired,
    PaymentExcluded,
    PaymentListApproved,
    RemedyAnswered,
)
