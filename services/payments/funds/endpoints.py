"""Funds over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Response
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import ExchangeImpossible, FundExists, FundInsufficient, FundNotFound
from services.payments.fields import after_id
from services.payments.funds import change_fund, repository
from services.payments.funds.schemas import EntryIn, EntryOut, ExchangeIn, FundIn, FundOut
from services.payments.ledger.model import AccountType
from services.payments.ledger.reading_repository import balances_of_fund
from shared.auth import Principal, ensure_area, requires
from shared.errors import responses
from shared.http import ClockDep, Router, SessionDep
from shared.pagination import Page, Paging

FundWrite = Annotated[Principal, requires("finance_officer")]
FundRead = Annotated[
    Principal, requires("finance_officer", "payment_officer", "payment_approver", "programme_officer", "auditor")
]
FundCode = Annotated[str, Path(max_length=40)]
_SHOWN = (
    AccountType.UNRELEASED,
    AccountType.AVAILABLE,
    AccountType.RESERVED,
    AccountType.IN_TRANSIT,
    AccountType.PAID,
    AccountType.RETURNED,
)
router = Router(prefix="/payments/v1/funds", tags=["funds"])


@router.post("", status_code=201, responses=responses(FundExists))
async def open_fund(
    body: FundIn, principal: FundWrite, session: SessionDep, clock: ClockDep, response: Response
) -> FundOut:
    """Open a fund with its first allotment. Released, it is money that payment lists may reserve."""
    row = await change_fund.open_fund(session, principal, body, clock.today())
    response.headers["Location"] = f"/payments/v1/funds/{row.code}"
    return await _shown(session, await repository.fund_by_code(session, row.code))


@router.get("")
async def list_funds(principal: FundRead, session: SessionDep) -> list[FundOut]:
    """Every fund with what became of its money. National."""
    ensure_area(principal, None)
    return [await _shown(session, row) for row in await repository.all_funds(session)]


@router.get("/{code}", responses=responses(FundNotFound))
async def read_fund(code: FundCode, principal: FundRead, session: SessionDep) -> FundOut:
    """A fund: what is available, reserved, in transit and paid. National."""
    ensure_area(principal, None)
    row = await repository.fund_by_code(session, code)
    if row is None:
        raise FundNotFound("Look at the code again.")
    return await _shown(session, row)


@router.get("/{code}/entries", responses=responses(FundNotFound))
async def list_entries(code: FundCode, principal: FundRead, session: SessionDep, paging: Paging) -> Page[EntryOut]:
    """A fund's allotments, releases and exchanges, with the papers that order them."""
    ensure_area(principal, None)
    rows = await repository.entries_of(session, code, after_id(paging), paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[EntryOut.model_validate(row, from_attributes=True) for row in kept], next_cursor=cursor)


@router.post("/{code}/allotments", status_code=201, responses=responses(FundNotFound))
async def add_allotment(
    code: FundCode, body: EntryIn, principal: FundWrite, session: SessionDep, clock: ClockDep
) -> EntryOut:
    """Allot more to a fund; `released: true` releases it at once."""
    entry = await change_fund.allot(session, principal, code, body, clock.today())
    return EntryOut.model_validate(entry, from_attributes=True)


@router.post("/{code}/releases", status_code=201, responses=responses(FundNotFound, FundInsufficient))
async def add_release(
    code: FundCode, body: EntryIn, principal: FundWrite, session: SessionDep, clock: ClockDep
) -> EntryOut:
    """Release allotted money, e.g. a quarter's: only released money can be promised."""
    entry = await change_fund.release(session, principal, code, body, clock.today())
    return EntryOut.model_validate(entry, from_attributes=True)


@router.post(
    "/{code}:exchange", status_code=201, responses=responses(FundNotFound, FundInsufficient, ExchangeImpossible)
)
async def exchange(
    code: FundCode, body: ExchangeIn, principal: FundWrite, session: SessionDep, clock: ClockDep
) -> EntryOut:
    """Exchange available money into another fund's currency, at the rate in force on the day."""
    entry = await change_fund.exchange(session, principal, code, body, clock.today())
    return EntryOut.model_validate(entry, from_attributes=True)


async def _shown(session: AsyncSession, row: Any) -> FundOut:
    balances = await balances_of_fund(session, row.code)
    about = {name: getattr(row, name) for name in FundOut.model_fields if hasattr(row, name)}
    money = {type_.value: balances[type_] for type_ in _SHOWN}
    released = row.allotment - balances[AccountType.UNRELEASED]
    return FundOut(**about, **money, released=released)
