"""Collections over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from services.payments.accounts.schemas import AccountIn
from services.payments.collections import collect, refunds, repository
from services.payments.collections.refund_repository import PROGRAMME
from services.payments.errors import (
    CollectionState,
    EmergencyStopped,
    EmployerNotFound,
    FundInsufficient,
    FundNotFound,
    NoAccount,
    SamePerson,
)
from services.payments.fields import AmountIn, AmountOut, Code, after_id
from shared.auth import Principal, ensure_area, requires
from shared.contracts.base import PlaceCode
from shared.errors import Invalid, responses
from shared.http import ClockDep, ContextDep, Router, SessionDep
from shared.pagination import Page, Paging

CollectWrite = Annotated[Principal, requires("finance_officer", "payment_officer", "integration")]
RefundApprove = Annotated[Principal, requires("finance_officer", "payment_approver")]
CollectRead = Annotated[Principal, requires("finance_officer", "payment_officer", "payment_approver", "auditor")]
Period = Annotated[str, Field(pattern=r"^20\d{2}-(0[1-9]|1[0-2])$")]
FIRST = UUID(int=0)
router = Router(prefix="/payments/v1/collections", tags=["collections"])


class ExpectationIn(BaseModel):
    """What an employer owes a fund for a month. Said again with another amount, it corrects the first."""

    model_config = ConfigDict(extra="forbid")
    fund_code: Code
    employer_id: UUID
    period: Period
    due_on: date
    expected: AmountIn


class ReceiptIn(BaseModel):
    """Money that came in, by the bank's reference: taken in once."""

    model_config = ConfigDict(extra="forbid")
    fund_code: Code
    employer_id: UUID
    amount: AmountIn
    bank_reference: str = Field(min_length=1, max_length=120)
    received_on: date


class RefundAccountIn(BaseModel):
    """Where an employer is paid back; another one than before replaces it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    rail: str = Field(max_length=35, description="A rail of this platform, e.g. `bank`.")
    provider: str = Field(max_length=35)
    account_number: str = Field(max_length=60)
    holder_name: str = Field(max_length=140)
    place_code: PlaceCode = Field(description="Where the employer is registered: a province or a place in it.")


class RefundIn(BaseModel):
    """What to give back of an over-payment, under which paper, and where to; `account` once, or when it changes."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    fund_code: Code
    employer_id: UUID
    amount: AmountIn
    reference: str = Field(min_length=1, max_length=120)
    account: RefundAccountIn | None = None


