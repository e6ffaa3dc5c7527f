"""A file's pieces, sealed: AES-256-GCM, each bound to its file and its place in it, so that none is lost or moved."""

from __future__ import annotations

import base64
import os
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.crypto import CryptoError

_NONCE: Final = 12


class PieceCipher:
    """Seals and opens pieces.

    Args:
        keys: the service's, as of `FieldCipher`: the first seals, all open.
    """

    def __init__(self, keys: str) -> None:
        self._aeads = [AESGCM(base64.b64decode(key.strip(), validate=True)) for key in keys.split(",")]

    def seal(self, data: bytes, export_id: UUID, seq: int) -> bytes:
        """Nonce and ciphertext."""
        nonce = os.urandom(_NONCE)
        return nonce + self._aeads[0].encrypt(nonce, data, _place(export_id, seq))

    def open(self, sealed: bytes, export_id: UUID, seq: int) -> bytes:
        """The piece.

        Raises:
            CryptoError: it was changed, moved, or sealed with another key.
        """
        for aead in self._aeads:
            try:
                return aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], _place(export_id, seq))
            except InvalidTag:
                continue  # the tag tells which key it was
        raise CryptoError("this piece was not sealed with this key at this place")


def _place(export_id: UUID, seq: int) -> bytes:
    return b"export:" + export_id.bytes + seq.to_bytes(4, "big")
