"""The one clock: passed in, so that tests control it. Instants are UTC; days begin and end in the country."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def today(self) -> date:
        """The present date in the country."""
        ...


class SystemClock:
    """The machine's clock.

    Args:
        zone: of the country, in which a day begins.
    """

    def __init__(self, zone: tzinfo = UTC) -> None:
        self._zone = zone

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(UTC)

    def today(self) -> date:
        """The present date in the zone."""
        return self.now().astimezone(self._zone).date()


class FixedClock:
    """A clock that stands still until told to move."""

    def __init__(self, at: datetime, zone: tzinfo = UTC) -> None:
        if at.tzinfo is None:
            raise ValueError("FixedClock needs an aware datetime")
        self._at = at.astimezone(UTC)
        self._zone = zone

    def now(self) -> datetime:
        """The instant it was set to."""
        return self._at

    def today(self) -> date:
        """The date in the zone at the instant it was set to."""
        return self._at.astimezone(self._zone).date()

    def advance(self, by: timedelta) -> None:
        """Move on by this much."""
        self._at += by
