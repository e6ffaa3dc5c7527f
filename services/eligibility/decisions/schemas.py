"""What the decision endpoints answer."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Text(BaseModel):
    """A text in Khmer and English."""

    km: str
    en: str


class MissingView(BaseModel):
    """One comparison that stands in the way, e.g. `person.age` is 58 and needs `>=` 60."""

    model_config = ConfigDict(from_attributes=True)

    fact: str
    has: bool | int | str
    needs: str
    than: bool | int | str


class ClauseView(BaseModel):
    """One clause: its rule, whether it holds, the reason told to the family, and the facts it saw."""

    id: str
    rule: str
    holds: bool
    reason: Text
    facts: dict[str, bool | int | str]
    missing: list[MissingView] = Field(default_factory=list, description="What it would need, where it does not hold.")


class LineView(BaseModel):
    """One component of a formula: quantity x rate = amount.

    Without numbers when the component is switched off; without a rate when none is given for these facts.
    """

    component: str
    names: Text
    formula: str
    enabled: bool
    quantity: int | None
    rate: Decimal | None
    amount: Decimal | None


class AdjustedLine(BaseModel):
    """A closed period put right with this payment: arrears are added, recovery is taken off."""

    kind: str
    for_period: str
    amount: Decimal


class BenefitView(BaseModel):
    """A payable component with every line of its formula, and what was put right with it."""

    component: str
    names: Text
    lines: list[LineView]
    adjustments: list[AdjustedLine] = Field(default_factory=list)


class DecisionSummary(BaseModel):
    """A decision in a list."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    purpose: str
    programme_code: str
    programme_version: int
    cycle_id: UUID | None
    on_date: date
    qualifies: bool
    decided_at: datetime


class DecisionView(BaseModel):
    """A decision that explains itself."""

    id: UUID
    purpose: str
    programme_code: str
    programme_version: int
    cycle_id: UUID | None
    beneficiary_id: UUID
    household_id: UUID
    beneficiary_reference: str
    on_date: date
    facts_version: int
    facts_hash: str = Field(description="SHA-256 of the facts seen.")
    qualifies: bool
    near_miss: bool = Field(description="One thing alone was missing: see `missing` of the clause that does not hold.")
    clauses: list[ClauseView]
    benefits: list[BenefitView] = Field(description="Empty for a decision on enrolment.")
    decided_at: datetime
