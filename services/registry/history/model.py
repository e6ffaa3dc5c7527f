"""What a change of the register is, and the tables that keep it. Append-only, by the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, Column, Date, DateTime, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from shared.db import new_metadata

metadata = new_metadata()


class ChangeKind(StrEnum):
    """What kind of change it is."""

    REGISTRATION = "registration"
    CORRECTION = "correction"
    """The past was wrong: the value held already before it was recorded."""
    LIFE_CHANGE = "life_change"
    """Something happened: the value holds from a day on."""


class ChangeSource(StrEnum):
    """Where a change came from."""

    OFFICER = "officer"
    IMPORT = "import"
    TABLET = "tablet"
    CIVIL_REGISTRATION = "civil_registration"
    REMEDY = "remedy"
    MERGE = "merge"
    EMPLOYER = "employer"
    APPLICATION = "application"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who changes the register, and why.

    Attributes:
        kind: a correction, a change in life, or a registration.
        source: where it came from.
        by: subject of the officer's token; `system:<part>` for the platform itself.
        reason: in words, without personal data.
        effective_on: the day from which it holds; needed for a change in life. Of a correction: since when the value
            before was wrong; None: as long as it stood.
        source_id: the import, life event, remedy, application or sync operation it came from.
    """

    kind: ChangeKind
    source: ChangeSource
    by: str
    reason: str
    effective_on: date | None = None
    source_id: UUID | None = None


register_change: Final = Table(
    "register_change",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("seq", BigInteger),
    Column("kind", Text),
    Column("source", Text),
    Column("source_id", Uuid),
    Column("reason", Text),
    Column("recorded_by", Text),
    Column("recorded_at", DateTime(timezone=True)),
    Column("effective_on", Date),
)

fact_change: Final = Table(
    "fact_change",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("change_id", Uuid),
    Column("subject_type", Text),
    Column("subject_id", Uuid),
    Column("field", Text),
    Column("before", JSONB),
    Column("after", JSONB),
)
