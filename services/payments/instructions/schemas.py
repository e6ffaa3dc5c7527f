"""Payments on the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.payments.fields import AmountOut
from services.payments.lists.schemas import StepOut


class ReissueIn(BaseModel):
    """Why it is paid again; `same_account` to use the account that was tried last, on purpose."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="corrected", min_length=1, max_length=200)
    same_account: bool = False


class PaymentOut(BaseModel):
    """A payment as it stands."""

    id: UUID
    entitlement_id: UUID
    cycle_id: UUID
    payment_list_id: UUID
    programme_code: str
    period: str
    beneficiary_id: UUID
    beneficiary_reference: str
    village_code: str
    component: str
    amount: AmountOut
    currency: str
    status: str
    attempt: int
    version: int
    created_at: datetime
    updated_at: datetime


class EntitlementPart(BaseModel):
    """What is owed and how it was computed; `decision_id` leads to eligibility's explanation."""

    id: UUID
    amount: AmountOut
    lines: list[dict[str, Any]]
    decision_id: UUID
    programme_version: int
    revoked_cause: str | None


class CheckPart(BaseModel):
    """The payment's line on its list."""

    payment_list_id: UUID
    list_status: str
    status: str
    reasons: list[str]
    explanations: list[str]
    note: str | None


class HoldPart(BaseModel):
    """A hold on this payment."""

    id: UUID
    case_id: UUID | None
    reason: str
    until: date | None
    released: bool
    cause: str | None


class OutcomePart(BaseModel):
    """Something a rail said of an attempt."""

    kind: str
    effective_on: date
    source: str
    source_reference: str
    reason_code: str
    reason: str
    recorded_at: datetime


class AttemptPart(BaseModel):
    """One try at paying."""

    id: UUID
    attempt: int
    rail: str
    provider: str
    account_id: UUID
    account_version: int
    end_to_end_id: str
    batch_id: UUID | None
    state: str
    outcome_on: date | None
    reason_code: str
    reason: str
    created_at: datetime
    outcomes: list[OutcomePart]


class PostingPart(BaseModel):
    """One posting of this payment: debits are positive."""

    reference: str
    kind: str
    account: str
    rail: str
    amount: AmountOut
    currency: str
    effective_on: date
    recorded_at: datetime


class PaymentDetail(PaymentOut):
    """A payment and its whole story: entitlement, checks, approval, attempts, ledger, bank lines (law 7)."""

    entitlement: EntitlementPart | None
    check: CheckPart | None
    approval: list[StepOut]
    holds: list[HoldPart]
    attempts: list[AttemptPart]
    ledger: list[PostingPart]
    bank_lines: list[dict[str, Any]]


class StateTotal(BaseModel):
    """Count and sum of the payments in one state."""

    status: str
    currency: str
    count: int
    amount: AmountOut


class Summary(BaseModel):
    """Money by state, in the caller's area."""

    states: list[StateTotal]
