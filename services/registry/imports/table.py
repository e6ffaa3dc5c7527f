"""Rows as every reader hands them on: cells in the order of COLUMNS, then of optional columns, or why a row has none.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final, TypeAlias

from services.registry.imports.errors import WrongHeader
from services.registry.imports.rules import COLUMNS, OPTIONAL_COLUMNS

EVERY_COLUMN: Final = (*COLUMNS, *OPTIONAL_COLUMNS)
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
    """Neighbouring rows of a file, to be cut into cells in a thread.

    Attributes:
        first_line: the number of the first row, counted from 1 as the reader of the file would.
        read: the rows.
        columns: the same as Arrow columns of text, in the same order, where every row has its cells; None (or an
            answer of None): only `read` can tell.
        optional: the optional columns whose cells follow those of COLUMNS.
    """

    first_line: int
    read: Callable[[], Sequence[Row]]
    columns: Callable[[], Sequence[Any] | None] | None = None
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Where the columns stand in a file: `order` of COLUMNS, then of the `optional` ones that it has."""

    order: tuple[int, ...]
    optional: tuple[str, ...] = ()


def layout_of(names: Iterable[str]) -> Layout:
    """Where each column stands among these names.

    Raises:
        WrongHeader: naming the columns that are missing, unknown or repeated.
    """
    given = [name.strip().lower() for name in names]
    missing = [name for name in COLUMNS if name not in given]
    unknown = sum(name not in EVERY_COLUMN for name in given)
    repeated = sorted({name for name in given if given.count(name) > 1 and name in EVERY_COLUMN})
    if missing or unknown or repeated:
        raise WrongHeader(missing, unknown, repeated)
    optional = tuple(name for name in OPTIONAL_COLUMNS if name in given)
    return Layout(tuple(given.index(name) for name in (*COLUMNS, *optional)), optional)


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
    """Typed cells as a row."""
    cells = [cell_text(value) for value in values]
    if None in cells:
        return Unreadable("invalid_cell")
    texts = [cell or "" for cell in cells]
    return texts if any(texts) else None
