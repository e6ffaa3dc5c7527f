"""The amount of a rate table as SQL: by the facts it depends on, and by the reference date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Numeric, and_, case, cast, literal, null, true

from services.eligibility.facts.repository import Day, day_column
from services.eligibility.programmes.rates import Key, RatePeriod, RateTable

MONEY = Numeric(18, 2)


def rate_column(table: RateTable, on: Day, facts: Mapping[str, ColumnElement[Any]]) -> ColumnElement[Decimal | None]:
    """The rate that holds for a unit on its reference date; NULL where the table has none.

    Args:
        on: one date for all, or each unit's own: then the rate is that of its date (visits before and after a change).
        facts: columns by the full names that tables use in `by`, e.g. `household.location_class`.
    """
    branches: list[tuple[ColumnElement[bool], Any]] = []
    for period in table.periods:
        if isinstance(on, date) and not period.covers(on):
            continue
        in_force = true() if isinstance(on, date) else _in_force(period, day_column(on))
        branches.extend(
            (and_(in_force, *_matches(table, key, facts)), literal(amount, MONEY))
            for key, amount in table.cells(period).items()
        )
    if not branches:
        return cast(null(), MONEY)
    return cast(case(*branches, else_=null()), MONEY)


def _in_force(period: RatePeriod, on: ColumnElement[date]) -> ColumnElement[bool]:
    begun = on >= period.valid_from
    return begun if period.valid_until is None else and_(begun, on <= period.valid_until)


def _matches(table: RateTable, key: Key, facts: Mapping[str, ColumnElement[Any]]) -> list[ColumnElement[bool]]:
    return [facts[name] == value for name, value in zip(table.by, key, strict=True)]
