"""Payments over HTTP."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.payments.errors import (
    AccountCooling,
    AccountUnchanged,
    EmergencyStopped,
    FundInsufficient,
    NoAccount,
    NotReissuable,
    PaymentHeld,
    PaymentNotFound,
    SamePerson,
)
from services.payments.fields import after_id
from services.payments.instructions import repository
from services.payments.instructions.explain_payment import explain_payment
from services.payments.instructions.model import PaymentStatus
from services.payments.instructions.reissue_payment import reissue_payment
from services.payments.instructions.schemas import PaymentDetail, PaymentOut, ReissueIn, StateTotal, Summary
from shared.auth import Principal, requires
from shared.errors import responses
from shared.http import ClockDep, Router, SessionDep
from shared.pagination import Page, Paging

PaymentWrite = Annotated[Principal, requires("payment_officer")]
PaymentRead = Annotated[
    Principal,
    requires(
        "payment_officer",
        "payment_approver",
        "finance_officer",
        "programme_officer",
        "grievance_officer",
        "commune_officer",
        "auditor",
    ),
]
router = Router(prefix="/payments/v1", tags=["payments"])


@router.get("/payments")
async def list_payments(
    principal: PaymentRead,
    session: SessionDep,
    paging: Paging,
    status: Annotated[PaymentStatus | None, Query()] = None,
    cycle_id: Annotated[UUID | None, Query()] = None,
    payment_list_id: Annotated[UUID | None, Query()] = None,
    beneficiary_id: Annotated[UUID | None, Query()] = None,
) -> Page[PaymentOut]:
    """Payments in your area, by id. Those not disbursed yet are lines of their list."""
    asked = {
        "status": status,
        "cycle_id": cycle_id,
        "payment_list_id": payment_list_id,
        "beneficiary_id": beneficiary_id,
    }
    filters = {name: wanted for name, wanted in asked.items() if wanted is not None}
    rows = await repository.payments_where(session, principal, filters, after_id(paging), paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[PaymentOut.model_validate(row, from_attributes=True) for row in kept], next_cursor=cursor)


@router.get("/payments/{payment_id}", responses=responses(PaymentNotFound))
async def read_payment(payment_id: UUID, principal: PaymentRead, session: SessionDep) -> PaymentDetail:
    """Why was it paid, or not: entitlement, checks, approval, attempts, ledger and bank lines, in one call."""
    return await explain_payment(session, principal, payment_id)


@router.post(
    "/payments/{payment_id}:reissue",
    responses=responses(
        PaymentNotFound,
        NotReissuable,
        AccountUnchanged,
        AccountCooling,
        NoAccount,
        PaymentHeld,
        FundInsufficient,
        EmergencyStopped,
        SamePerson,
    ),
)
async def reissue(
    payment_id: UUID, principal: PaymentWrite, session: SessionDep, clock: ClockDep, body: ReissueIn | None = None
) -> PaymentOut:
    """Pay again what failed, came back or expired, to the account as it is now.

    By a second person: not by who changed the account (unless another confirmed it), nor by who asked for it in a case.
    """
    asked = body or ReissueIn()
    row = await reissue_payment(
        session, principal, payment_id, same_account=asked.same_account, reason=asked.reason, now=clock.now()
    )
    return PaymentOut.model_validate(row, from_attributes=True)


@router.get("/summary")
async def read_summary(principal: PaymentRead, session: SessionDep) -> Summary:
    """Money by state, in your area: excluded, listed, approved, instructed, settled, failed, returned, expired."""
    sums: dict[tuple[str, str], tuple[int, Decimal]] = {}
    rows = [*await repository.sums_of_lines(session, principal), *await repository.sums_by_status(session, principal)]
    for status, currency, count, amount in rows:
        before = sums.get((status, currency), (0, Decimal(0)))
        sums[status, currency] = (before[0] + count, before[1] + amount)
    order = [status.value for status in PaymentStatus]
    return Summary(
        states=[
            StateTotal(status=status, currency=currency, count=count, amount=amount)
            for (status, currency), (count, amount) in sorted(
                sums.items(), key=lambda item: (item[0][1], order.index(item[0][0]))
            )
        ]
    )
