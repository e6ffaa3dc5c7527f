"""Arrow columns -> the bytes of PostgreSQL's binary COPY, a column at a time: no Python per row.

A row is its number of fields, then of each field its length and its value, big-endian (PostgreSQL documentation, COPY,
"Binary Format"). Joining the columns' pieces row by row gives exactly that.
"""

from __future__ import annotations

import os
import struct
import sys
import time
from array import array
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
_TRAILER: Final = struct.pack(">h", -1)
_EPOCH: Final = (date(2000, 1, 1) - date(1970, 1, 1)).days
"""PostgreSQL counts days from 2000, Arrow from 1970."""
_NO_VALUE: Final = -1
_WIDTHS: Final = {pa.int16(): ("h", 2), pa.int32(): ("i", 4), pa.int64(): ("q", 8)}


def copy_body(columns: Sequence[Any]) -> bytes:
    """Rows of these columns as one binary COPY.

    Args:
        columns: of one length: int16, int32, int64, date32, bool, string, binary (also for uuid); null is NULL.
    """
    pieces: list[Any] = [pa.scalar(struct.pack(">h", len(columns)), pa.binary())]
    for column in columns:
        pieces += _pieces(column)
    joined = pc.binary_join_element_wise(*pieces, b"")
    return b"".join((_HEADER, _values(joined), _TRAILER))


def _values(joined: Any) -> memoryview:
    if len(joined) == 0:
        return memoryview(b"")
    first, last = (joined.offset, joined.offset + len(joined))
    offsets = memoryview(joined.buffers()[1]).cast("i")
    return memoryview(joined.buffers()[2])[offsets[first] : offsets[last]]


def _pieces(column: Any) -> list[Any]:
    """Length and value of each row of a column."""
    kind = column.type
    if pa.types.is_date32(kind):
        return _fixed(pc.subtract(column.cast(pa.int32()), pa.scalar(_EPOCH, pa.int32())))
    if pa.types.is_boolean(kind):
        told = pc.if_else(column, pa.scalar(b"\x00\x00\x00\x01\x01"), pa.scalar(b"\x00\x00\x00\x01\x00"))
        return [told.fill_null(struct.pack(">i", _NO_VALUE))]
    if kind in _WIDTHS:
        return _fixed(column)
    values = column.cast(pa.binary())
    lengths = pc.binary_length(values).fill_null(_NO_VALUE)
    return [_big_endian(lengths, "i", 4), values.fill_null(b"") if values.null_count else values]


def _fixed(column: Any) -> list[Any]:
    code, width = _WIDTHS[column.type]
    length = pa.scalar(struct.pack(">i", width), pa.binary())
    if column.null_count == 0:
        return [length, _big_endian(column, code, width)]
    there = column.is_valid()
    value = pc.if_else(there, _big_endian(column.fill_null(0), code, width), pa.scalar(b"", pa.binary()))
    return [pc.if_else(there, length, pa.scalar(struct.pack(">i", _NO_VALUE), pa.binary())), value]


def _big_endian(column: Any, code: str, width: int) -> Any:
    """Integers without nulls as bytes."""
    start = column.offset * width
    values = array(code, bytes(memoryview(column.buffers()[1])[start : start + len(column) * width]))
    return fixed_bytes(_swapped(values), width)


def _swapped(values: array[int]) -> bytes:
    if sys.byteorder == "little":
        values.byteswap()
    return values.tobytes()


def fixed_bytes(data: bytes, width: int) -> Any:
    """Pieces of one width as a binary column."""
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(data) // width, [None, pa.py_buffer(data)])
    return fixed.cast(pa.binary())


def new_ids(count: int) -> Any:
    """New UUIDv7, ascending, as a binary column: 48 bits of milliseconds, 12 that count (RFC 9562, 6.2), 62 random.

    Of more than 4,096 at once, the later ones carry the milliseconds that follow.
    """
    first = time.time_ns() // 1_000_000
    high = array("Q", ((first + (n >> 12)) << 16 | 0x7000 | (n & 0xFFF) for n in range(count)))
    random = int.from_bytes(os.urandom(8 * count), "big")
    random &= int.from_bytes((b"\x3f" + b"\xff" * 7) * count, "big")
    low = random | int.from_bytes((b"\x80" + b"\x00" * 7) * count, "big")
    pieces = fixed_bytes(_swapped(high), 8), fixed_bytes(low.to_bytes(8 * count, "big"), 8)
    return pc.binary_join_element_wise(*pieces, b"")
