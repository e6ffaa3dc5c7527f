"""Opening hours, holidays, limits, and the circuit breaker: pure rules."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.payments.rails.breaker import Health, begun, failed, succeeded, waits_until
from services.payments.rails.catalogue import KINDS
from services.payments.rails.names import RAIL_NAMES
from services.payments.rails.policy import (
    Limit,
    RailPolicy,
    execution_day,
    local_day,
    opening,
    opening_after_today,
    works_on,
)

BANK = RailPolicy(opens=time(8), closes=time(16), working_days=(1, 2, 3, 4, 5), holidays=(date(2020, 7, 28),))
ZONE = ZoneInfo("Asia/Phnom_Penh")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2020, 7, day, hour, minute, tzinfo=ZONE).astimezone(UTC)


def test_the_names_are_those_of_the_catalogue():
    assert tuple(kind.name for kind in KINDS) == RAIL_NAMES


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        (at(27, 9), at(27, 9)),  # Monday, open
        (at(27, 6), at(27, 8)),  # before it opens
        (at(27, 16), at(29, 8)),  # at the cut-off; Tuesday is a holiday
        (at(31, 17), datetime(2020, 8, 3, 8, tzinfo=ZONE).astimezone(UTC)),  # Friday evening: Monday
        (at(27, 15, 59), at(27, 15, 59)),
    ],
)
def test_a_batch_goes_at_the_next_opening(now: datetime, opens: datetime):
    assert opening(BANK, now) == opens


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2020, 12, 30, 17, tzinfo=ZONE), date(2021, 1, 5)),  # a holiday, new year, a week-end, a holiday
        (datetime(2020, 2, 28, 17, tzinfo=ZONE), date(2020, 2, 29)),  # a Friday evening; Saturday the 29th is worked
        (datetime(2021, 2, 26, 17, tzinfo=ZONE), date(2021, 2, 27)),
        (datetime(2020, 7, 31, 23, 59, 59, tzinfo=ZONE), date(2020, 8, 1)),
    ],
)
def test_a_batch_at_the_end_of_a_month_goes_on_the_next_day_that_is_worked(now: datetime, day: date):
    closed = (date(2020, 12, 31), date(2021, 1, 1), date(2021, 1, 2), date(2021, 1, 4))
    policy = BANK.model_copy(update={"working_days": (1, 2, 3, 4, 5, 6), "holidays": closed})
    assert execution_day(policy, now.astimezone(UTC)) == day


def test_the_day_is_the_rails_own_not_that_of_utc():
    late = datetime(2020, 7, 26, 23, 30, tzinfo=UTC)  # Monday 06:30 in Phnom Penh
    assert local_day(BANK, late) == date(2020, 7, 27)
    assert execution_day(BANK, at(27, 17)) == date(2020, 7, 29)


def test_what_does_not_fit_today_goes_on_the_next_day_that_is_worked():
    assert opening_after_today(BANK, at(27, 9)) == at(29, 8)


@given(
    st.integers(0, 5_000_000).map(lambda minutes: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
    st.sets(st.integers(1, 7), min_size=1),
    st.integers(0, 22),
    st.integers(0, 22),
)
def test_an_opening_is_never_before_now_and_always_inside_the_hours(now: datetime, days: set[int], a: int, b: int):
    low, high = sorted((a, b))
    policy = RailPolicy(opens=time(low), closes=time(high + 1), working_days=tuple(sorted(days)))
    opens = opening(policy, now)
    assert opens is not None
    assert opens >= now
    local = opens.astimezone(ZoneInfo(policy.time_zone))
    assert works_on(policy, local.date())
    assert policy.opens <= local.time() < policy.closes
    assert opening(policy, opens) == opens


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus"},
        {"opens": "16:00", "closes": "08:00"},
        {"limits": [{"currency": "KHR"}, {"currency": "KHR"}]},
        {"working_days": []},
        {"poll_shortest_seconds": 60, "poll_longest_seconds": 5},
        {"limits": [{"currency": "KHR", "per_day": "-1"}]},
        {"surprise": 1},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, object]):
    with pytest.raises(ValidationError):
        RailPolicy.model_validate(wrong)


def test_a_batch_holds_no_more_than_a_day_takes_and_a_payment_no_more_than_a_batch():
    limit = Limit(currency="KHR", per_batch=Decimal(500), per_day=Decimal(300), per_payment=Decimal(400))
    assert (limit.batch_ceiling, limit.payment_ceiling) == (300, 300)


def test_the_rail_is_asked_soon_after_news_and_ever_less_without():
    waits, wait = [], 0
    for news in (True, False, False, False, True):
        wait = BANK.next_poll(wait, news)
        waits.append(wait)
    assert waits == [5, 10, 20, 40, 5]
    for _ in range(20):
        wait = BANK.next_poll(wait, news=False)
    assert wait == BANK.poll_longest_seconds


# --- the breaker ----------------------------------------------------------------------------------------------------

NOW = datetime(2020, 7, 27, tzinfo=UTC)
CALL = timedelta(seconds=45)


def broken(policy: RailPolicy = BANK) -> Health:
    health = Health()
    for _ in range(policy.breaker_failures):
        health = failed(health, policy, NOW, "ReadTimeout")
    return health


def test_failures_in_a_row_open_the_breaker_and_one_answer_closes_it():
    health = Health()
    for _ in range(BANK.breaker_failures - 1):
        health = failed(health, BANK, NOW, "ReadTimeout")
    assert waits_until(health, NOW) is None
    assert succeeded(health) == Health()
    assert waits_until(broken(), NOW) == NOW + timedelta(seconds=BANK.breaker_pause_seconds)


def test_after_the_pause_one_call_goes_through_and_the_others_wait_for_its_end():
    health = broken()
    assert health.retry_at is not None
    later = health.retry_at
    assert waits_until(health, later) is None
    probing = begun(health, later, CALL)
    assert waits_until(probing, later) == later + CALL
    assert waits_until(succeeded(probing), later) is None


def test_a_failed_probe_doubles_the_pause_up_to_a_limit():
    health = broken()
    pauses = []
    for _ in range(8):
        assert health.retry_at is not None
        now = health.retry_at
        health = failed(begun(health, now, CALL), BANK, now, "ReadTimeout")
        pauses.append(int(health.pause.total_seconds()))
    assert pauses == [60, 120, 240, 480, 900, 900, 900, 900]


def test_a_late_failure_of_an_earlier_call_does_not_prolong_the_pause():
    health = broken()
    assert failed(health, BANK, NOW + timedelta(seconds=1), "ReadTimeout").retry_at == health.retry_at
