"""A streamed body -> blocks of whole lines, with memory that does not grow with the file.

One line is one record: a quoted cell may hold commas but no line break, so that a stray quotation mark spoils its own
line and not the rest of the file. Lines end with LF, CR LF or CR, also mixed in one file.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from services.registry.imports.errors import FileTooLarge, LineTooLong, NotUtf8
from services.registry.imports.limits import MAX_CELL

MAX_LINE_BYTES: Final = MAX_CELL
BLOCK_BYTES: Final = 1 << 20
_BOM: Final = b"\xef\xbb\xbf"


class Measured:
    """A body that is measured and hashed while it passes.

    Args:
        chunks: the body, as it arrives.
        max_bytes: largest body.
    """

    def __init__(self, chunks: AsyncIterator[bytes], max_bytes: int) -> None:
        self._chunks = chunks
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of everything read so far, in hex."""
        return self._digest.hexdigest()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body again.

        Raises:
            FileTooLarge: more than `max_bytes`.
        """
        async for chunk in self._chunks:
            self.size += len(chunk)
            if self.size > self._max_bytes:
                raise FileTooLarge(self._max_bytes)
            self._digest.update(chunk)
            yield chunk


@dataclass(frozen=True)
class Lines:
    """Consecutive lines.

    Attributes:
        first_line: the number of the first, counted from 1.
        count: how many there are.
        data: the lines in UTF-8, one LF between two.
    """

    first_line: int
    count: int
    data: bytes

    @property
    def texts(self) -> list[str]:
        """The lines without their ends."""
        return self.data.decode("utf-8").split("\n") if self.count else []


async def read_lines(body: Measured) -> AsyncIterator[Lines]:
    """Blocks of about a mebibyte of whole lines, in order.

    Raises:
        FileTooLarge: see Measured.
        LineTooLong: a line above MAX_LINE_BYTES.
        NotUtf8: bytes that are not UTF-8; names the line.
    """
    buffer = bytearray()
    line = 1
    begun = False
    async for chunk in body.chunks():
        buffer += chunk
        if not begun and len(buffer) >= len(_BOM):
            begun = True
            if buffer.startswith(_BOM):
                del buffer[: len(_BOM)]
        if len(buffer) < BLOCK_BYTES:
            continue
        # A CR at the very end may have its LF in the next chunk.
        end = max(buffer.rfind(b"\n"), buffer.rfind(b"\r", 0, len(buffer) - 1)) + 1
        if len(buffer) - end > MAX_LINE_BYTES:
            raise LineTooLong(line + len(_cut(bytes(buffer[:end]))), MAX_LINE_BYTES)
        block = _decode(bytes(buffer[:end]), line)
        del buffer[:end]
        yield block
        line += block.count
    if buffer:
        yield _decode(bytes(buffer), line)


def _cut(data: bytes) -> list[bytes]:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return lines


def _decode(data: bytes, first_line: int) -> Lines:
    lines = _cut(data)
    for offset, line in enumerate(lines):
        if len(line) > MAX_LINE_BYTES:
            raise LineTooLong(first_line + offset, MAX_LINE_BYTES)
    whole = b"\n".join(lines)
    try:
        whole.decode("utf-8")
        return Lines(first_line, len(lines), whole)
    except UnicodeDecodeError:
        bad = next(offset for offset, line in enumerate(lines) if not _is_utf8(line))
        raise NotUtf8(first_line + bad) from None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
