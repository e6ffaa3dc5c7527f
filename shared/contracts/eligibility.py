"""What eligibility says: who is enrolled, and what is granted for a cycle."""

from __future__ import annotations

from datetime import date
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import Amount, ControlTotal, Currency, EventPayload, PlaceCode

ENROLMENTS = "eligibility.enrolments"
ENTITLEMENTS = "eligibility.entitlements"
CYCLES = "eligibility.cycles"


class _Enrolment(EventPayload):
    TOPIC: ClassVar[str] = ENROLMENTS
    KEY: ClassVar[str] = "enrolment_id"

    enrolment_id: UUID
    programme_code: str
    programme_version: int = Field(ge=1)
    beneficiary_id: UUID = Field(description="Household or person, by the programme's unit.")
    beneficiary_reference: str
    village_code: PlaceCode
    effective_on: date


class EnrolmentApproved(_Enrolment):
    """A beneficiary takes part in a programme from `effective_on`."""

    TYPE: ClassVar[str] = "samaki.eligibility.enrolment.approved.v1"


class EnrolmentSuspended(_Enrolment):
    """Taking part is paused; `cause` says why."""

    TYPE: ClassVar[str] = "samaki.eligibility.enrolment.suspended.v1"
    cause: str


class EnrolmentEnded(_Enrolment):
    """Taking part is over; `cause` says why."""

    TYPE: ClassVar[str] = "samaki.eligibility.enrolment.ended.v1"
    cause: str


class EntitlementLine(BaseModel):
    """One component of the benefit formula, as computed: quantity x rate = amount."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    component: str
    quantity: int = Field(ge=0)
    rate: Amount
    amount: Amount


class EntitlementGranted(EventPayload):
    """A beneficiary is owed this much for a closed cycle. The sum of `lines` is `amount`."""

    TYPE: ClassVar[str] = "samaki.eligibility.entitlement.granted.v1"
    TOPIC: ClassVar[str] = ENTITLEMENTS
    KEY: ClassVar[str] = "entitlement_id"

    entitlement_id: UUID = Field(description="The deterministic UUID of programme, cycle, beneficiary and component.")
    cycle_id: UUID
    programme_code: str
    programme_version: int = Field(ge=1)
    period: str = Field(pattern=r"^\d{4}-\d{2}$", description="The month paid for, e.g. `2020-07`.")
    beneficiary_id: UUID
    beneficiary_reference: str
    village_code: PlaceCode
    component: str = Field(description="Payable component, e.g. `monthly_transfer`.")
    amount: Amount
    currency: Currency
    lines: tuple[EntitlementLine, ...] = Field(max_length=40)
    decision_id: UUID = Field(description="The decision that explains it.")


class EntitlementRevoked(EventPayload):
    """An entitlement that had been granted is withdrawn, before payment."""

    TYPE: ClassVar[str] = "samaki.eligibility.entitlement.revoked.v1"
    TOPIC: ClassVar[str] = ENTITLEMENTS
    KEY: ClassVar[str] = "entitlement_id"

    entitlement_id: UUID
    cycle_id: UUID
    cause: str


class CycleClosed(EventPayload):
    """A cycle is final. Control totals tell receivers what they must have got before they act on it."""

    TYPE: ClassVar[str] = "samaki.eligibility.cycle.closed.v1"
    TOPIC: ClassVar[str] = CYCLES
    KEY: ClassVar[str] = "cycle_id"

    cycle_id: UUID
    programme_code: str
    programme_version: int = Field(ge=1)
    period: str = Field(pattern=r"^\d{4}-\d{2}$")
    reference_date: date
    payment_window_from: date
    payment_window_until: date
    funding_line: str
    currency: Currency
    count: int = Field(ge=0)
    amount: Amount
    totals: tuple[ControlTotal, ...] = Field(max_length=2000)
    content_hash: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 over the sorted entitlements.")
    closed_by: str = Field(description="Subject of the officer's token.")


EVENTS: tuple[type[EventPayload], ...] = (
    EnrolmentApproved,
    EnrolmentSuspended,
    EnrolmentEnded,
    EntitlementGranted,
    EntitlementRevoked,
    CycleClosed,
)
__all__ = [
    "CYCLES",
    "ENROLMENTS",
    "ENTITLEMENTS",
    "EVENTS",
    "CycleClosed",
    "EnrolmentApproved",
    "EnrolmentEnded",
    "EnrolmentSuspended",
    "EntitlementGranted",
    "EntitlementLine",
    "EntitlementRevoked",
]
