"""Tables of cases: the case, its history and its notes. What people wrote is encrypted; states live in states.py."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Date, DateTime, ForeignKey, Identity, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.grievance.base import Base
from services.grievance.cases.states import CaseState


class Case(Base):
    """One complaint. `version` grows with every change and travels in its events.

    Attributes:
        subject_id: id of the payment, household, person, decision or official complained about.
        complainant_person_id: who complains; null: anonymous (fault 23).
        place_code: where it belongs; null: nobody said, so only national officers see it.
        due_on: last local day for an answer.
        description_encrypted: the complainant's words, under the service's key and bound to the case's id.
        receipt_hash: keyed hash of the receipt code; the code itself is shown once and kept nowhere.
    """

    __tablename__ = "grievance_case"
    __table_args__ = (
        CheckConstraint("(subject_type = 'none') = (subject_id IS NULL)", name="subject"),
        CheckConstraint("(state IN ('resolved', 'closed')) = (outcome IS NOT NULL)", name="outcome"),
        Index("ix_grievance_case_due", "due_on", "id"),
        Index("ix_grievance_case_subject", "subject_id"),
        Index("ix_grievance_case_place", "place_code", postgresql_ops={"place_code": "text_pattern_ops"}),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(Text, unique=True)
    version: Mapped[int] = mapped_column(BigInteger)
    category: Mapped[str] = mapped_column(Text)
    route: Mapped[str] = mapped_column(Text)
    priority: Mapped[str] = mapped_column(Text)
    subject_type: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID | None]
    channel: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    place_code: Mapped[str | None] = mapped_column(Text)
    complainant_person_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(Text)
    assigned_to: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    due_on: Mapped[date] = mapped_column(Date)
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    description_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
    receipt_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)

    @property
    def present_state(self) -> CaseState:
        """The state, as its enumeration."""
        return CaseState(self.state)

    def concerns(self, subject: str) -> bool:
        """Whether the holder of this token subject is the one complained about or the one complaining."""
        return subject in {str(self.subject_id), str(self.complainant_person_id)}


class CaseStep(Base):
    """One step in a case's history: which action by whom led to which state. Append-only."""

    __tablename__ = "case_step"

    case_id: Mapped[UUID] = mapped_column(ForeignKey("grievance_case.id"), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    action: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))


class CaseNote(Base):
    """What an officer wrote about a case; `internal` notes are never shown to the complainant. Append-only."""

    __tablename__ = "case_note"
    __table_args__ = (Index("ix_case_note_case_id", "case_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("grievance_case.id"))
    visibility: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    text_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
