"""Printed papers as JSON."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.payments.fields import AmountOut


class WordsOut(BaseModel):
    """Something said in both languages."""

    model_config = ConfigDict(from_attributes=True)

    km: str
    en: str


class AdviceLine(BaseModel):
    """One component of what is paid: quantity x rate = amount; what is taken off is negative."""

    component: str
    words: WordsOut
    quantity: int
    rate: AmountOut
    amount: AmountOut


class Advice(BaseModel):
    """What a family is told of a payment. Holds a name: shown to officers of the area, and audited."""

    payment_id: UUID
    reference: str
    issued_on: date
    beneficiary_reference: str
    village_code: str
    holder_name: str | None = Field(repr=False)
    account: str | None = Field(description="Provider and the last three characters of the number.")
    programme_code: str
    programme: WordsOut
    period: str
    collect_from: date
    collect_until: date
    status: str
    status_words: WordsOut
    lines: list[AdviceLine]
    amount: AmountOut
    currency: str


class Proof(BaseModel):
    """That a payment was made, by the rail's own word, with a code that an officer can check."""

    payment_id: UUID
    reference: str
    issued_on: date
    beneficiary_reference: str
    holder_name: str | None = Field(repr=False)
    account: str | None
    programme_code: str
    programme: WordsOut
    period: str
    amount: AmountOut
    currency: str
    paid_on: date
    rail: str
    confirmed_by: str = Field(description="Document that confirmed it: `camt.054`, `callback` ...")
    confirmation_reference: str
    end_to_end_id: str
    check_code: str


class ProofCheckIn(BaseModel):
    """What stands on a paper."""

    model_config = ConfigDict(extra="forbid")

    payment_id: UUID
    check_code: str = Field(min_length=1, max_length=40)


class ProofCheck(BaseModel):
    """Whether the code is ours for the payment as it stands now; the rest only if it is."""

    genuine: bool
    amount: AmountOut | None = None
    currency: str | None = None
    paid_on: date | None = None


class StatementLine(BaseModel):
    """One payment that was made."""

    payment_id: UUID
    reference: str
    paid_on: date
    programme_code: str
    programme: WordsOut
    period: str
    component: str
    words: WordsOut
    amount: AmountOut
    currency: str


class CurrencyTotal(BaseModel):
    """A sum in one currency."""

    currency: str
    count: int
    amount: AmountOut


class YearlyStatement(BaseModel):
    """Everything that was paid to a beneficiary in a year, by the day it was paid."""

    beneficiary_id: UUID
    beneficiary_reference: str
    village_code: str
    year: int
    issued_on: date
    lines: list[StatementLine]
    totals: list[CurrencyTotal]
