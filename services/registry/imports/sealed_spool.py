"""A temporary file for formats that are read from their end (XLSX, Parquet), encrypted under a key nobody keeps.

Household files hold identity numbers; nothing of them may lie on a disk in clear (law 8). AES in counter mode can be
read from any place, so the readers of both formats work on it as on a plain file. The key dies with the object; the
file has no name.
"""

from __future__ import annotations

import io
import os
import tempfile
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

_BLOCK: Final = 16


class SealedSpool(io.RawIOBase):
    """Written once from the beginning, then read anywhere."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="samaki-")  # noqa: SIM115 closed by close()
        self._key = os.urandom(32)
        self._start = int.from_bytes(os.urandom(8), "big") << 64  # the lower half counts the blocks
        self._encryptor = Cipher(AES(self._key), CTR(self._counter(0))).encryptor()
        self.size = 0
        self._position = 0

    def _counter(self, block: int) -> bytes:
        return (self._start + block).to_bytes(_BLOCK, "big")

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""
        self._file.seek(self.size)
        self._file.write(self._encryptor.update(data))
        self.size += len(data)

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read from any place."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place, as of any file."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("there is nothing before the beginning")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read and decrypt; 0 at the end."""
        wanted = min(len(buffer), max(0, self.size - self._position))
        if wanted == 0:
            return 0
        block, skipped = divmod(self._position, _BLOCK)
        self._file.seek(block * _BLOCK)
        sealed = self._file.read(skipped + wanted)
        plain = Cipher(AES(self._key), CTR(self._counter(block))).decryptor().update(sealed)[skipped:]
        buffer[: len(plain)] = plain
        self._position += len(plain)
        return len(plain)

    def close(self) -> None:
        """Delete it."""
        if not self.closed:
            self._file.close()
        super().close()
