"""Targeting and inequality from counts, in exact arithmetic. Pure.

Coverage: of the poor, who receives. Undercoverage: of the poor, who does not. Leakage: of those who receive, who is
not poor.
The Gini coefficient is over persons: each has her household's welfare measure plus an equal share of its transfer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Final

PLACES: Final = Decimal("0.0001")


@dataclass(frozen=True)
class Reach:
    """Counts of beneficiaries, and of money, by whether they are poor."""

    poor: int
    poor_reached: int
    reached: int
    amount: Decimal
    amount_to_poor: Decimal

    def as_document(self) -> dict[str, str | int | None]:
        """Counts and shares; a share of nothing is null."""
        return {
            "poor": self.poor,
            "poor_reached": self.poor_reached,
            "reached": self.reached,
            "coverage": share(self.poor_reached, self.poor),
            "undercoverage": share(self.poor - self.poor_reached, self.poor),
            "leakage": share(self.reached - self.poor_reached, self.reached),
            "leakage_of_money": share(self.amount - self.amount_to_poor, self.amount),
        }


def share(part: int | Decimal, whole: int | Decimal) -> str | None:
    """part / whole with four decimals, as text; None when the whole is nothing."""
    return None if not whole else rounded(Fraction(part) / Fraction(whole))


def rounded(value: Fraction) -> str:
    """An exact fraction as text with four decimals."""
    return str((Decimal(value.numerator) / Decimal(value.denominator)).quantize(PLACES, ROUND_HALF_EVEN))


def gini(persons_by_welfare: Mapping[int, int]) -> Fraction | None:
    """The Gini coefficient, exactly: 0 when all have the same, towards 1 when one has all.

    Args:
        persons_by_welfare: how many persons have each welfare, in whole currency units, none negative.

    Returns:
        None without persons, or when nobody has anything.
    """
    persons = sum(persons_by_welfare.values())
    total = sum(welfare * count for welfare, count in persons_by_welfare.items())
    if not persons or not total:
        return None
    # Twice the area under the Lorenz curve, in units of 1 / (persons * total): trapezes over groups of equal welfare.
    area = cumulated = 0
    for welfare in sorted(persons_by_welfare):
        count = persons_by_welfare[welfare]
        area += count * (2 * cumulated + welfare * count)
        cumulated += welfare * count
    return 1 - Fraction(area, persons * total)
