"""Deadlines count working days: weekends, public holidays and the local day matter."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.grievance.cases.categories import load_calendar
from services.grievance.cases.deadlines import WorkingCalendar, add_working_days, due_on, is_overdue

HOLIDAYS = Path(__file__).parents[1] / "configuration" / "holidays_kh.yaml"
CAMBODIA = load_calendar(HOLIDAYS)


def calendar(*holidays: date, weekend: frozenset[int] = frozenset({6, 7})) -> WorkingCalendar:
    return WorkingCalendar(ZoneInfo("Asia/Phnom_Penh"), weekend, frozenset(holidays), frozenset({2026}), confirmed=True)


def test_the_day_of_complaint_does_not_count() -> None:
    assert add_working_days(date(2026, 3, 2), 1, calendar()) == date(2026, 3, 3)


def test_a_weekend_does_not_count() -> None:
    friday = date(2026, 3, 13)
    assert add_working_days(friday, 1, calendar()) == date(2026, 3, 16)
    assert add_working_days(friday, 10, calendar()) == date(2026, 3, 27)


def test_a_complaint_made_on_a_sunday_starts_counting_on_monday() -> None:
    assert add_working_days(date(2026, 3, 15), 1, calendar()) == date(2026, 3, 16)


def test_new_year_holidays_push_the_deadline_back() -> None:
    monday_before = date(2026, 4, 13)
    assert add_working_days(monday_before, 1, calendar()) == date(2026, 4, 14)
    assert add_working_days(monday_before, 1, CAMBODIA) == date(2026, 4, 17)


def test_a_holiday_on_a_weekend_is_not_counted_twice() -> None:
    # Pchum Ben 2026 runs from Saturday 10 to Monday 12 October; the 15th is a holiday too.
    assert add_working_days(date(2026, 10, 9), 1, CAMBODIA) == date(2026, 10, 13)
    assert add_working_days(date(2026, 10, 9), 3, CAMBODIA) == date(2026, 10, 16)


def test_a_yearly_holiday_counts_in_years_whose_movable_feasts_are_unknown() -> None:
    assert not CAMBODIA.is_working_day(date(2031, 1, 7))


def test_late_evening_in_utc_is_already_the_next_day_in_phnom_penh() -> None:
    before = datetime(2026, 3, 12, 16, 59, tzinfo=UTC)  # Thursday 23:59 in Phnom Penh
    after = datetime(2026, 3, 12, 17, 0, tzinfo=UTC)  # Friday 00:00
    assert due_on(before, 1, calendar()) == date(2026, 3, 13)
    assert due_on(after, 1, calendar()) == date(2026, 3, 16)


def test_the_same_instant_written_in_another_zone_has_the_same_deadline() -> None:
    instant = datetime(2026, 3, 12, 17, 30, tzinfo=UTC)
    elsewhere = instant.astimezone(timezone(timedelta(hours=-8)))
    assert due_on(instant, 5, calendar()) == due_on(elsewhere, 5, calendar())


def test_an_instant_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        due_on(datetime(2026, 3, 12, 17), 5, calendar())  # noqa: DTZ001 the point of the test


def test_a_case_is_overdue_only_when_the_whole_local_day_is_over() -> None:
    due = date(2026, 3, 13)
    assert not is_overdue(due, datetime(2026, 3, 13, 16, 59, tzinfo=UTC), calendar())
    assert is_overdue(due, datetime(2026, 3, 13, 17, 0, tzinfo=UTC), calendar())


@pytest.mark.parametrize("days", [0, -1, 261])
def test_a_deadline_of_no_days_or_beyond_a_year_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="working days"):
        add_working_days(date(2026, 3, 2), days, calendar())


def test_a_calendar_without_working_days_is_refused_instead_of_searched_for_ever() -> None:
    with pytest.raises(ValueError, match="no working day"):
        add_working_days(date(2026, 3, 2), 1, calendar(weekend=frozenset(range(1, 8))))


def test_a_deadline_is_provisional_while_holidays_are_unconfirmed_or_unknown() -> None:
    assert calendar().vouches_for(date(2026, 3, 2), date(2026, 4, 2))
    assert not calendar().vouches_for(date(2026, 12, 20), date(2027, 1, 10))
    assert not CAMBODIA.vouches_for(date(2026, 3, 2), date(2026, 4, 2))


dates = st.dates(min_value=date(2020, 1, 1), max_value=date(2040, 12, 31))
lengths = st.integers(min_value=1, max_value=60)


@given(start=dates, days=lengths, holidays=st.sets(dates, max_size=30))
def test_exactly_so_many_working_days_lie_between_and_the_deadline_is_one(
    start: date, days: int, holidays: set[date]
) -> None:
    working = calendar(*holidays)
    due = add_working_days(start, days, working)
    span = [start + timedelta(days=n) for n in range(1, (due - start).days + 1)]
    assert sum(working.is_working_day(day) for day in span) == days
    assert working.is_working_day(due)


@given(start=dates, days=lengths, holiday=dates)
def test_one_more_holiday_never_makes_a_deadline_earlier(start: date, days: int, holiday: date) -> None:
    assert add_working_days(start, days, calendar(holiday)) >= add_working_days(start, days, calendar())
