"""Whether our own sums meet the totals that travelled with the batch, without I/O (faults 8 and 22).

Totals are given per component and province. Sums limited to whole provinces are checked against those provinces'
totals; sums limited to anything smaller cannot be checked, and say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

PROVINCE_DIGITS = 2


@dataclass(frozen=True)
class Cell:
    """A count and a sum of one component in one province."""

    component: str
    province_code: str
    count: int
    amount: Decimal


@dataclass(frozen=True)
class Total:
    """What a producer says a whole batch holds, and what it holds per component and province."""

    count: int
    amount: Decimal
    cells: tuple[Cell, ...]

    @classmethod
    def read(cls, count: int, amount: Decimal, totals: Iterable[Mapping[str, Any]]) -> Total:
        """From the stored event. Raises KeyError or ArithmeticError for a malformed one."""
        cells = tuple(
            Cell(str(t["component"]), str(t["province_code"]), int(t["count"]), Decimal(str(t["amount"])))
            for t in totals
        )
        return cls(count, amount, cells)


@dataclass(frozen=True)
class Reach:
    """How much of the country a figure covers: everything, some whole provinces, or smaller places.

    Attributes:
        provinces: the whole provinces; None: the whole country; empty: smaller places only.
    """

    provinces: frozenset[str] | None

    @property
    def checkable(self) -> bool:
        """Whether there are totals for exactly this reach."""
        return self.provinces is None or bool(self.provinces)


def reach_of(areas: Sequence[str], *, national: bool, province: str | None) -> Reach:
    """What a caller with these areas sees, narrowed to a province if one is asked for.

    Args:
        areas: place-code prefixes of the caller.
        national: the caller sees the whole country.
        province: two digits, or None.
    """
    if province is not None:
        whole = national or any(province.startswith(area) for area in areas)
        return Reach(frozenset({province}) if whole else frozenset())
    if national:
        return Reach(None)
    only_provinces = bool(areas) and all(len(area) == PROVINCE_DIGITS for area in areas)
    return Reach(frozenset(areas) if only_provinces else frozenset())


def expected(total: Total, reach: Reach) -> tuple[int, Decimal] | None:
    """Count and amount that the producer told for this reach; None where it told none."""
    if reach.provinces is None:
        return total.count, total.amount
    if not reach.provinces:
        return None
    cells = [cell for cell in total.cells if cell.province_code in reach.provinces]
    return sum(cell.count for cell in cells), sum((cell.amount for cell in cells), Decimal(0))


def meets(found: Iterable[Cell], total: Total, reach: Reach) -> bool:
    """Whether what was found is what was told: in sum, and in every component and province."""
    if not reach.checkable:
        return False
    told = total.cells
    if reach.provinces is not None:
        told = tuple(cell for cell in told if cell.province_code in reach.provinces)
    ours = _by_place(found)
    if ours != _by_place(told):
        return False
    whole = sum(count for count, _ in ours.values()), sum((amount for _, amount in ours.values()), Decimal(0))
    return reach.provinces is not None or whole == (total.count, total.amount)


def _by_place(cells: Iterable[Cell]) -> dict[tuple[str, str], tuple[int, Decimal]]:
    sums: dict[tuple[str, str], tuple[int, Decimal]] = {}
    for cell in cells:
        count, amount = sums.get((cell.component, cell.province_code), (0, Decimal(0)))
        sums[cell.component, cell.province_code] = (count + cell.count, amount + cell.amount)
    return {place: sums_here for place, sums_here in sums.items() if sums_here != (0, Decimal(0))}
