"""What the registry needs to know, beyond what every service does."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator

from shared.crypto import CryptoError, FieldCipher, KeyedHash
from shared.settings import Settings


class RegistrySettings(Settings):
    """Settings of the registry; each is read from `SAMAKI_<NAME>`."""

    service: str = "registry"

    encryption_key: SecretStr
    """Base64 of 32 bytes: encrypts identity numbers, cards and phones at rest."""
    hash_key: SecretStr
    """Base64 of 32 bytes, another one: finds an identity number without reading it."""

    national_id_pattern: str = r"[0-9]{9}"
    """Form of a national identity number (regular expression, whole value)."""
    phone_pattern: str = r"(\+855|0)[0-9]{8,9}"
    """Form of a telephone number, without spaces."""
    head_min_age: int = Field(default=15, ge=0, le=30)
    """Age in years from which a person can be entered as the head of a household."""
    card_expiry_warning_days: int = Field(default=90, ge=1, le=1000)
    """Cards that end within so many days are listed for a visit."""
    appeal_days: int = Field(default=30, ge=1, le=365)
    """Days in which a refused application may be appealed."""
    feed_max_bytes: int = Field(default=64 << 20, ge=1024)
    """Largest batch of a civil-registration feed accepted in one request."""
    worker_file_max_bytes: int = Field(default=64 << 20, ge=1024)
    """Largest file of an employer's workers accepted in one request."""
    import_max_bytes: int = Field(default=1 << 30, ge=1024)
    """Largest household file accepted in one request."""
    import_chunk_households: int = Field(default=5000, ge=1, le=20_000)
    """Households loaded in one transaction."""
    import_lanes: int = Field(default=2, ge=1, le=8)
    """Transactions of one import that load at once: no more than the database has processors to spare."""
    import_newcomers: Literal["register", "hold"] = "register"
    """What a household file does, unless its sender says otherwise, with newcomers whose exact keys (name and birth
    date in the same district, or telephone and birth date) somebody of another household has: register them and list
    the pair for a decision, or hold their households back until it is made."""
    import_abandoned_after_hours: int = Field(default=24, ge=1)
    """When rows of an upload that never finished are deleted."""

    @field_validator("encryption_key")
    @classmethod
    def _encryption_key_works(cls, key: SecretStr) -> SecretStr:
        _refuse_bad_key(FieldCipher, key)
        return key

    @field_validator("hash_key")
    @classmethod
    def _hash_key_works(cls, key: SecretStr) -> SecretStr:
        _refuse_bad_key(KeyedHash, key)
        return key


def _refuse_bad_key(user: type[FieldCipher] | type[KeyedHash], key: SecretStr) -> None:
    try:
        user(key.get_secret_value())
    except CryptoError as error:
        raise ValueError(str(error)) from None
