"""Periods, reference dates and payment windows of a programme. Pure; dates are local to the programme."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

from services.eligibility.programmes.file import ProgrammeFile
from services.eligibility.programmes.parts import WindowEdge

PERIOD_PATTERN = r"^(19|20|21)\d{2}-(0[1-9]|1[0-2])$"


@dataclass(frozen=True)
class PeriodDates:
    """Dates that follow from a period by the programme's own rules.

    Attributes:
        first_day, last_day: of the month, or quarter.
        reference_date: the day on which ages, cards and facts are judged.
        window_from, window_until: when money can be collected, both included, and never a day of a blackout.
        payment_number: 1 for the programme's first payment, 2 for the next ...
    """

    first_day: date
    last_day: date
    reference_date: date
    window_from: date
    window_until: date
    payment_number: int = 1


def first_day(period: str) -> date:
    """The first day of `2020-07`.

    Raises:
        ValueError: it is no period.
    """
    if re.fullmatch(PERIOD_PATTERN, period) is None:
        raise ValueError("a period is a month, written 2020-07")
    return date(int(period[:4]), int(period[5:]), 1)


def _last_day(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _add_months(start: date, count: int) -> date:
    months = start.year * 12 + start.month - 1 + count
    return date(months // 12, months % 12 + 1, 1)


def _edge(start: date, edge: WindowEdge) -> date:
    month = _add_months(start, edge.months_after)
    return month.replace(day=min(edge.day, _last_day(month).day))


def period_dates(programme: ProgrammeFile, period: str) -> PeriodDates:
    """The dates of a period of this programme.

    Args:
        period: a month; the first one of a quarter; the month of one of the dates of a programme that pays once.

    Raises:
        ValueError: the period is malformed, or the programme has no payment in it.
    """
    start = first_day(period)
    number, months = _payment_number(programme, start)
    end = _last_day(_add_months(start, months - 1))
    window = programme.payment_window
    return PeriodDates(
        first_day=start,
        last_day=end,
        reference_date=_reference_date(programme, start, end, number),
        window_from=_outside(programme, _edge(start, window.opens)) if window else start,
        window_until=_outside(programme, _edge(start, window.closes)) if window else end,
        payment_number=number,
    )


def _payment_number(programme: ProgrammeFile, start: date) -> tuple[int, int]:
    """Which payment of the programme a period is, from 1, and its length in months."""
    first = programme.valid_from
    months = (start.year - first.year) * 12 + start.month - first.month
    if programme.frequency == "none":
        raise ValueError("this programme pays nothing: it is an entitlement check")
    if programme.frequency == "once":
        for number, day in enumerate(programme.dates, 1):
            if (day.year, day.month) == (start.year, start.month):
                return number, 1
        raise ValueError("this programme has no payment in this month")
    if programme.frequency == "quarterly":
        if start.month % 3 != 1:
            raise ValueError("a quarter is named by its first month: 2020-01, 2020-04, 2020-07 or 2020-10")
        return max(1, (months + (first.month - 1) % 3) // 3 + 1), 3
    return max(1, months + 1), 1


def _reference_date(programme: ProgrammeFile, start: date, end: date, number: int) -> date:
    if programme.reference_date == "payment_date":
        return programme.dates[number - 1]
    return start if programme.reference_date == "first_day_of_period" else end


def _outside(programme: ProgrammeFile, day: date) -> date:
    """The day itself, or the first one after the blackouts that it lies in."""
    for blackout in sorted(programme.blackouts, key=lambda item: item.first):
        if blackout.covers(day):
            day = blackout.last + timedelta(days=1)
    return day
