"""What payments opens besides its database: ciphers, and the clients of its rails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from services.payments.rails.wiring import open_clients
from services.payments.settings import PaymentsSettings
from shared.crypto import FieldCipher, KeyedHash


@dataclass(frozen=True, slots=True)
class Resources:
    """Reached as `context.resources`.

    Attributes:
        cipher: encrypts account numbers and holder names.
        number_hash: finds an account number without reading it.
        rails: whatever `rails.wiring.open_clients` opened.
    """

    cipher: FieldCipher
    number_hash: KeyedHash
    rails: Any


@asynccontextmanager
async def open_resources(settings: PaymentsSettings) -> AsyncIterator[Resources]:
    """Open them for one process.

    Raises:
        CryptoError: a key is not base64 of 32 bytes.
    """
    cipher = FieldCipher(settings.encryption_key.get_secret_value())
    number_hash = KeyedHash(settings.hash_key.get_secret_value())
    async with open_clients(settings) as rails:
        yield Resources(cipher, number_hash, rails)
