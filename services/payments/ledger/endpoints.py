"""The books over HTTP."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel

from services.payments.fields import AmountOut
from services.payments.ledger.repository import trial_balance
from shared.auth import Principal, ensure_area, requires
from shared.http import Router, SessionDep

LedgerRead = Annotated[Principal, requires("finance_officer", "payment_officer", "payment_approver", "auditor")]
router = Router(prefix="/payments/v1/ledger", tags=["ledger"])


class BalanceOut(BaseModel):
    """One ledger account: gross debits and credits, and the balance (debits positive)."""

    fund_code: str
    programme_code: str
    type: str
    rail: str
    currency: str
    debit: AmountOut
    credit: AmountOut
    balance: AmountOut


class TrialBalance(BaseModel):
    """Every account, and per currency the sum of all balances: zero, or the books are wrong."""

    accounts: list[BalanceOut]
    totals: dict[str, AmountOut]
    balanced: bool


@router.get("/trial-balance")
async def read_trial_balance(principal: LedgerRead, session: SessionDep) -> TrialBalance:
    """The trial balance at this moment. National."""
    ensure_area(principal, None)
    rows = await trial_balance(session)
    totals: dict[str, Decimal] = {}
    for row in rows:
        totals[row.currency] = totals.get(row.currency, Decimal(0)) + row.balance
    accounts = [BalanceOut.model_validate(row, from_attributes=True) for row in rows]
    return TrialBalance(accounts=accounts, totals=totals, balanced=not any(totals.values()))
