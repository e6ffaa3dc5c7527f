"""The four kinds of household file behind one port: `tables(kind, body)` reads any of them as a stream of tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from enum import StrEnum
from typing import Final

from services.registry.imports.read_lines import Measured
from services.registry.imports.read_parquet import read_parquet
from services.registry.imports.read_sheet import read_sheet
from services.registry.imports.read_text import read_csv, read_ndjson
from services.registry.imports.sealed_spool import SealedSpool
from services.registry.imports.table import Table


class FileKind(StrEnum):
    """A format of household files; the value is its media type."""

    CSV = "text/csv"
    NDJSON = "application/x-ndjson"
    XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    PARQUET = "application/vnd.apache.parquet"


_STREAMED: Final[dict[FileKind, Callable[[Measured], AsyncIterator[Table]]]] = {
    FileKind.CSV: read_csv,
    FileKind.NDJSON: read_ndjson,
}
_SPOOLED: Final[dict[FileKind, Callable[[SealedSpool], Iterator[Table]]]] = {
    FileKind.XLSX: read_sheet,
    FileKind.PARQUET: read_parquet,
}


async def tables(kind: FileKind, body: Measured) -> AsyncIterator[Table]:
    """The file's rows in order, whatever its format; memory does not grow with the file.

    Raises:
        NotUtf8, WrongHeader, LineTooLong, FileTooLarge, UnreadableFile, UnpacksTooLarge: it cannot be taken.
    """
    if kind in _STREAMED:
        async for table in _STREAMED[kind](body):
            yield table
        return
    spool = SealedSpool()
    try:
        async for chunk in body.chunks():
            spool.append(chunk)
        rows = _SPOOLED[kind](spool)
        while True:
            following: Table | None = await asyncio.to_thread(_next, rows)
            if following is None:
                break
            yield following
    finally:
        spool.close()


def _next(rows: Iterator[Table]) -> Table | None:
    return next(rows, None)
