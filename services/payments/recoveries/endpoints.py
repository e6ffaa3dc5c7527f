"""Claims of over-payments over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.payments.errors import ClaimExists, ClaimNotFound, ClaimState, PaymentNotFound, SamePerson
from services.payments.fields import AmountIn, AmountOut, after_id
from services.payments.recoveries import repository, settle_claim
from shared.auth import Principal, requires
from shared.errors import Invalid, PreconditionFailed, responses
from shared.etag import IfMatch, etag
from shared.http import ClockDep, ContextDep, Router, SessionDep
from shared.pagination import Page, Paging

ClaimWrite = Annotated[Principal, requires("payment_officer", "finance_officer")]
ClaimDecide = Annotated[Principal, requires("payment_approver", "finance_officer")]
ClaimRead = Annotated[Principal, requires("payment_officer", "payment_approver", "finance_officer", "auditor")]
router = Router(prefix="/payments/v1/claims", tags=["recoveries"])


class ClaimIn(BaseModel):
    """A settled payment that was too much. `monthly_cap_percent`: at most this share of a month's benefit is kept
    back."""

    model_config = ConfigDict(extra="forbid")
    payment_id: UUID
    amount: AmountIn
    monthly_cap_percent: int | None = Field(default=None, ge=1, le=50)
    reason: str = Field(min_length=3, max_length=500)


class RepaymentIn(BaseModel):
    """Money paid back by hand, and the receipt's number."""

    model_config = ConfigDict(extra="forbid")
    amount: AmountIn
    document: str = Field(min_length=1, max_length=120)


class WaiverIn(BaseModel):
    """Why it is given up."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=3, max_length=500)


class ClaimOut(BaseModel):
    """A claim; what is outstanding is amount - recovered - waived."""

    id: UUID
    payment_id: UUID
    beneficiary_id: UUID
    programme_code: str
    fund_code: str
    amount: AmountOut
    recovered: AmountOut
    waived: AmountOut
    currency: str
    monthly_cap_percent: int
    status: str
    reason: str
    created_by: str
    confirmed_by: str | None
    created_at: datetime
    version: int


_PROBLEMS = responses(ClaimNotFound, ClaimState, SamePerson, PreconditionFailed, Invalid)


@router.post("", status_code=201, responses=responses(PaymentNotFound, ClaimState, ClaimExists, Invalid))
async def propose(
    body: ClaimIn, principal: ClaimWrite, session: SessionDep, context: ContextDep, response: Response
) -> ClaimOut:
    """Propose to claim an over-payment back. Nothing is kept back before another person confirms it."""
    cap = body.monthly_cap_percent or context.settings.recovery_monthly_cap_percent
    row = await settle_claim.propose_claim(session, principal, body.payment_id, body.amount, cap, body.reason)
    return _shown(row, response)


@router.post("/{claim_id}:confirm", responses=_PROBLEMS)
async def confirm(
    claim_id: UUID, version: IfMatch, principal: ClaimDecide, session: SessionDep, clock: ClockDep, response: Response
) -> ClaimOut:
    """Open a proposed claim. Not by who proposed it."""
    return _shown(await settle_claim.confirm_claim(session, principal, claim_id, version, clock.today()), response)


@router.post("/{claim_id}/repayments", responses=_PROBLEMS)
async def repay(
    claim_id: UUID,
    body: RepaymentIn,
    version: IfMatch,
    principal: ClaimWrite,
    session: SessionDep,
    clock: ClockDep,
    response: Response,
) -> ClaimOut:
    """Take in money paid back by hand; it is available in the fund again."""
    row = await settle_claim.receive_repayment(
        session, principal, claim_id, version, body.amount, body.document, clock.today()
    )
    return _shown(row, response)


@router.post("/{claim_id}:waive", responses=_PROBLEMS)
async def waive(
    claim_id: UUID,
    body: WaiverIn,
    version: IfMatch,
    principal: ClaimDecide,
    session: SessionDep,
    clock: ClockDep,
    response: Response,
) -> ClaimOut:
    """Give up what is outstanding. Not by who proposed it."""
    row = await settle_claim.waive_claim(session, principal, claim_id, version, body.reason, clock.today())
    return _shown(row, response)


@router.get("/{claim_id}", responses=responses(ClaimNotFound))
async def read_claim(claim_id: UUID, principal: ClaimRead, session: SessionDep, response: Response) -> ClaimOut:
    """A claim in your area."""
    row = await repository.claim_by_id(session, claim_id)
    if row is None or not principal.covers(row.village_code):
        raise ClaimNotFound("Look at the id again, or ask an officer of that area.")
    return _shown(row, response)


@router.get("")
async def list_claims(
    principal: ClaimRead,
    session: SessionDep,
    paging: Paging,
    status: Annotated[Literal["proposed", "open", "closed", "waived"] | None, Query()] = None,
) -> Page[ClaimOut]:
    """Claims in your area."""
    rows = await repository.claims_where(session, principal, status, after_id(paging), paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[ClaimOut.model_validate(row, from_attributes=True) for row in kept], next_cursor=cursor)


def _shown(row: Any, response: Response) -> ClaimOut:
    response.headers["ETag"] = etag(row.version)
    return ClaimOut.model_validate(row, from_attributes=True)
