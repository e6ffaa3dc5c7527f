"""Allot, release and exchange: what the finance ministry does to a fund. Each is booked with the paper that orders
it.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import ExchangeImpossible, FundExists, FundInsufficient, FundNotFound
from services.payments.fields import plain
from services.payments.funds import repository
from services.payments.funds.reserve import ensure_available
from services.payments.funds.schemas import EntryIn, ExchangeIn, FundIn
from services.payments.fx.model import convert
from services.payments.fx.repository import rate_on
from services.payments.ledger.model import AccountType, MovementKind
from services.payments.ledger.reading_repository import balances_of_fund
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import FieldError, Invalid
from shared.ids import uuid7
from shared.money import MoneyError, check_amount


async def open_fund(session: AsyncSession, principal: Principal, body: FundIn, today: date) -> Any:
    """Open a fund with its first allotment, released at once unless told otherwise.

    Raises:
        OutsideArea: funds are national. Invalid: the amount is no money. FundExists.
    """
    ensure_area(principal, None)
    amount = checked(body.allotment, body.currency, "allotment")
    values = body.model_dump(include={"code", "currency", "programme_lines", "source", "priority"})
    row = await repository.add_fund(session, values | {"created_by": principal.subject})
    if row is None:
        raise FundExists(f"Choose another code than {body.code}, or use that fund.")
    await _allot(session, principal, row.code, amount, body.document, today, released=body.released)
    detail = {"currency": row.currency, "allotment": str(amount), "released": body.released}
    await audit.record(session, principal, "fund.open", "fund", row.code, detail)
    return row


async def allot(session: AsyncSession, principal: Principal, code: str, body: EntryIn, today: date) -> Any:
    """A further allotment.

    Raises:
        OutsideArea, FundNotFound, Invalid.
    """
    fund = await locked(session, principal, code)
    amount = checked(body.amount, fund.currency, "amount")
    entry = await _allot(session, principal, code, amount, body.document, today, released=body.released)
    detail = {"amount": str(amount), "document": body.document, "released": body.released}
    await audit.record(session, principal, "fund.allot", "fund", code, detail)
    return entry


async def release(session: AsyncSession, principal: Principal, code: str, body: EntryIn, today: date) -> Any:
    """Release allotted money: from here on it may be promised.

    Raises:
        OutsideArea, FundNotFound, Invalid. FundInsufficient: less is unreleased than that.
    """
    fund = await locked(session, principal, code)
    amount = checked(body.amount, fund.currency, "amount")
    unreleased = (await balances_of_fund(session, code))[AccountType.UNRELEASED]
    if unreleased < amount:
        raise FundInsufficient(
            "Only what is allotted can be released: ask for an allotment first.",
            fund_code=code,
            currency=fund.currency,
            available=plain(unreleased),
            needed=plain(amount),
        )
    entry = await repository.add_entry(
        session, code, MovementKind.RELEASE_FUNDS, amount, body.document, today, principal.subject
    )
    detail = {"amount": str(amount), "document": body.document}
    await audit.record(session, principal, "fund.release", "fund", code, detail)
    return entry


async def exchange(session: AsyncSession, principal: Principal, code: str, body: ExchangeIn, today: date) -> Any:
    """Exchange available money into another fund's currency, at the rate in force; each currency balances on its own.

    Returns:
        The entry that took the money, whose counterpart is the one that gave it.

    Raises:
        OutsideArea, FundNotFound, Invalid, FundInsufficient.
        ExchangeImpossible: the same currency, no rate for the day, or an amount that rounds to nothing.
    """
    ensure_area(principal, None)
    await repository.lock_funds(session, [code, body.to_fund])
    source = await locked(session, principal, code)
    target = await repository.fund_by_code(session, body.to_fund)
    if target is None:
        raise FundNotFound(f"There is no fund {body.to_fund}.")
    amount = checked(body.amount, source.currency, "amount")
    on = body.on or today
    rate = await rate_on(session, source.currency, target.currency, on)
    if source.currency == target.currency or rate is None:
        raise ExchangeImpossible(f"Record a rate of {source.currency} to {target.currency} for {on} first.")
    gained = convert(amount, rate)
    if gained.amount <= 0:
        raise ExchangeImpossible("The amount rounds to nothing in the other currency.")
    await ensure_available(session, code, amount)
    out_id, in_id = uuid7(), uuid7()
    paper, by = body.document, principal.subject
    taken = await repository.add_entry(
        session,
        code,
        MovementKind.EXCHANGE_OUT,
        amount,
        paper,
        on,
        by,
        id=out_id,
        rate_id=rate.id,
        counterpart_id=in_id,
    )
    await repository.add_entry(
        session, target.code, MovementKind.EXCHANGE_IN, gained.amount, paper, on, by,
        id=in_id, rate_id=rate.id, counterpart_id=out_id,
    )  # fmt: skip
    detail = {"to": target.code, "amount": str(amount), "gained": str(gained.amount), "rate": str(rate.id)}
    await audit.record(session, principal, "fund.exchange", "fund", code, detail)
    return taken


async def _allot(
    session: AsyncSession, principal: Principal, code: str, amount: Decimal, paper: str, on: date, *, released: bool
) -> Any:
    entry = await repository.add_entry(session, code, MovementKind.ALLOT, amount, paper, on, principal.subject)
    if released:
        await repository.add_entry(session, code, MovementKind.RELEASE_FUNDS, amount, paper, on, principal.subject)
    return entry


async def locked(session: AsyncSession, principal: Principal, code: str) -> Any:
    """The fund, locked until the transaction ends; raises OutsideArea, FundNotFound."""
    ensure_area(principal, None)
    fund = await repository.fund_by_code(session, code, lock=True)
    if fund is None:
        raise FundNotFound("Look at the code again.")
    return fund


def checked(amount: Decimal, currency: str, field: str) -> Decimal:
    """The amount as money of this currency; raises Invalid naming the field (fault 5)."""
    try:
        return check_amount(amount, currency)
    except MoneyError as error:
        name = "currency" if "currency" in str(error) else field
        raise Invalid("Correct the amount.", errors=[FieldError(name, "bad_amount", str(error))]) from None
