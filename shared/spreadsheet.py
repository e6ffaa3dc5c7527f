"""Cells that a spreadsheet opens without computing anything (formula injection, CWE-1236), and CSV of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

_BEGINS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(value: object) -> object:
    """The value; a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    if isinstance(value, str) and value.startswith(_BEGINS_FORMULA):
        return "'" + value
    return value


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV (RFC 4180: CRLF, quotes where needed), every cell safe."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([safe_cell(cell) for cell in row] for row in rows)
    return out.getvalue()
