"""CSV and NDJSON: streamed line by line."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, Final

from services.registry.imports.read_lines import Measured, read_lines
from services.registry.imports.rules import COLUMNS
from services.registry.imports.table import Row, Table, Unreadable, column_order, row_of

_KNOWN: Final = frozenset(COLUMNS)


async def read_csv(body: Measured) -> AsyncIterator[Table]:
    """A CSV file whose first line names the columns.

    Raises:
        WrongHeader: the first line does not; and what `read_lines` raises.
    """
    order: list[int] | None = None
    async for lines in read_lines(body):
        texts, first = lines.texts, lines.first_line
        if order is None:
            order = column_order(name.strip().strip('"') for name in texts[0].split(","))
            texts, first = texts[1:], first + 1
        yield Table(first, partial(csv_rows, texts, None if order == list(range(len(COLUMNS))) else order))


def csv_rows(texts: Sequence[str], order: Sequence[int] | None) -> list[Row]:
    """Lines of CSV as rows; `order`: where each column stands, None if they stand in order."""
    return [_csv_row(text, order) for text in texts]


def _csv_row(text: str, order: Sequence[int] | None) -> Row:
    if not text or text.isspace():
        return None
    if '"' in text:
        try:
            cells = next(csv.reader([text], strict=True))
        except csv.Error:
            return Unreadable("unclosed_quote")
    else:
        cells = text.split(",")
    if len(cells) != len(COLUMNS):
        return Unreadable("column_count")
    cells = [cell.strip() for cell in cells]
    return cells if order is None else [cells[position] for position in order]


async def read_ndjson(body: Measured) -> AsyncIterator[Table]:
    """A file of one JSON object a line, whose names are those of COLUMNS; a name left out is an empty cell."""
    async for lines in read_lines(body):
        yield Table(lines.first_line, partial(_ndjson_rows, lines.texts))


def _ndjson_rows(texts: Sequence[str]) -> list[Row]:
    return [_ndjson_row(text) for text in texts]


class _RepeatedName(ValueError):
    """An object names a thing twice: which of the two is meant, nobody can tell."""


def _ndjson_row(text: str) -> Row:
    if not text or text.isspace():
        return None
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except _RepeatedName:
        return Unreadable("repeated_name")
    except (ValueError, RecursionError):
        return Unreadable("invalid_json")
    if not isinstance(found, dict):
        return Unreadable("invalid_json")
    if not found.keys() <= _KNOWN:
        return Unreadable("unknown_name")
    return row_of([found.get(name) for name in COLUMNS])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RepeatedName
    return found
