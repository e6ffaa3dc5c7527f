"""Attachments at rest: AES-256-GCM per chunk, each bound to its attachment, its place and whether it is the last."""

from __future__ import annotations

import base64
import binascii
import os
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.crypto import CryptoError

CHUNK_BYTES: Final = 256 << 10
_NONCE: Final = 12


class ChunkCipher:
    """Encrypts pieces of a file so that none can be left out, swapped or moved to another file.

    Args:
        key: base64 of 32 bytes.

    Raises:
        CryptoError: it is not.
    """

    def __init__(self, key: str) -> None:
        try:
            raw = base64.b64decode(key, validate=True)
        except binascii.Error:
            raise CryptoError("a key must be base64 of 32 bytes") from None
        if len(raw) != 32:
            raise CryptoError("a key must be base64 of 32 bytes")
        self._aead = AESGCM(raw)

    def encrypt(self, chunk: bytes, attachment_id: UUID, number: int, total: int) -> bytes:
        """Encrypt the `number`-th of `total` chunks (from 0)."""
        nonce = os.urandom(_NONCE)
        return nonce + self._aead.encrypt(nonce, chunk, _context(attachment_id, number, total))

    def decrypt(self, stored: bytes, attachment_id: UUID, number: int, total: int) -> bytes:
        """The chunk.

        Raises:
            CryptoError: other key, other place, or changed bytes.
        """
        try:
            return self._aead.decrypt(stored[:_NONCE], stored[_NONCE:], _context(attachment_id, number, total))
        except InvalidTag:
            raise CryptoError("this chunk was not encrypted with this key for this place") from None


def _context(attachment_id: UUID, number: int, total: int) -> bytes:
    return f"case.attachment:{attachment_id}:{number}/{total}".encode()
