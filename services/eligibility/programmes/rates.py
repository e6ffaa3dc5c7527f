"""Dated rate tables: amounts by one or several facts, in periods that do not overlap. Pure."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Self

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from services.eligibility.rules.vocabulary import OWNERS, FactSpec, Kind

MAX_CELLS = 500

Key = tuple[bool | int | str, ...]
"""Values of the facts named by `by`, in its order."""


def _day(value: Any) -> Any:
    """Only a plain date: pydantic would read a number as seconds since 1970."""
    if isinstance(value, (int, float)) or (isinstance(value, date) and hasattr(value, "hour")):
        raise ValueError("write a date as 2020-06-30")
    return value


Day = Annotated[date, BeforeValidator(_day)]


def exact_amount(value: Any) -> Any:
    """A leaf of a table: an integer, or a decimal in quotes. A YAML float is refused: it is not exact (fault 5)."""
    if isinstance(value, Mapping):
        return {key: exact_amount(cell) for key, cell in value.items()}
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("write an amount as a whole number, or with decimals in quotes: '12.50'")
    try:
        amount = Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is not an amount") from error
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"{value!r} is not an amount")
    return amount


def _text(value: Any) -> Any:
    return {str(key): _text(cell) for key, cell in value.items()} if isinstance(value, Mapping) else str(value)


Cells = Annotated[Any, BeforeValidator(exact_amount), PlainSerializer(_text)]


class RatePeriod(BaseModel):
    """Amounts in force from `valid_from` until `valid_until` (both included; None: until further notice)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    valid_from: Day
    valid_until: Day | None = None
    table: Cells = Field(description="Nested by the facts of `by`, in their order; the amount itself without `by`.")

    def covers(self, day: date) -> bool:
        """Whether the amounts hold on this day."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


class RateTable(BaseModel):
    """An amount for each combination of some facts, by period."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: tuple[str, ...] = Field(
        default=(), max_length=4, description="Facts, e.g. household.location_class or person.disability."
    )
    periods: tuple[RatePeriod, ...] = Field(min_length=1, max_length=60)
    unconfirmed: bool = Field(
        default=False, description="The sources leave it open: nothing is paid by it until an officer confirms it."
    )
    source: str = Field(default="", max_length=500, description="Law, notice or press that it is taken from.")

    @model_validator(mode="after")
    def _well_formed(self) -> Self:
        for name in self.by:
            fact = _fact(name)
            if fact is None or name == "household.size" or fact.kind is Kind.TEXTS:
                raise ValueError(f"by: {name!r} is not a fact that a rate can depend on")
        ordered = sorted(self.periods, key=lambda period: period.valid_from)
        for period in ordered:
            if period.valid_until is not None and period.valid_until < period.valid_from:
                raise ValueError(f"periods: {period.valid_from} to {period.valid_until} is no period")
            if len(self.cells(period)) > MAX_CELLS:
                raise ValueError(f"periods: a table has at most {MAX_CELLS} amounts")
        for earlier, later in itertools.pairwise(ordered):
            if earlier.valid_until is None or earlier.valid_until >= later.valid_from:
                raise ValueError(f"periods: two hold on {later.valid_from}")
        return self

    def cells(self, period: RatePeriod) -> dict[Key, Decimal]:
        """The amounts of a period by the values of the facts."""
        kinds = [fact.kind for name in self.by if (fact := _fact(name)) is not None]
        return dict(_flatten(period.table, kinds, ()))

    def on(self, day: date) -> dict[Key, Decimal]:
        """The amounts in force on a day; empty when there are none."""
        for period in self.periods:
            if period.covers(day):
                return self.cells(period)
        return {}

    def fingerprint(self) -> str:
        """SHA-256 of the amounts, their dates and what they depend on: what a confirmation is about."""
        said = self.model_dump(mode="json", include={"by", "periods"})
        return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def amounts(self) -> Iterator[Decimal]:
        """Every amount of every period."""
        for period in self.periods:
            yield from self.cells(period).values()


def _fact(name: str) -> FactSpec | None:
    """The vocabulary's entry of `household.location_class`, `person.sex`, `event.kind` ..."""
    owner, _, fact = name.partition(".")
    return OWNERS.get(owner, {}).get(fact)


def _flatten(cell: Any, kinds: list[Kind], key: Key) -> Iterator[tuple[Key, Decimal]]:
    if len(key) == len(kinds):
        if not isinstance(cell, Decimal):
            raise ValueError(f"table: {_named(key)} must be an amount: it is nested deeper than `by`")
        yield key, cell
        return
    if not isinstance(cell, Mapping):
        raise ValueError(f"table: {_named(key)} must be a mapping by the next fact of `by`")
    for name, inner in cell.items():
        yield from _flatten(inner, kinds, (*key, _key_value(name, kinds[len(key)])))


def _key_value(name: Any, kind: Kind) -> bool | int | str:
    text = str(name)
    if kind is Kind.INT and text.isdecimal():
        return int(text)
    if kind is Kind.BOOL and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind is Kind.STRING and isinstance(name, str):
        return text
    raise ValueError(f"table: {name!r} is no {kind}")


def _named(key: Key) -> str:
    return ".".join(str(part) for part in key) or "it"
