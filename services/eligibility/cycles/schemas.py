"""What the cycle endpoints take and answer."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.eligibility.programmes.periods import PERIOD_PATTERN
from shared.contracts.base import Amount


class OpenCycle(BaseModel):
    """Open a period of a programme."""

    model_config = ConfigDict(extra="forbid")

    programme_code: str
    period: str = Field(pattern=PERIOD_PATTERN, description="A month, e.g. `2020-07`.")


class CloseCycle(BaseModel):
    """The totals the officer expects: closing is refused if they are not the cycle's."""

    model_config = ConfigDict(extra="forbid")

    expected_count: int = Field(ge=0)
    expected_amount: Decimal = Field(ge=0, max_digits=18, decimal_places=2)
    comparison_hash: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="Of the comparison with the cycle before, which you have looked at. Needed where there is one.",
    )


class TotalView(BaseModel):
    """Control total of a component in a province."""

    component: str
    province_code: str
    count: int
    amount: Amount


class CycleView(BaseModel):
    """A cycle. Counts are entitlements; amounts are in `currency`; totals are null until it is computed."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    programme_code: str
    programme_version: int
    period: str
    state: str
    reference_date: date
    window_from: date
    window_until: date
    currency: str
    funding_line: str
    count: int | None = Field(validation_alias="entitlement_count")
    amount: Amount | None
    totals: list[TotalView] | None
    content_hash: str | None
    benefit_amount: Amount | None
    arrears_amount: Amount | None
    recovery_amount: Amount | None
    payment_number: int
    unpriced: int | None = Field(description="Beneficiaries that qualify but for which a rate is missing.")
    unconfirmed_rates: list[str] = Field(description="Rate tables used that await confirmation.")
    comparison_hash: str | None
    published_count: int
    opened_by: str
    opened_at: datetime
    computed_at: datetime | None
    closed_by: str | None
    closed_at: datetime | None


class LineView(BaseModel):
    """One component of the formula: quantity x rate = amount."""

    component: str
    quantity: int
    rate: Amount
    amount: Amount
    kind: str = Field(default="benefit", description="benefit, arrears, or recovery (taken off).")
    for_period: str | None = None


class EntitlementView(BaseModel):
    """What a beneficiary is owed."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    decision_id: UUID
    beneficiary_id: UUID
    beneficiary_reference: str
    village_code: str
    component: str
    amount: Amount
    unconfirmed: bool
    lines: list[LineView]


class GroupView(BaseModel):
    """Beneficiaries that changed alike, for the same cause, in one province."""

    change: str = Field(description="new, gone, more, less or same.")
    cause: str
    province_code: str
    beneficiaries: int
    amount_before: Amount
    amount_after: Amount


class ComparisonView(BaseModel):
    """A cycle against the closed one before it."""

    cycle_id: UUID
    currency: str
    previous_cycle_id: UUID | None
    previous_period: str | None
    comparison_hash: str
    groups: list[GroupView]


class ChangeView(BaseModel):
    """One beneficiary that changed between two cycles."""

    model_config = ConfigDict(from_attributes=True)

    beneficiary_id: UUID
    beneficiary_reference: str
    village_code: str
    change: str
    cause: str
    amount_before: Amount
    amount_after: Amount


class AdjustmentView(BaseModel):
    """A closed period put right in this cycle."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    beneficiary_id: UUID
    beneficiary_reference: str
    village_code: str
    component: str
    for_cycle_id: UUID
    for_period: str
    kind: str
    amount: Amount
    was_amount: Amount
    right_amount: Amount
    decision_id: UUID
