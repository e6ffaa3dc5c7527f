"""Deadlines in working days: a pure function of the day of complaint, the number of days and a calendar.

Source of the unit: the Cambodia country notes ("Deadlines count working days and public holidays; all are
configuration"). Weekend days, holidays and the time zone come from configuration/holidays_kh.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

MAX_WORKING_DAYS = 260
"""A deadline beyond a working year is a mistake of configuration, not a promise to a complainant."""

_LONGEST_CLOSURE = 60
"""Days without a single working day after which a calendar is refused as nonsense (bounds the search)."""


@dataclass(frozen=True)
class WorkingCalendar:
    """Which local days count.

    Attributes:
        zone: time zone in which a day begins and ends, e.g. Asia/Phnom_Penh.
        weekend: ISO weekdays that never count (6 Saturday, 7 Sunday).
        holidays: public holidays, as dates.
        complete_years: years whose movable holidays are all listed in `holidays`.
        confirmed: whether the list was confirmed by the authority that decrees it.
    """

    zone: ZoneInfo
    weekend: frozenset[int]
    holidays: frozenset[date]
    complete_years: frozenset[int]
    confirmed: bool

    def local_date(self, at: datetime) -> date:
        """The local day of an instant. Raises ValueError for an instant without time zone."""
        if at.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return at.astimezone(self.zone).date()

    def is_working_day(self, day: date) -> bool:
        """Whether offices are open on `day`."""
        return day.isoweekday() not in self.weekend and day not in self.holidays

    def vouches_for(self, start: date, end: date) -> bool:
        """Whether every holiday between two days is known and confirmed: else a deadline is provisional."""
        return self.confirmed and all(year in self.complete_years for year in range(start.year, end.year + 1))


def add_working_days(start: date, days: int, calendar: WorkingCalendar) -> date:
    """The `days`-th working day after `start` (the day of complaint itself never counts).

    Raises:
        ValueError: `days` outside 1..260, or a calendar that closes for longer than 60 days.
    """
    if not 1 <= days <= MAX_WORKING_DAYS:
        raise ValueError(f"a deadline is 1 to {MAX_WORKING_DAYS} working days, not {days}")
    day, counted, closed_for = start, 0, 0
    while counted < days:
        day += timedelta(days=1)
        if calendar.is_working_day(day):
            counted, closed_for = counted + 1, 0
        else:
            closed_for += 1
            if closed_for > _LONGEST_CLOSURE:
                raise ValueError(f"the calendar has no working day in the {_LONGEST_CLOSURE} days before {day}")
    return day


def due_on(opened_at: datetime, days: int, calendar: WorkingCalendar) -> date:
    """Last local day on which a case opened at `opened_at` is answered in time."""
    return add_working_days(calendar.local_date(opened_at), days, calendar)


def is_overdue(due: date, now: datetime, calendar: WorkingCalendar) -> bool:
    """Whether the whole of the due day is over, locally."""
    return calendar.local_date(now) > due
