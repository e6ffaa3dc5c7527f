"""The events of the months ahead: those recorded a year before, as if they happened again, more or fewer of them."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Date, FromClause, Integer, Text, cast, column, func, literal, select, values

from services.eligibility.conditions.units import EVENT, events_repeated
from services.eligibility.facts.repository import DayColumns, ymd_column
from services.eligibility.programmes.periods import first_day
from services.eligibility.rehearsal.schemas import RehearsalRequest
from services.eligibility.rehearsal.sources_sql import Period, draw


def projected_events(
    kinds: Sequence[str],
    periods: Sequence[Period],
    request: RehearsalRequest,
    *,
    after: UUID | None,
    until: UUID,
    share_percent: int,
) -> CTE:
    """CTE `facts`: one row an event and period, with `times`: how often it is counted.

    Args:
        share_percent: of the persons, chosen by their ids.
    """
    event = EVENT.c
    take_up = request.assumptions.take_up_percent
    wanted: ColumnElement[bool] = literal(True)
    if share_percent < 100:
        wanted = draw(event.subject_id, "sample", 100) < share_percent
    happened = events_repeated(kinds, _months(periods, request), after=after, until=until, wanted=wanted)
    extra = cast(draw(happened.c.unit_id, "take-up", 100) < take_up % 100, Integer)
    times = literal(take_up // 100, Integer) + extra
    known = select(
        *(item for item in happened.c if item.name != "unit_id"),
        func.concat(cast(happened.c.unit_id, Text), literal(" ", Text), cast(happened.c.number, Text)).label("unit_id"),
        ymd_column(happened.c.on_date).label("on_ymd"),
        ymd_column(happened.c.paid_on).label("paid_ymd"),
        times.label("times"),
    ).where(times > 0)
    return known.cte("facts").prefix_with("MATERIALIZED")


def paid_day(facts: CTE) -> DayColumns:
    """The day on which each projected event would happen: rates and dated clauses go by it."""
    return DayColumns(facts.c.paid_on, facts.c.paid_ymd)


def _months(periods: Sequence[Period], request: RehearsalRequest) -> FromClause:
    """Of each period, the month whose record is repeated: of the year before the first period, or of a stated one."""
    start = first_day(request.assumptions.events_from or _year_before(request.from_period))
    rows = []
    for period in periods:
        wanted = period.dates.first_day
        ahead = (wanted.year - start.year) * 12 + wanted.month - start.month
        source = _add(start, ahead % 12)
        last = source.replace(day=calendar.monthrange(source.year, source.month)[1])
        rows.append((period.number, source, last, ahead - ahead % 12))
    columns = (
        column("number", Integer),
        column("first_day", Date),
        column("last_day", Date),
        column("shift", Integer),
    )
    return values(*columns, name="months").data(rows)


def _year_before(period: str) -> str:
    return f"{int(period[:4]) - 1:04d}{period[4:]}"


def _add(day: date, months: int) -> date:
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)
