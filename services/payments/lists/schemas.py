"""Payment lists on the wire."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.payments.fields import AmountIn, AmountOut, Code


class ListIn(BaseModel):
    """Which cycle to pay; which fund, or funds in the order in which they pay. Default: all that serve, by priority."""

    model_config = ConfigDict(extra="forbid")

    cycle_id: UUID
    fund_code: Code | None = None
    fund_codes: list[Code] = Field(default_factory=list, max_length=50)


class ListAccepted(BaseModel):
    """The job builds and checks the list."""

    job_id: UUID
    payment_list_id: UUID


class JobAccepted(BaseModel):
    """The job was queued."""

    job_id: UUID


class Approval(BaseModel):
    """What is approved: the hash that the approver looked at."""

    model_config = ConfigDict(extra="forbid")

    content_hash: str = Field(pattern=r"^[0-9a-f]{64}$")


class WithReason(BaseModel):
    """A reason, for the record."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=3, max_length=500)


class LinesIn(WithReason):
    """Lines to be changed together, and why."""

    payments: list[UUID] = Field(min_length=1, max_length=500)


class PriorityIn(LinesIn):
    """Lines to go before the others (1 to 9), or with them again (0)."""

    priority: int = Field(default=1, ge=0, le=9)


class SplitIn(WithReason):
    """The amounts of the parts; left out: as many parts of at most the ceiling as are needed."""

    amounts: list[AmountIn] | None = Field(default=None, min_length=2, max_length=50)


class ReasonTotal(BaseModel):
    """What one reason leaves out; a line with two reasons counts under both."""

    reason: str
    explanation: str
    count: int
    amount: AmountOut


class StepOut(BaseModel):
    """Something done to the list."""

    action: str
    actor: str
    content_hash: str | None
    reason: str | None
    at: datetime


class ListOut(BaseModel):
    """A payment list. `content_hash` covers the ready lines: it is what an approver approves."""

    id: UUID
    cycle_id: UUID
    programme_code: str
    period: str
    fund_code: str
    fund_codes: list[str]
    currency: str
    status: str
    ready_count: int
    ready_amount: AmountOut
    excluded_count: int
    excluded_amount: AmountOut
    deducted_amount: AmountOut = Field(description="Kept back for over-payments: not part of what is paid.")
    approvals_needed: int
    first_approved_by: str | None
    content_hash: str | None
    refusal: str | None
    built_by: str
    submitted_by: str | None
    approved_by: str | None
    disbursed_by: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class FundShare(BaseModel):
    """What one fund pays of a list."""

    position: int
    fund_code: str
    count: int
    amount: AmountOut


class ListDetail(ListOut):
    """A payment list with what was left out and what was done."""

    excluded: list[ReasonTotal]
    funds: list[FundShare] = Field(description="Of an approved list: what each fund pays.")
    steps: list[StepOut]


class LineOut(BaseModel):
    """A line: ready, or excluded with every reason."""

    payment_id: UUID
    entitlement_id: UUID
    beneficiary_id: UUID
    beneficiary_reference: str
    village_code: str
    component: str
    amount: AmountOut
    deduction: AmountOut
    currency: str
    priority: int
    part_of: UUID | None
    account_id: UUID | None
    rail: str | None
    status: str
    reasons: list[str]
    note: str | None
