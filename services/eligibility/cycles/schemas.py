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
    unpriced: int | None = Field(description="Households that qualify but for which a rate is missing.")
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
    lines: list[LineView]
