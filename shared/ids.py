"""Identifiers: UUIDv7 (time-ordered, so indexes stay dense) and short references that people can read aloud."""

from __future__ import annotations

import hashlib
import os
import time
from typing import Final
from uuid import UUID

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U, so that nothing is misread over a telephone."""
_CHECK: Final = ALPHABET + "*~$=U"
_PAIRS: Final = [first + second for first in ALPHABET for second in ALPHABET]
"""Ten bits at a time: millions of references are minted."""


def uuid7() -> UUID:
    """A new UUIDv7 (RFC 9562 section 5.7): 48 bits of milliseconds, then random bits."""
    millis = time.time_ns() // 1_000_000
    value = (millis & ((1 << 48) - 1)) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def deterministic_uuid(*parts: str) -> UUID:
    """The same UUID for the same parts, always: SHA-256 of the parts joined by `|`, as UUIDv8 (RFC 9562 section 5.8).

    SHA-256 is what PostgreSQL computes without an extension, so that a million identities are made by one statement:
    `shared.migrations` installs the SQL function of the same name, and a test holds the two together.

    Raises:
        ValueError: a part contains the separator, so that two different lists could meet.
    """
    if any("|" in part for part in parts):
        raise ValueError("a part of a deterministic id must not contain '|'")
    value = int.from_bytes(hashlib.sha256("|".join(parts).encode()).digest()[:16], "big")
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def _check_character(text: str) -> str:
    value = 0
    for character in text:
        value = value * 32 + ALPHABET.index(character)
    return _CHECK[value % 37]


def reference(prefix: str, identifier: UUID) -> str:
    """A short reference such as `HH-7K2M9Q4X-5`: 40 bits of a hash of the id, and a check character (modulo 37).

    Forty bits can collide in a national register (once in about a million pairs of a million): the column must be
    unique, and the id stays the identity.
    """
    for salt in range(256):
        bits = int.from_bytes(hashlib.sha256(identifier.bytes + bytes([salt])).digest()[:5], "big")
        check = _CHECK[bits % 37]  # the text is this number in base 32
        if bits % 37 < len(
            ALPHABET
        ):  # modulo 37 has five more signs, which nobody can read out: those texts are passed over
            text = _PAIRS[bits >> 30] + _PAIRS[bits >> 20 & 1023] + _PAIRS[bits >> 10 & 1023] + _PAIRS[bits & 1023]
            return f"{prefix}-{text}-{check}"
    raise AssertionError("256 texts in a row had such a sign: one chance in 7 to the 256th")


def valid_reference(text: str) -> bool:
    """Whether a reference has the right form and check character: catches any one wrong or swapped character."""
    parts = text.strip().upper().split("-")
    if len(parts) != 3 or len(parts[1]) != 8 or any(character not in ALPHABET for character in parts[1]):
        return False
    return _check_character(parts[1]) == parts[2]
