"""Rows as every reader hands them on: cells in the order of COLUMNS, or why a row has none. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final, TypeAlias

from services.registry.imports.errors import WrongHeader
from services.registry.imports.rules import COLUMNS

_WHOLE: Final = 1 << 53
"""Above, a spreadsheet's number is no longer exact."""


@dataclass(frozen=True)
class Unreadable:
    """A row that has no cells; `code` is what is reported of it."""

    code: str


Row: TypeAlias = list[str] | Unreadable | None
"""None: a blank line, passed over."""


@dataclass(frozen=True)
class Table:
    """Neighbouring rows of a file. `read` cuts them into cells: it is called in a thread.

    Attributes:
        first_line: the number of the first row, counted from 1 as the reader of the file would.
    """

    first_line: int
    read: Callable[[], Sequence[Row]]


def column_order(names: Iterable[str]) -> list[int]:
    """Where each of COLUMNS stands among these names.

    Raises:
        WrongHeader: naming the columns that are missing, unknown or repeated.
    """
    given = [name.strip().lower() for name in names]
    missing = [name for name in COLUMNS if name not in given]
    unknown = sum(name not in COLUMNS for name in given)
    repeated = sorted({name for name in given if given.count(name) > 1 and name in COLUMNS})
    if missing or unknown or repeated:
        raise WrongHeader(missing, unknown, repeated)
    return [given.index(name) for name in COLUMNS]


def cell_text(value: Any) -> str | None:
    """A typed cell (of a spreadsheet, JSON or Parquet) as the text that the same cell has in CSV; None: it has none.

    A whole number has no decimal point, a date is ISO 8601. A time of day, a fraction or a list is no cell of ours.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else None
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        return str(int(value))
    if isinstance(value, Decimal) and value == int(value):
        return str(int(value))
    return None


def row_of(values: Sequence[Any]) -> Row:
    """Typed cells in the order of COLUMNS as a row."""
    cells = [cell_text(value) for value in values]
    if None in cells:
        return Unreadable("invalid_cell")
    texts = [cell or "" for cell in cells]
    return texts if any(texts) else None
