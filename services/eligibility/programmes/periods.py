"""Periods, reference dates and payment windows of a programme. Pure; dates are local to the programme."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date

from services.eligibility.programmes.file import ProgrammeFile, WindowEdge

PERIOD_PATTERN = r"^(19|20|21)\d{2}-(0[1-9]|1[0-2])$"


@dataclass(frozen=True)
class PeriodDates:
    """Dates that follow from a period by the programme's own rules.

    Attributes:
        first_day, last_day: of the month.
        reference_date: the day on which ages, cards and facts are judged.
        window_from, window_until: when money can be collected, both included.
    """

    first_day: date
    last_day: date
    reference_date: date
    window_from: date
    window_until: date


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


def _edge(start: date, edge: WindowEdge) -> date:
    months = start.year * 12 + start.month - 1 + edge.months_after
    month = date(months // 12, months % 12 + 1, 1)
    return month.replace(day=min(edge.day, _last_day(month).day))


def period_dates(programme: ProgrammeFile, period: str) -> PeriodDates:
    """The dates of a period of this programme.

    Raises:
        ValueError: the period is malformed.
    """
    start = first_day(period)
    end = _last_day(start)
    return PeriodDates(
        first_day=start,
        last_day=end,
        reference_date=start if programme.reference_date == "first_day_of_period" else end,
        window_from=_edge(start, programme.payment_window.opens),
        window_until=_edge(start, programme.payment_window.closes),
    )
