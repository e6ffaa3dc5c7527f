"""A streamed body -> blocks of whole lines, with memory that does not grow with the file.

One line is one record: a quoted cell may hold commas but no line break, so that a stray quotation mark spoils its own
line and not the rest of the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from services.registry.imports.errors import FileTooLarge, LineTooLong, NotUtf8, WrongHeader
from services.registry.imports.rules import COLUMNS

MAX_LINE_BYTES: Final = 16_384
BLOCK_BYTES: Final = 1 << 20
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Lines:
    """Consecutive lines without their line ends; `first_line` is the number of the first, counted from 1."""

    first_line: int
    texts: list[str]


class LineReader:
    """Cuts a stream into blocks of lines, hashing and measuring it on the way.

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

    async def blocks(self) -> AsyncIterator[Lines]:
        """Blocks of about a mebibyte, in order.

        Raises:
            FileTooLarge: more than `max_bytes`.
            LineTooLong: a line above MAX_LINE_BYTES.
            NotUtf8: bytes that are not UTF-8; names the line.
        """
        buffer = bytearray()
        line = 1
        async for chunk in self._chunks:
            if not self.size and chunk:
                buffer += chunk.removeprefix(_BOM)
            else:
                buffer += chunk
            self._measure(chunk)
            if len(buffer) < BLOCK_BYTES:
                continue
            end = buffer.rfind(b"\n") + 1
            if len(buffer) - end > MAX_LINE_BYTES:
                raise LineTooLong(line + buffer.count(b"\n"), MAX_LINE_BYTES)
            block = _decode(bytes(buffer[:end]), line)
            del buffer[:end]
            yield block
            line += len(block.texts)
        if buffer:
            yield _decode(bytes(buffer), line)

    def _measure(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size > self._max_bytes:
            raise FileTooLarge(self._max_bytes)
        self._digest.update(chunk)


def _decode(data: bytes, first_line: int) -> Lines:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotUtf8(first_line + data.count(b"\n", 0, error.start)) from None
    texts = text.split("\n")
    if texts[-1] == "":
        texts.pop()
    for offset, line in enumerate(texts):
        if len(line) > MAX_LINE_BYTES:
            raise LineTooLong(first_line + offset, MAX_LINE_BYTES)
    return Lines(first_line, [line.removesuffix("\r") for line in texts])


def column_order(header: str) -> list[int]:
    """Where each of COLUMNS stands in the file.

    Raises:
        WrongHeader: naming the columns that are missing, unknown or repeated.
    """
    names = [name.strip().strip('"').lower() for name in header.split(",")]
    missing = [name for name in COLUMNS if name not in names]
    unknown = sum(name not in COLUMNS for name in names)
    repeated = sorted({name for name in names if names.count(name) > 1 and name in COLUMNS})
    if missing or unknown or repeated:
        raise WrongHeader(missing, unknown, repeated)
    return [names.index(name) for name in COLUMNS]
