"""Parquet: row group by row group, a few thousand rows at a time, from a sealed spool."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.registry.imports import limits
from services.registry.imports.errors import LineTooLong, UnpacksTooLarge, UnreadableFile
from services.registry.imports.rules import COLUMNS
from services.registry.imports.sealed_spool import SealedSpool
from services.registry.imports.table import Row, Table, layout_of, row_of


def read_parquet(spool: SealedSpool) -> Iterator[Table]:
    """The rows, numbered from 1, in tables of TABLE_ROWS.

    Raises:
        UnreadableFile: it is not Parquet, or damaged.
        UnpacksTooLarge: it would become too large.
        WrongHeader: its columns are not those of a household file.
        LineTooLong: a cell above MAX_CELL.
    """
    try:
        yield from _tables(spool)
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile("parquet") from error


def _tables(spool: SealedSpool) -> Iterator[Table]:
    footer = pq.read_metadata(spool)
    names = footer.schema.to_arrow_schema().names
    layout = layout_of(names)
    sizes = [footer.row_group(index).total_byte_size for index in range(footer.num_row_groups)]
    if max(sizes, default=0) > limits.MAX_ROW_GROUP_BYTES or sum(sizes) > limits.MAX_UNPACKED_BYTES:
        raise UnpacksTooLarge(limits.MAX_UNPACKED_BYTES)
    if footer.num_rows > limits.MAX_ROWS:
        raise UnpacksTooLarge(limits.MAX_UNPACKED_BYTES)
    # Texts stay in their dictionaries: one long text repeated on every row must not be unpacked before it is measured.
    file = pq.ParquetFile(spool, read_dictionary=names, pre_buffer=False, metadata=footer)
    by_name = {name.strip().lower(): name for name in names}
    columns = [by_name[name] for name in (*COLUMNS, *layout.optional)]
    line = 1
    for batch in file.iter_batches(limits.TABLE_ROWS, columns=columns, use_threads=False):
        rows = _rows(batch, columns, line)
        yield Table(line, lambda rows=rows: rows, optional=layout.optional)  # type: ignore[misc]
        line += batch.num_rows


def _rows(batch: Any, columns: list[str], line: int) -> list[Row]:
    cells = []
    for name in columns:
        column = batch.column(name)
        _refuse_long(column.dictionary if pa.types.is_dictionary(column.type) else column, line)
        cells.append(column.to_pylist())
    return [row_of(values) for values in zip(*cells, strict=True)]


def _refuse_long(values: Any, line: int) -> None:
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        if (pc.max(pc.binary_length(values)).as_py() or 0) > limits.MAX_CELL:
            raise LineTooLong(line, limits.MAX_CELL)
    elif pa.types.is_nested(kind):
        raise UnreadableFile("parquet")
