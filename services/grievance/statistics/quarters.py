"""Quarters of the year in local days, without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, order=True)
class Quarter:
    """One quarter, e.g. the second of 2020: April to June."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year}-Q{self.number}"

    @property
    def first(self) -> date:
        """Its first local day."""
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def after(self) -> date:
        """The first local day after it."""
        return self.next.first

    @property
    def next(self) -> Quarter:
        """The one after it."""
        return Quarter(self.year + self.number // 4, self.number % 4 + 1)

    @property
    def previous(self) -> Quarter:
        """The one before it."""
        return Quarter(self.year - (self.number == 1), (self.number - 2) % 4 + 1)


def quarter_of(day: date) -> Quarter:
    """The quarter that a local day lies in."""
    return Quarter(day.year, (day.month + 2) // 3)


def over_at(day: date, many: int) -> list[Quarter]:
    """The last so many quarters that are over on a local day, oldest first."""
    found = [quarter_of(day).previous]
    while len(found) < many:
        found.append(found[-1].previous)
    return found[::-1]
