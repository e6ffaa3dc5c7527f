"""Sources over HTTP: shapes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.payments.edges.sources.model import origin_of, read_keys

_Text = Annotated[str, Field(min_length=1, max_length=140)]


class KeyIn(BaseModel):
    """An Ed25519 public key."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    key_id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    public_key: str = Field(min_length=44, max_length=44, description="32 bytes, base64.")


class SourceIn(BaseModel):
    """A source, without its code."""

    model_config = ConfigDict(extra="forbid")

    name: _Text
    subject: _Text = Field(description="`sub` of the token that speaks for it.")
    funding_line: Annotated[str, Field(min_length=1, max_length=80)]
    place_code: str = Field(pattern=r"^(\d{2}){1,4}$", description="Where payees we do not know are counted.")
    sender_id: Annotated[str, Field(min_length=1, max_length=120)] | None = None
    payer_address: str = Field(default="", max_length=200)
    keys: list[KeyIn] = Field(default_factory=list, max_length=5)
    callback_origins: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list, max_length=10)
    active: bool = True

    @field_validator("keys")
    @classmethod
    def _keys_are_keys(cls, keys: list[KeyIn]) -> list[KeyIn]:
        read_keys([key.model_dump() for key in keys])
        if len({key.key_id for key in keys}) < len(keys):
            raise ValueError("each key has an id of its own")
        return keys

    @field_validator("callback_origins")
    @classmethod
    def _origins_are_origins(cls, origins: list[str]) -> list[str]:
        if any(origin_of(origin) != origin for origin in origins):
            raise ValueError("an origin is https://host[:port], without a path")
        return origins


class NewSource(SourceIn):
    """A source to register."""

    code: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,11}$")


class SourceOut(BaseModel):
    """A registered source."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str
    subject: str
    programme_code: str
    voucher_programme_code: str
    funding_line: str
    place_code: str
    sender_id: str | None
    payer_address: str
    keys: list[dict[str, Any]]
    callback_origins: list[str]
    active: bool
    version: int
    updated_at: datetime
