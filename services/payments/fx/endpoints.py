"""Exchange rates over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from services.payments.errors import ExchangeImpossible
from services.payments.fields import AmountOut, CurrencyCode, after_id
from services.payments.fx import repository
from services.payments.fx.model import Rounding, convert
from shared import audit
from shared.auth import Principal, ensure_area, requires
from shared.errors import FieldError, Invalid, responses
from shared.http import ClockDep, Router, SessionDep
from shared.money import MoneyError, check_amount, exponent
from shared.pagination import Page, Paging

RateWrite = Annotated[Principal, requires("finance_officer")]
RateRead = Annotated[Principal, requires("finance_officer", "payment_officer", "payment_approver", "auditor")]
Rate = Annotated[Decimal, Field(strict=False, gt=0, max_digits=20, decimal_places=8, allow_inf_nan=False)]
router = Router(prefix="/payments/v1/fx-rates", tags=["exchange rates"])


class RateIn(BaseModel):
    """One unit of `base` is `rate` units of `quote` from a day on; `source` says who published it."""

    model_config = ConfigDict(extra="forbid")
    base: CurrencyCode
    quote: CurrencyCode
    valid_from: date
    rate: Rate
    rounding: Rounding = "half_up"
    source: str = Field(min_length=3, max_length=200)


class RateOut(BaseModel):
    """A rate as recorded. `number` above 1: it corrects an earlier one of the same day."""

    id: UUID
    base: str
    quote: str
    valid_from: date
    number: int
    rate: AmountOut
    rounding: str
    source: str
    created_by: str
    created_at: datetime


class ConversionOut(BaseModel):
    """A conversion: which rate, and what rounding added or took."""

    amount: AmountOut
    currency: str
    rounded_by: AmountOut
    rate: RateOut


@router.post("", status_code=201)
async def record_rate(body: RateIn, principal: RateWrite, session: SessionDep) -> RateOut:
    """Record a dated rate. Rates are never changed: one more for the same day corrects it."""
    ensure_area(principal, None)
    try:
        exponent(body.base), exponent(body.quote)
    except MoneyError as error:
        raise Invalid("Correct the currency.", errors=[FieldError("base", "bad_currency", str(error))]) from None
    if body.base == body.quote:
        message = "Name two different currencies."
        raise Invalid("Correct the currency.", errors=[FieldError("quote", "same_currency", message)])
    row = await repository.add_rate(session, body.model_dump() | {"created_by": principal.subject})
    detail = {"base": row.base, "quote": row.quote, "rate": str(row.rate), "valid_from": str(row.valid_from)}
    await audit.record(session, principal, "fx_rate.record", "fx_rate", str(row.id), detail)
    return RateOut.model_validate(row, from_attributes=True)


@router.get("")
async def list_rates(_: RateRead, session: SessionDep, paging: Paging) -> Page[RateOut]:
    """Every rate ever recorded."""
    rows = await repository.rates(session, after_id(paging), paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[RateOut.model_validate(row, from_attributes=True) for row in kept], next_cursor=cursor)


@router.get("/convert", responses=responses(ExchangeImpossible))
async def show_conversion(
    _: RateRead,
    session: SessionDep,
    clock: ClockDep,
    amount: Annotated[Decimal, Query(gt=0, max_digits=18, decimal_places=2)],
    base: Annotated[str, Query(pattern="^[A-Z]{3}$")],
    quote: Annotated[str, Query(pattern="^[A-Z]{3}$")],
    on: Annotated[date | None, Query()] = None,
) -> ConversionOut:
    """What an amount is in another currency on a day, at the rate in force, and how it was rounded."""
    try:
        exact = check_amount(amount, base)
    except MoneyError as error:
        raise Invalid("Correct the amount.", errors=[FieldError("amount", "bad_amount", str(error))]) from None
    rate = await repository.rate_on(session, base, quote, on or clock.today())
    if rate is None:
        raise ExchangeImpossible(f"No rate of {base} to {quote} is recorded for that day.")
    result = convert(exact, rate)
    return ConversionOut(
        amount=result.amount,
        currency=result.currency,
        rounded_by=result.rounded_by,
        rate=RateOut.model_validate(rate, from_attributes=True),
    )
