"""Programmes and their versions. A published version is never changed: a change is a new version (fault 19)."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.eligibility.model import Base


class VersionState(StrEnum):
    """States of a version, in order."""

    DRAFT = "draft"
    PUBLISHED = "published"


class ProgrammeRow(Base):
    """A programme: its code, the number of the last version written, and how often it was told to other services."""

    __tablename__ = "programme"

    code: Mapped[str] = mapped_column(primary_key=True)
    last_version: Mapped[int]
    told: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ProgrammeVersionRow(Base):
    """One version: the file as written, and as validated. `valid_from` to `valid_until`: the dates it governs."""

    __tablename__ = "programme_version"

    programme_code: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    source: Mapped[str]
    source_hash: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    published_by: Mapped[str | None]
    published_at: Mapped[datetime | None]


class RateConfirmationRow(Base):
    """An officer's word that the amounts of a rate table are right.

    `rate_hash` is that of the amounts: a later version with the same ones needs no new confirmation.
    """

    __tablename__ = "rate_confirmation"

    programme_code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    rate: Mapped[str] = mapped_column(primary_key=True)
    rate_hash: Mapped[str]
    source: Mapped[str]
    confirmed_by: Mapped[str]
    confirmed_at: Mapped[datetime] = mapped_column(server_default=func.now())
