"""Cells that a spreadsheet opens without computing anything (formula injection, CWE-1236), and CSV of them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from fastapi import Response

_BEGINS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_NUMBER: Final = re.compile(r"-\d+(\.\d+)?")


def safe_cell(value: object) -> object:
    """The value; a text that a spreadsheet would take for a formula gets an apostrophe before it. Numbers stay."""
    if isinstance(value, str) and value.startswith(_BEGINS_FORMULA) and not _NUMBER.fullmatch(value):
        return "'" + value
    return value


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV (RFC 4180: CRLF, quotes where needed), every cell safe."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([safe_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def csv_response(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], name: str) -> Response:
    """A CSV file as an answer; a missing value is empty.

    Args:
        name: the file's name, plain ASCII.
    """
    table = [columns, *([_text(row.get(column)) for column in columns] for row in rows)]
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(csv_text(table), media_type="text/csv; charset=utf-8", headers=headers)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
