"""Funds on the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.payments.fields import AmountIn, AmountOut, Code, CurrencyCode

Source = Literal["state_budget", "grant", "loan", "contributions", "other"]
Document = Annotated[str, Field(min_length=1, max_length=120, description="The paper that orders it, e.g. its number.")]


class FundIn(BaseModel):
    """A fund to open. `released: false` allots without releasing: nothing can be approved before a release."""

    model_config = ConfigDict(extra="forbid")
    code: Code
    currency: CurrencyCode
    programme_lines: list[Annotated[str, Field(min_length=1, max_length=80)]] = Field(min_length=1, max_length=100)
    allotment: AmountIn
    source: Source = "state_budget"
    priority: int = Field(default=1, ge=1, le=1000, description="Among the funds of a line, the lowest pays first.")
    released: bool = True
    document: Document = "opening"


class EntryIn(BaseModel):
    """A further allotment, or a release of what is allotted."""

    model_config = ConfigDict(extra="forbid")
    amount: AmountIn
    document: Document
    released: bool = Field(default=False, description="Of an allotment: release it at once.")


class ExchangeIn(BaseModel):
    """Money exchanged into another fund's currency, at the rate in force on the day."""

    model_config = ConfigDict(extra="forbid")
    to_fund: Code
    amount: AmountIn
    document: Document
    on: date | None = None


class FundOut(BaseModel):
    """A fund with what became of its money.

    allotment = unreleased + available + reserved (commitments) + in_transit + paid + returned, plus what was exchanged,
    collected, charged or claimed (each an account of its own in the trial balance).
    """

    code: str
    currency: str
    programme_lines: list[str]
    source: str
    priority: int
    allotment: AmountOut
    unreleased: AmountOut
    released: AmountOut
    available: AmountOut
    reserved: AmountOut
    in_transit: AmountOut
    paid: AmountOut
    returned: AmountOut
    created_at: datetime


class EntryOut(BaseModel):
    """An allotment, release or exchange."""

    id: UUID
    fund_code: str
    kind: str
    amount: AmountOut
    document: str
    on_date: date
    rate_id: UUID | None
    counterpart_id: UUID | None
    created_by: str
    created_at: datetime
