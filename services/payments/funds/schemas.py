"""Funds on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from services.payments.fields import AmountIn, AmountOut, Code, CurrencyCode


class FundIn(BaseModel):
    """A fund to open."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    currency: CurrencyCode
    programme_lines: list[Annotated[str, Field(min_length=1, max_length=80)]] = Field(min_length=1, max_length=100)
    allotment: AmountIn


class FundOut(BaseModel):
    """A fund with what became of its money: allotment = available + reserved + in_transit + paid."""

    code: str
    currency: str
    programme_lines: list[str]
    allotment: AmountOut
    available: AmountOut
    reserved: AmountOut
    in_transit: AmountOut
    paid: AmountOut
    created_at: datetime
