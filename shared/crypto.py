"""Identity numbers at rest: encrypted to be read back, hashed under a key to be found (law 8)."""

from __future__ import annotations

import base64
import binascii
import os
import unicodedata
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

_NONCE: Final = 12
_VERSION: Final = b"\x01"
_IGNORED: Final = "-./"
_ASCII_IGNORED: Final = {code: None for code in range(128) if chr(code).isspace() or chr(code) in _IGNORED}


class CryptoError(ValueError):
    """A key or a ciphertext that cannot be used. Never carries the value."""


def _key(encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise CryptoError("a key must be base64 of 32 bytes") from None
    if len(key) != 32:
        raise CryptoError("a key must be base64 of 32 bytes")
    return key


class FieldCipher:
    """AES-256-GCM per value: version byte, random nonce, ciphertext with tag.

    Args:
        keys: base64 of 32 bytes; several, separated by commas, while a key is being changed: the first encrypts, all
            of them decrypt.
    """

    def __init__(self, keys: str) -> None:
        self._aeads = [AESGCM(_key(key.strip())) for key in keys.split(",")]

    def encrypt(self, value: str, context: str = "") -> bytes:
        """Encrypt. `context` (a table or id) is authenticated: a value moved elsewhere does not decrypt."""
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._aeads[0].encrypt(nonce, value.encode(), context.encode())

    def decrypt(self, stored: bytes, context: str = "") -> str:
        """The value.

        Raises:
            CryptoError: other key, other context, or changed bytes.
        """
        if stored[:1] != _VERSION:
            raise CryptoError("unknown ciphertext version")
        nonce, sealed = stored[1 : 1 + _NONCE], stored[1 + _NONCE :]
        for aead in self._aeads:
            try:
                return aead.decrypt(nonce, sealed, context.encode()).decode()
            except InvalidTag:
                continue  # the tag tells which key it was
        raise CryptoError("this value was not encrypted with this key and context") from None


class KeyedHash:
    """HMAC-SHA256 of a normalised value: equal values are found without being readable.

    Args:
        key: base64 of 32 bytes, not the cipher's.
    """

    def __init__(self, key: str) -> None:
        self._keyed = HMAC(_key(key), SHA256())  # copied for each value: a key is prepared once

    def digest(self, value: str, kind: str = "") -> bytes:
        """32 bytes; spaces, dashes, case and width do not matter. `kind` keeps types of identifier apart."""
        keyed = self._keyed.copy()
        keyed.update(f"{kind}\x00{_normal(value)}".encode())
        return keyed.finalize()


def _normal(value: str) -> str:
    if value.isascii():  # nearly every identity number: NFKC changes nothing, and casefold is lower
        return value.lower() if value.isalnum() else value.lower().translate(_ASCII_IGNORED)
    normal = unicodedata.normalize("NFKC", value).casefold()
    return "".join(character for character in normal if not character.isspace() and character not in _IGNORED)
