"""Rows of a household file -> bytes, in any of the four formats, as a stream: memory does not grow with the file.

A writer is given rows of cells in the order of its columns and returns bytes as they are ready; `end` returns the rest.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from typing import Any, Final, Protocol
from xml.sax.saxutils import escape

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from services.registry.imports.rules import COLUMNS
from services.registry.imports.sources import FileKind
from shared.spreadsheet import safe_cell

GROUP_ROWS: Final = 50_000


class Writer(Protocol):
    """Writes one file of these columns."""

    def __init__(self, columns: Sequence[str] = COLUMNS) -> None: ...

    def write(self, rows: Sequence[Sequence[str]]) -> bytes:
        """Take rows; returns what is ready to leave."""
        ...

    def end(self) -> bytes:
        """The rest of the file."""
        ...


class CsvWriter:
    """CSV in UTF-8. A cell that a spreadsheet would compute stands behind an apostrophe."""

    def __init__(self, columns: Sequence[str] = COLUMNS) -> None:
        self._columns = columns
        self._begun = False

    def write(self, rows: Sequence[Sequence[str]]) -> bytes:
        """Lines."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        if not self._begun:
            writer.writerow(self._columns)
            self._begun = True
        writer.writerows([[safe_cell(cell) for cell in row] for row in rows])
        return text.getvalue().encode()

    def end(self) -> bytes:
        """The header, if there was no row."""
        return b"" if self._begun else self.write([])


class NdjsonWriter:
    """One JSON object a line; empty cells are left out."""

    def __init__(self, columns: Sequence[str] = COLUMNS) -> None:
        self._columns = columns

    def write(self, rows: Sequence[Sequence[str]]) -> bytes:
        """Lines."""
        lines = [{name: cell for name, cell in zip(self._columns, row, strict=True) if cell} for row in rows]
        return b"".join(orjson.dumps(line) + b"\n" for line in lines)

    def end(self) -> bytes:
        """Nothing."""
        return b""


class _Outlet(io.RawIOBase):
    """A file that can only be written forward: what was written is taken away in portions."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def tell(self) -> int:
        return self._size

    def take(self) -> bytes:
        """What came since the last time."""
        taken, self._parts = b"".join(self._parts), []
        return taken


_PARTS: Final = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default '
    'Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName='
    '"/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship '
    'Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target='
    '"xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r='
    '"http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="households" '
    'sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": "<Relationships xmlns="
    '"http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type='
    '"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/>'
    "</Relationships>",
}
_SHEET: Final = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
_DECLARED: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'


class XlsxWriter:
    """A workbook of one sheet, ECMA-376: every cell is text, so none is ever computed and no leading zero is lost."""

    def __init__(self, columns: Sequence[str] = COLUMNS) -> None:
        self._outlet = _Outlet()
        self._book = zipfile.ZipFile(self._outlet, "w", zipfile.ZIP_DEFLATED)
        for name, content in _PARTS.items():
            self._book.writestr(name, _DECLARED + content)
        self._sheet = self._book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True)
        self._sheet.write((_DECLARED + _SHEET + _sheet_row(columns)).encode())

    def write(self, rows: Sequence[Sequence[str]]) -> bytes:
        """Rows of the sheet."""
        self._sheet.write("".join(map(_sheet_row, rows)).encode())
        return self._outlet.take()

    def end(self) -> bytes:
        """The end of the sheet and the directory."""
        self._sheet.write(b"</sheetData></worksheet>")
        self._sheet.close()
        self._book.close()
        return self._outlet.take()


def _sheet_row(cells: Sequence[str]) -> str:
    inner = "".join(
        f'<c t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>' if cell else "<c/>"
        for cell in cells
    )
    return f"<row>{inner}</row>"


class ParquetWriter:
    """Parquet, columns of text, a row group each GROUP_ROWS."""

    def __init__(self, columns: Sequence[str] = COLUMNS) -> None:
        self._outlet = _Outlet()
        self._schema = pa.schema([(name, pa.string()) for name in columns])
        self._file = pq.ParquetWriter(pa.PythonFile(self._outlet, "w"), self._schema, compression="zstd")
        self._rows: list[Sequence[str]] = []

    def write(self, rows: Sequence[Sequence[str]]) -> bytes:
        """A row group, when one is full."""
        self._rows.extend(rows)
        if len(self._rows) >= GROUP_ROWS:
            self._group()
        return self._outlet.take()

    def _group(self) -> None:
        columns = [[cell or None for cell in column] for column in zip(*self._rows, strict=True)]
        self._file.write_table(pa.table([pa.array(column, pa.string()) for column in columns], schema=self._schema))
        self._rows = []

    def end(self) -> bytes:
        """The last row group and the footer."""
        if self._rows:
            self._group()
        self._file.close()
        return self._outlet.take()


WRITERS: Final[dict[FileKind, type[Writer]]] = {
    FileKind.CSV: CsvWriter,
    FileKind.NDJSON: NdjsonWriter,
    FileKind.XLSX: XlsxWriter,
    FileKind.PARQUET: ParquetWriter,
}
