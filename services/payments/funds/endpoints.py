"""Funds over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Response
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import FundExists, FundNotFound
from services.payments.funds import repository
from services.payments.funds.schemas import FundIn, FundOut
from services.payments.ledger.repository import balances_of_fund
from shared import audit
from shared.auth import Principal, ensure_area, requires
from shared.errors import FieldError, Invalid, responses
from shared.http import ClockDep, Router, SessionDep
from shared.money import MoneyError, check_amount

FundWrite = Annotated[Principal, requires("finance_officer")]
FundRead = Annotated[
    Principal, requires("finance_officer", "payment_officer", "payment_approver", "programme_officer", "auditor")
]
router = Router(prefix="/payments/v1/funds", tags=["funds"])


@router.post("", status_code=201, responses=responses(FundExists))
async def open_fund(
    body: FundIn, principal: FundWrite, session: SessionDep, clock: ClockDep, response: Response
) -> FundOut:
    """Open a fund with its allotment: the money that payment lists may reserve."""
    ensure_area(principal, None)
    try:
        allotment = check_amount(body.allotment, body.currency)
    except MoneyError as error:
        field = "currency" if "currency" in str(error) else "allotment"
        raise Invalid("Correct the amount.", errors=[FieldError(field, "bad_amount", str(error))]) from None
    values = {
        "code": body.code,
        "currency": body.currency,
        "programme_lines": body.programme_lines,
        "allotment": allotment,
        "created_by": principal.subject,
    }
    row = await repository.add_fund(session, values, clock.today())
    if row is None:
        raise FundExists(f"Choose another code than {body.code}, or use that fund.")
    detail = {"allotment": str(allotment), "currency": body.currency}
    await audit.record(session, principal, "fund.open", "fund", row.code, detail)
    response.headers["Location"] = f"/payments/v1/funds/{row.code}"
    return await _shown(session, row)


@router.get("/{code}", responses=responses(FundNotFound))
async def read_fund(code: Annotated[str, Path(max_length=40)], _: FundRead, session: SessionDep) -> FundOut:
    """A fund with its balances, from the ledger."""
    row = await repository.fund_by_code(session, code)
    if row is None:
        raise FundNotFound("Look at the code again.")
    return await _shown(session, row)


async def _shown(session: AsyncSession, row: Any) -> FundOut:
    balances = await balances_of_fund(session, row.code)
    return FundOut(
        code=row.code,
        currency=row.currency,
        programme_lines=row.programme_lines,
        allotment=row.allotment,
        available=balances.available,
        reserved=balances.reserved,
        in_transit=balances.in_transit,
        paid=balances.paid,
        created_at=row.created_at,
    )
