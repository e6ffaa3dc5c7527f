"""Counts of sealed cases that cannot be led back to one, without I/O.

Only cells of at least five are published, and totals are sums of published cells. So every published number is a
function of numbers of at least five: there is nothing to subtract a hidden one from. Zero is hidden like four: that a
province has none would tell as much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LEAST: Final = 5


@dataclass(frozen=True)
class Published:
    """A table that may be seen: cells of at least LEAST, and sums of them."""

    cells: dict[tuple[str, str], int]
    rows: dict[str, int]
    columns: dict[str, int]
    total: int


def suppress(counts: Mapping[tuple[str, str], int]) -> Published:
    """What may be published of counts by (row, column)."""
    cells = {key: count for key, count in counts.items() if count >= LEAST}
    rows: dict[str, int] = {}
    columns: dict[str, int] = {}
    for (row, column), count in cells.items():
        rows[row] = rows.get(row, 0) + count
        columns[column] = columns.get(column, 0) + count
    return Published(cells, rows, columns, sum(cells.values()))