class CancelIn(BaseModel):
    """Why a refund is given up."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=3, max_length=500)


class MonthOut(BaseModel):
    """A month of an employer: under-paid while `missing` is above zero."""

    id: UUID
    fund_code: str
    employer_id: UUID
    period: str
    due_on: date
    expected: AmountOut
    allocated: AmountOut
    missing: AmountOut
    currency: str
    revisions: int


class AllocationOut(BaseModel):
    """What went to a month."""

    contribution_id: UUID
    amount: AmountOut


class ReceiptOut(BaseModel):
    """A receipt: its number is given to the employer. `over`: what she has in her favour now."""

    id: UUID
    number: int
    fund_code: str
    employer_id: UUID
    amount: AmountOut
    currency: str
    received_on: date
    bank_reference: str
    allocated: list[AllocationOut]
    over: AmountOut


class RefundOut(BaseModel):
    """A refund: proposed, sent (its payment is on its way), done, failed or cancelled."""

    id: UUID
    number: int
    fund_code: str
    employer_id: UUID
    amount: AmountOut
    currency: str
    status: str
    created_by: str
    approved_by: str | None
    account_id: UUID | None
    payment_id: UUID | None = Field(description="Of what was sent: its story is /payments/{id}.")
    created_at: datetime


@router.put("/expectations", responses=responses(FundNotFound, Invalid))
async def expect(body: ExpectationIn, principal: CollectWrite, session: SessionDep, clock: ClockDep) -> MonthOut:
    """Say what an employer owes for a month, or correct it. National."""
    row = await collect.expect_contribution(
        session, principal, body.fund_code, body.employer_id, body.period, body.due_on, body.expected, clock.today()
    )
    return _month(row)


@router.post("/receipts", status_code=201, responses=responses(FundNotFound, CollectionState, Invalid))
async def receive(body: ReceiptIn, principal: CollectWrite, session: SessionDep) -> ReceiptOut:
    """Take in money of an employer; it is allocated to her months, the oldest first. National."""
    receipt, spread, over = await collect.receive_contribution(
        session, principal, body.fund_code, body.employer_id, body.amount, body.bank_reference, body.received_on
    )
    shown = {name: getattr(receipt, name) for name in ReceiptOut.model_fields if name not in {"allocated", "over"}}
    parts = [AllocationOut(contribution_id=contribution, amount=part) for contribution, part in spread]
    return ReceiptOut(**shown, allocated=parts, over=over)


@router.post("/refunds", status_code=201, responses=responses(FundNotFound, CollectionState, NoAccount, Invalid))
async def propose_refund(
    body: RefundIn, principal: CollectWrite, session: SessionDep, context: ContextDep, clock: ClockDep
) -> RefundOut:
    """Propose to give an over-payment back. National."""
    given, place = None, ""
    if body.account is not None:
        place = body.account.place_code
        fields = body.account.model_dump(exclude={"place_code"})
        given = AccountIn(beneficiary_id=body.employer_id, purpose=PROGRAMME, **fields)
    row = await refunds.propose_refund(
        session, principal, context.resources, body.fund_code, body.employer_id, body.amount, body.reference, given,
        place, clock.now()
    )  # fmt: skip
    return RefundOut.model_validate(row, from_attributes=True)


@router.get("/refunds/{refund_id}", responses=responses(EmployerNotFound))
async def read_refund(refund_id: UUID, principal: CollectRead, session: SessionDep) -> RefundOut:
    """A refund and where it stands. National."""
    ensure_area(principal, None)
    row = await repository.refund_by_id(session, refund_id)
    if row is None:
        raise EmployerNotFound("There is no such refund.")
    return RefundOut.model_validate(row, from_attributes=True)


@router.post(
    "/refunds/{refund_id}:approve",
    responses=responses(EmployerNotFound, CollectionState, SamePerson, FundInsufficient, EmergencyStopped, NoAccount),
)
async def approve_refund(refund_id: UUID, principal: RefundApprove, session: SessionDep, clock: ClockDep) -> RefundOut:
    """Send it by the rail of the employer's account. Not by who proposed it, or gave the account."""
    row = await refunds.approve_refund(session, principal, refund_id, clock.now())
    return RefundOut.model_validate(row, from_attributes=True)


@router.post("/refunds/{refund_id}:cancel", responses=responses(EmployerNotFound, CollectionState))
async def cancel_refund(refund_id: UUID, body: CancelIn, principal: RefundApprove, session: SessionDep) -> RefundOut:
    """Give up a refund that was not sent, or that failed."""
    row = await refunds.cancel_refund(session, principal, refund_id, body.reason)
    return RefundOut.model_validate(row, from_attributes=True)


@router.get("/funds/{fund_code}/employers/{employer_id}")
async def list_months(
    fund_code: str, employer_id: UUID, principal: CollectRead, session: SessionDep, paging: Paging
) -> Page[MonthOut]:
    """An employer's months: expected, allocated, missing. National."""
    ensure_area(principal, None)
    rows = await repository.months_of(session, fund_code, employer_id, after_id(paging) or FIRST, paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[_month(row) for row in kept], next_cursor=cursor)


@router.get("/overdue")
async def list_overdue(
    principal: CollectRead,
    session: SessionDep,
    clock: ClockDep,
    paging: Paging,
    on: Annotated[date | None, Query(description="Default: today.")] = None,
) -> Page[MonthOut]:
    """Months that were due and are not paid in full. National."""
    ensure_area(principal, None)
    rows = await repository.overdue(session, on or clock.today(), after_id(paging) or FIRST, paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[_month(row) for row in kept], next_cursor=cursor)


def _month(row: Any) -> MonthOut:
    shown = {name: getattr(row, name) for name in MonthOut.model_fields if name != "missing"}
    return MonthOut(**shown, missing=max(row.expected - row.allocated, Decimal(0)))
