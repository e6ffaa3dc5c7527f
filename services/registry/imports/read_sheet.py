"""XLSX: the first sheet, its first row naming the columns, read row by row from a sealed spool.

A workbook is a ZIP of XML. Before a part of it is unpacked, its announced sizes are held against `limits`; a part that
unpacks to more than it announced is damaged. Document type definitions, which XML bombs are made of, are refused.
Formulas are not computed: a cell that holds one is reported.
"""

from __future__ import annotations

import io
import itertools
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from services.registry.imports import limits
from services.registry.imports.errors import UnpacksTooLarge, UnreadableFile
from services.registry.imports.sealed_spool import SealedSpool
from services.registry.imports.table import EVERY_COLUMN, Row, Table, cell_text, layout_of, row_of

_MAX_COLUMNS: Final = 2 * len(EVERY_COLUMN)
_PROLOG_BYTES: Final = 65_536
_DAMAGE: Final = (
    *(zipfile.BadZipFile, zlib.error, ParseError, KeyError, ValueError, TypeError),
    *(AttributeError, IndexError, EOFError, NotImplementedError, RuntimeError),
)
"""What openpyxl and zipfile raise on files that are not what they say they are, beside openpyxl's own error."""


def read_sheet(spool: SealedSpool) -> Iterator[Table]:
    """The rows below the header, in tables of TABLE_ROWS.

    Raises:
        UnreadableFile: it is no workbook, or a damaged one.
        UnpacksTooLarge: it would become too large.
        WrongHeader: the first row does not name the columns.
    """
    rows = _rows(spool)
    header = next(rows, ())
    while header and header[-1] is None:
        header = header[:-1]
    layout = layout_of(cell_text(value) or "" for value in header)
    line = 2
    while batch := list(itertools.islice(rows, limits.TABLE_ROWS)):
        cut: list[Row] = [_row(values, layout.order) for values in batch]
        yield Table(line, lambda cut=cut: cut, optional=layout.optional)  # type: ignore[misc]
        line += len(batch)


def _row(values: tuple[Any, ...], order: tuple[int, ...]) -> Row:
    return row_of([values[position] if position < len(values) else None for position in order])


def _rows(spool: SealedSpool) -> Iterator[tuple[Any, ...]]:
    # openpyxl loads numpy and Pillow: no process needs them but one that reads a workbook.
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    file = io.BufferedReader(spool, 1 << 16)
    try:
        inspect(file)
        book = load_workbook(file, read_only=True, data_only=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        yield from sheet.iter_rows(max_col=_MAX_COLUMNS, values_only=True)
    except (*_DAMAGE, InvalidFileException) as error:
        raise UnreadableFile("xlsx") from error


def inspect(file: io.BufferedReader[SealedSpool]) -> None:
    """Hold a workbook's parts against the limits.

    Raises:
        UnpacksTooLarge, UnreadableFile: it must not be opened.
    """
    with zipfile.ZipFile(file) as parts:
        entries = parts.infolist()
        if len(entries) > limits.MAX_ENTRIES or sum(entry.file_size for entry in entries) > limits.MAX_UNPACKED_BYTES:
            raise UnpacksTooLarge(limits.MAX_UNPACKED_BYTES)
        for entry in entries:
            packed = max(entry.compress_size, 1)
            tight = entry.file_size > limits.RATIO_FROM_BYTES and entry.file_size > limits.MAX_RATIO * packed
            held = entry.filename.endswith("sharedStrings.xml") and entry.file_size > limits.MAX_SHARED_STRINGS_BYTES
            if tight or held:
                raise UnpacksTooLarge(limits.MAX_UNPACKED_BYTES)
            if entry.filename.endswith((".xml", ".rels")):
                _refuse_type_definition(parts, entry)


def _refuse_type_definition(parts: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """A definition stands before the first element: it is in the beginning, or the beginning is nothing but comment."""
    with parts.open(entry) as part:
        start = part.read(_PROLOG_BYTES)
    text = start.decode("utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")
    if "<!DOCTYPE" in text or "<!ENTITY" in text or (len(start) == _PROLOG_BYTES and "xmlns" not in text):
        raise UnreadableFile("xlsx")
