"""How a rail is used: sizes, limits, opening hours, holidays, patience. Pure rules, no I/O.

A policy is one document per rail, changed by an officer under If-Match (`PUT /payments/v1/rails/{rail}/policy`); what
the rail's own module proposes is in force until then. Times are local to the rail: a bank closes at its own four
o'clock, on its own country's holidays.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SEARCHED_DAYS = 370
"""How far ahead an opening is looked for: a rail closed for longer is not one."""

Money = Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=2, allow_inf_nan=False)]
IsoWeekday = Annotated[int, Field(ge=1, le=7)]


class Limit(BaseModel):
    """What a rail carries in one currency; an absent limit is none. Amounts in units of the currency."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    per_payment: Money | None = None
    per_batch: Money | None = None
    per_day: Money | None = None

    @property
    def batch_ceiling(self) -> Decimal | None:
        """The most one batch may hold: never more than a day takes, or it could never go."""
        known = [limit for limit in (self.per_batch, self.per_day) if limit is not None]
        return min(known) if known else None

    @property
    def payment_ceiling(self) -> Decimal | None:
        """The most one payment may be: never more than a batch holds."""
        known = [limit for limit in (self.per_payment, self.per_batch, self.per_day) if limit is not None]
        return min(known) if known else None


class RailPolicy(BaseModel):
    """How one rail is used. Seconds are whole; times of day and days are the rail's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_size: int = Field(default=10_000, ge=1, le=100_000, description="Payments in one batch.")
    limits: tuple[Limit, ...] = Field(default=(), max_length=20)

    time_zone: str = Field(default="Asia/Phnom_Penh", max_length=60)
    opens: time = Field(default=time(0), description="Batches go out from this time of day on ...")
    closes: time = Field(default=time(0), description="... until before this one, the cut-off; equal: all day.")
    working_days: tuple[IsoWeekday, ...] = Field(default=(1, 2, 3, 4, 5, 6, 7), min_length=1, max_length=7)
    holidays: tuple[date, ...] = Field(default=(), max_length=400)

    breaker_failures: int = Field(default=5, ge=1, le=100, description="Calls in a row that fail before a pause.")
    breaker_pause_seconds: int = Field(default=30, ge=1, le=86_400)
    breaker_longest_pause_seconds: int = Field(default=900, ge=1, le=86_400)
    first_retry_seconds: int = Field(default=15, ge=1, le=86_400)
    longest_retry_seconds: int = Field(default=3600, ge=1, le=86_400)
    max_tries: int = Field(default=40, ge=1, le=1000, description="Calls per batch before it waits for a person.")

    poll_shortest_seconds: int = Field(default=5, ge=1, le=3600, description="Between questions while there is news.")
    poll_longest_seconds: int = Field(default=300, ge=1, le=86_400, description="... and when there has been none.")
    silent_after_hours: int = Field(default=48, ge=1, le=2000, description="A batch without a word by then is shown.")

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("name a time zone of the IANA database, e.g. Asia/Phnom_Penh") from None
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.opens > self.closes != time(0):
            raise ValueError("closes must be after opens on the same day (or 00:00 for midnight)")
        if len({limit.currency for limit in self.limits}) != len(self.limits):
            raise ValueError("one limit per currency")
        if self.poll_longest_seconds < self.poll_shortest_seconds:
            raise ValueError("poll_longest_seconds is below poll_shortest_seconds")
        if opening(self, datetime(2000, 1, 1, tzinfo=UTC)) is None:
            raise ValueError("with these days and holidays the rail never opens")
        return self

    def limit(self, currency: str) -> Limit:
        """The limits of a currency; without any where none are set."""
        return next((limit for limit in self.limits if limit.currency == currency), Limit(currency=currency))

    def retry_delay(self, tries: int) -> timedelta:
        """How long to wait after the given number of calls about a batch: doubling, with an upper end."""
        seconds = self.first_retry_seconds * (1 << min(max(tries - 1, 0), 20))
        return timedelta(seconds=min(seconds, self.longest_retry_seconds))

    def next_poll(self, waited_seconds: int, news: bool) -> int:
        """Seconds until the rail is asked again: soon after news, twice as long after none."""
        if news or waited_seconds <= 0:
            return self.poll_shortest_seconds
        return min(waited_seconds * 2, self.poll_longest_seconds)


def local_day(policy: RailPolicy, now: datetime) -> date:
    """The rail's own date at an instant."""
    return now.astimezone(ZoneInfo(policy.time_zone)).date()


def works_on(policy: RailPolicy, day: date) -> bool:
    """Whether the rail works on a day of its own."""
    return day.isoweekday() in policy.working_days and day not in policy.holidays


def opening(policy: RailPolicy, now: datetime) -> datetime | None:
    """The first instant from `now` on at which a batch may go out: `now` itself while the rail is open.

    Returns:
        An aware instant in UTC; None where the rail does not open within a year.
    """
    zone = ZoneInfo(policy.time_zone)
    today = local_day(policy, now)
    for ahead in range(SEARCHED_DAYS):
        day = today + timedelta(days=ahead)
        if not works_on(policy, day):
            continue
        opens = datetime.combine(day, policy.opens, zone)
        all_day = policy.opens == policy.closes or policy.closes == time(0)
        closes = datetime.combine(day + timedelta(days=1) if all_day else day, policy.closes, zone)
        if policy.opens == policy.closes:
            opens = datetime.combine(day, time(0), zone)
            closes = datetime.combine(day + timedelta(days=1), time(0), zone)
        if now < closes:
            return max(now, opens).astimezone(UTC)
    return None


def opening_after_today(policy: RailPolicy, now: datetime) -> datetime | None:
    """The first opening on a later day than the rail's present one: when today's limit is used up."""
    zone = ZoneInfo(policy.time_zone)
    midnight = datetime.combine(local_day(policy, now) + timedelta(days=1), time(0), zone)
    return opening(policy, midnight.astimezone(UTC))


def execution_day(policy: RailPolicy, now: datetime) -> date:
    """The day that a batch formed now asks to be executed on: the rail's own, and one on which it works."""
    opens = opening(policy, now)
    return local_day(policy, opens or now)
