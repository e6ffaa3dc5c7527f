"""CSV and NDJSON: streamed line by line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from services.registry.imports.read_lines import Measured, read_lines
from services.registry.imports.rules import OPTIONAL_COLUMNS
from services.registry.imports.table import EVERY_COLUMN, Layout, Row, Table, Unreadable, layout_of, row_of

_KNOWN: Final = frozenset(EVERY_COLUMN)


async def read_csv(body: Measured) -> AsyncIterator[Table]:
    """A CSV file whose first line names the columns.

    Raises:
        WrongHeader: the first line does not; and what `read_lines` raises.
    """
    layout: Layout | None = None
    async for lines in read_lines(body):
        data, first = lines.data, lines.first_line
        if layout is None:
            header, _, data = data.partition(b"\n")
            layout = layout_of(name.strip().strip('"') for name in header.decode().split(","))
            first += 1
        order = layout.order
        yield Table(first, partial(_csv_table, data, order), partial(csv_columns, data, order), layout.optional)


def _csv_table(data: bytes, order: Sequence[int]) -> list[Row]:
    return csv_rows(data.decode().split("\n") if data else [], order)


def csv_columns(data: bytes, order: Sequence[int]) -> list[Any] | None:
    """Lines of CSV as columns of text; None where one is blank, quoted or has another number of cells."""
    if not data or b'"' in data or b"\n\n" in data or data.startswith(b"\n") or data.endswith(b"\n"):
        return None  # Arrow would take an empty line for a row of empty cells
    names = [str(position) for position in range(len(order))]
    try:
        table = pa_csv.read_csv(
            io.BytesIO(data),
            pa_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            pa_csv.ParseOptions(quote_char=False, newlines_in_values=False, ignore_empty_lines=False),
            pa_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    return [pc.utf8_trim_whitespace(table.column(position).combine_chunks()) for position in order]


def csv_rows(texts: Sequence[str], order: Sequence[int]) -> list[Row]:
    """Lines of CSV as rows; `order`: where each column stands."""
    return [_csv_row(text, order) for text in texts]


def _csv_row(text: str, order: Sequence[int]) -> Row:
    if not text or text.isspace():
        return None
    if '"' in text:
        try:
            cells = next(csv.reader([text], strict=True))
        except csv.Error:
            return Unreadable("unclosed_quote")
    else:
        cells = text.split(",")
    if len(cells) != len(order):
        return Unreadable("column_count")
    return [cells[position].strip() for position in order]


async def read_ndjson(body: Measured) -> AsyncIterator[Table]:
    """A file of one JSON object a line, whose names are columns; a name left out is an empty cell."""
    async for lines in read_lines(body):
        yield Table(lines.first_line, partial(_ndjson_rows, lines.texts), optional=OPTIONAL_COLUMNS)


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
    return row_of([found.get(name) for name in EVERY_COLUMN])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RepeatedName
    return found
