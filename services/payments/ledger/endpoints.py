"""The books over HTTP."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel

from services.payments.errors import LedgerAccountNotFound
from services.payments.fields import AmountOut, CurrencyCode
from services.payments.ledger.model import EXPLAINED, MOVEMENTS, AccountType
from services.payments.ledger.reading_repository import START, account_by_id, statement_lines, trial_balance
from services.payments.ledger.start_self_check import start_self_check
from shared.auth import Principal, ensure_area, requires
from shared.errors import BadRequest, responses
from shared.http import Router, SessionDep
from shared.pagination import Paging

LedgerRead = Annotated[Principal, requires("auditor", "finance_officer")]
At = Annotated[AwareDatetime | None, Query(description="As recorded until this instant; default: now.")]

router = Router(prefix="/payments/v1/ledger", tags=["ledger"])


class BalanceOut(BaseModel):
    """One ledger account: debits positive, credits as a positive sum, balance = debit - credit."""

    id: int
    fund_code: str
    programme_code: str
    type: str
    rail: str
    party: str
    currency: CurrencyCode
    debit: AmountOut
    credit: AmountOut
    balance: AmountOut
    movements: int


class TrialBalance(BaseModel):
    """Every account, and per currency the sum of all balances: zero, or the books are wrong."""

    at: datetime | None
    accounts: list[BalanceOut]
    totals: dict[str, AmountOut]
    balanced: bool


class ChartEntry(BaseModel):
    """A type of account and the movements that debit and credit it."""

    type: str
    explanation: str
    debited_by: list[str]
    credited_by: list[str]


class StatementLine(BaseModel):
    """A movement as this account sees it: `amount` is positive for a debit. `reference` is booked once only."""

    journal_id: int
    recorded_at: datetime
    effective_on: Any
    reference: str
    kind: str
    payment_id: UUID | None
    other_account: str
    other_programme: str
    other_rail: str
    other_party: str
    amount: AmountOut


class AccountStatement(BaseModel):
    """An account between two instants: opening + lines = closing. `next_cursor` is null on the last page."""

    account_id: int
    type: str
    fund_code: str
    programme_code: str
    rail: str
    party: str
    currency: str
    since: datetime | None
    until: datetime | None
    opening: AmountOut
    closing: AmountOut
    items: list[StatementLine]
    next_cursor: str | None


class CheckAccepted(BaseModel):
    """The job compares ledger, instructions, statements and events."""

    job_id: UUID


@router.get("/chart")
async def read_chart(_: LedgerRead) -> list[ChartEntry]:
    """The chart of accounts, in words."""
    return [
        ChartEntry(
            type=type_.value,
            explanation=EXPLAINED[type_],
            debited_by=[kind.value for kind, sides in MOVEMENTS.items() if sides.debit is type_],
            credited_by=[kind.value for kind, sides in MOVEMENTS.items() if sides.credit is type_],
        )
        for type_ in AccountType
    ]


@router.get("/trial-balance")
async def read_trial_balance(principal: LedgerRead, session: SessionDep, at: At = None) -> TrialBalance:
    """The trial balance at this moment, or as it was recorded at a past one. National."""
    ensure_area(principal, None)
    rows = await trial_balance(session, at)
    totals: dict[str, Decimal] = {}
    for row in rows:
        totals[row.currency] = totals.get(row.currency, Decimal(0)) + row.balance
    accounts = [BalanceOut.model_validate(row, from_attributes=True) for row in rows]
    return TrialBalance(at=at, accounts=accounts, totals=totals, balanced=not any(totals.values()))


@router.get("/accounts/{account_id}/statement", responses=responses(LedgerAccountNotFound))
async def read_statement(
    account_id: int, principal: LedgerRead, session: SessionDep, paging: Paging, since: At = None, until: At = None
) -> AccountStatement:
    """An account's movements recorded between two instants, with its balance before and after. National."""
    ensure_area(principal, None)
    account = await account_by_id(session, account_id)
    if account is None:
        raise LedgerAccountNotFound("Look at the ids in the trial balance.")
    rows = await statement_lines(
        session, account_id, since=since, until=until, after=_after(paging.after()), most=paging.fetch
    )
    kept, cursor = paging.cut(
        rows, lambda row: {"j": row.journal_id, "s": str(row.subject_id), "k": row.kind, "n": row.number}
    )
    closing = {row.id: row.balance for row in await trial_balance(session, until, account.fund_code)}
    opening = {row.id: row.balance for row in await trial_balance(session, since, account.fund_code)} if since else {}
    about = {name: getattr(account, name) for name in ("type", "fund_code", "programme_code", "rail", "party")}
    return AccountStatement(
        account_id=account_id,
        **about,
        currency=account.currency,
        since=since,
        until=until,
        opening=opening.get(account_id, Decimal(0)),
        closing=closing[account_id],
        items=[_line(row) for row in kept],
        next_cursor=cursor,
    )


@router.post("/self-check", status_code=202)
async def ask_self_check(principal: LedgerRead, session: SessionDep) -> CheckAccepted:
    """Compare ledger, instructions, statements and events, and name every riel that differs (the job's result)."""
    ensure_area(principal, None)
    return CheckAccepted(job_id=await start_self_check(session, principal))


def _line(row: Any) -> StatementLine:
    number = f":{row.number}" if row.number else ""
    shown = {name: getattr(row, name) for name in StatementLine.model_fields if name != "reference"}
    return StatementLine(reference=f"{row.kind}:{row.subject_id}{number}", **shown)


def _after(key: dict[str, Any] | None) -> tuple[int, UUID, str, int]:
    if key is None:
        return START
    try:
        return int(key["j"]), UUID(key["s"]), str(key["k"]), int(key["n"])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise BadRequest("Use the next_cursor of the page before, as it is.") from None
