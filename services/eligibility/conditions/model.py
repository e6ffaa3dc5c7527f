"""Events that conditions and per-event programmes are about, their files, and waivers. Events are kept for ever."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import FetchedValue, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.eligibility.model import Base


class EventState(StrEnum):
    """States of an event. Only an accepted one counts; a pending one waits for an officer's approval."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class ConditionKindRow(Base):
    """A kind of event, as configured (conditions/kinds.py)."""

    __tablename__ = "condition_kind"

    code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(server_default="1")
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    changed_by: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ConditionEventRow(Base):
    """One thing that happened to one person on one day.

    Attributes:
        seq: order of recording: caps count in it, so that what was counted before never moves.
        person_id: as reported; `subject_id`: who that is today, after merges of records.
        until: last day, of what lasts (a suspension of contract).
        value: what was measured, e.g. attendance in percent; babies: born, of a delivery.
        notice_days: working days from the report to the first day.
        episode_days: of its kind, when recorded: days within which events of the kind belong together; 0: a whole life.
        village_code: where the person lived then.
    """

    __tablename__ = "condition_event"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(server_default=FetchedValue())
    version: Mapped[int] = mapped_column(server_default="1")
    kind: Mapped[str]
    person_id: Mapped[UUID]
    subject_id: Mapped[UUID]
    occurred_on: Mapped[date]
    until: Mapped[date | None]
    value: Mapped[int]
    babies: Mapped[int]
    notice_days: Mapped[int]
    episode_days: Mapped[int]
    facility_code: Mapped[str]
    employer_id: Mapped[UUID | None]
    village_code: Mapped[str]
    source: Mapped[str]
    state: Mapped[str]
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    cause: Mapped[str | None]
    withdrawn_at: Mapped[datetime | None]


class SettledEventRow(Base):
    """An event that a closed cycle of a programme granted: it is never granted again."""

    __tablename__ = "settled_event"

    programme_code: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    cycle_id: Mapped[UUID]


class ConditionFileRow(Base):
    """A file of reports, received; its rows are judged by a job."""

    __tablename__ = "condition_file"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recorded_by: Mapped[str]
    roles: Mapped[list[str]] = mapped_column(JSONB)
    areas: Mapped[list[str]] = mapped_column(JSONB)
    total: Mapped[int]
    digest: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ConditionRowRow(Base):
    """One line of a file: the report, until it is judged, and what became of it."""

    __tablename__ = "condition_row"

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    report: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    outcome: Mapped[str | None]
    event_id: Mapped[UUID | None]
    field: Mapped[str | None]
    code: Mapped[str | None]
    message: Mapped[str | None]


class ConditionWaiverRow(Base):
    """A person need not meet conditions of a kind for some days: the service was not there for her."""

    __tablename__ = "condition_waiver"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    subject_id: Mapped[UUID]
    kind: Mapped[str]
    valid_from: Mapped[date]
    valid_until: Mapped[date]
    reason_code: Mapped[str]
    case_id: Mapped[UUID | None]
    granted_by: Mapped[str]
    granted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    withdrawn_at: Mapped[datetime | None]


class ServiceGapRow(Base):
    """A place where the service of a kind was not available: nobody who lives there need meet it."""

    __tablename__ = "service_gap"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    place_code: Mapped[str]
    kind: Mapped[str]
    valid_from: Mapped[date]
    valid_until: Mapped[date]
    reason_code: Mapped[str]
    granted_by: Mapped[str]
    granted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    withdrawn_at: Mapped[datetime | None]


class EmployerAccountRow(Base):
    """Which employers the bearer of a token may report for."""

    __tablename__ = "employer_account"

    subject: Mapped[str] = mapped_column(primary_key=True)
    employer_id: Mapped[UUID] = mapped_column(primary_key=True)
    granted_by: Mapped[str]
    granted_at: Mapped[datetime] = mapped_column(server_default=func.now())
