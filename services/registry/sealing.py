"""Identity numbers, cards and phones: sealed on the way in, before anything is stored (law 8, fault 26)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from services.registry.settings import RegistrySettings
from shared.crypto import FieldCipher, KeyedHash

NATIONAL_ID: Final = "national_id"
EQUITY_CARD: Final = "equity_card"
BIRTH_CERTIFICATE: Final = "birth_certificate"
SOCIAL_SECURITY: Final = "social_security"
DISABILITY_CARD: Final = "disability_card"
PHONE: Final = "phone"
APPLICATION: Final = "application"
FEED_LINE: Final = "feed_line"
EMPLOYER_NUMBER: Final = "employer_number"
PERSON_IDENTIFIERS: Final = (NATIONAL_ID, BIRTH_CERTIFICATE, SOCIAL_SECURITY, DISABILITY_CARD)


@dataclass(frozen=True)
class Sealed:
    """A value that can be found by `hash` and read back from `cipher` with the service's key only."""

    cipher: bytes
    hash: bytes


class Sealer:
    """Seals values and opens them again. `kind` is bound to each: a card never decrypts as a national id."""

    def __init__(self, cipher: FieldCipher, keyed_hash: KeyedHash) -> None:
        self._cipher = cipher
        self._hash = keyed_hash

    def seal(self, value: str, kind: str) -> Sealed:
        """Encrypt and hash a value of this kind."""
        return Sealed(self._cipher.encrypt(value, kind), self._hash.digest(value, kind))

    def digest(self, value: str, kind: str) -> bytes:
        """The hash alone: to look a value up."""
        return self._hash.digest(value, kind)

    def encrypt(self, value: str, kind: str) -> bytes:
        """The ciphertext alone: to be read back, not found."""
        return self._cipher.encrypt(value, kind)

    def open(self, cipher: bytes, kind: str) -> str:
        """The value; raises CryptoError when it was sealed with another key or as another kind."""
        return self._cipher.decrypt(cipher, kind)


@dataclass(frozen=True)
class Resources:
    """What the registry opens at start: reached as `context.resources`."""

    sealer: Sealer


@asynccontextmanager
async def open_resources(settings: RegistrySettings) -> AsyncIterator[Resources]:
    """The registry's resources for the life of a process."""
    cipher = FieldCipher(settings.encryption_key.get_secret_value())
    yield Resources(Sealer(cipher, KeyedHash(settings.hash_key.get_secret_value())))
