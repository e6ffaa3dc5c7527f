"""Tables of cases: the case, its history, its notes, its referrals. What people wrote is encrypted; states: states.py.

Rows of sealed cases are hidden by the database itself (row-level security): see sealing.py.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Computed,
    Date,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.grievance.base import Base
from services.grievance.cases.states import CaseState

_ANSWERED = "state IN ('resolved', 'closed', 'merged')"


class Case(Base):
    """One complaint. `version` grows with every change and travels in its events.

    Attributes:
        subject_id: id of the payment, household, person, decision or official complained about.
        beneficiary_id: whom the payment or decision is for, as known when the case was opened.
        complainant_person_id: who complains; null: anonymous (fault 23).
        place_code: where it belongs; null: nobody said, so only national officers see it.
        level: the level of the ladder that owes the answer.
        due_on: last local day for an answer.
        sealed: seen by sealed case officers only; sealed_at: since when: counted in that quarter.
        description_encrypted: the complainant's words, under the service's key (of a sealed case: the sealed key) and
            bound to the case's id; null for a case that the platform opened by itself.
        receipt_hash: keyed hash of the receipt code; the code itself is shown once and kept nowhere.
        contact_encrypted: where the complainant wants to be told, encrypted in the same way.
        auto_payment_id: the payment for which the platform opened the case by itself: at most one case each.
        payment_version: of a case about a payment: the last version of the payment that was noted on it.
        merged_into: the case that this one repeats.
        answered: computed: nobody waits any more. Lists show the others first.
        province_code, commune_code: computed, for lists of an area: row security only lets plain equality use an index.
    """

    __tablename__ = "grievance_case"
    __table_args__ = (
        CheckConstraint("(subject_type = 'none') = (subject_id IS NULL)", name="subject"),
        CheckConstraint("(state IN ('resolved', 'closed')) = (outcome IS NOT NULL)", name="outcome"),
        CheckConstraint("(state = 'merged') = (merged_into IS NOT NULL)", name="merged"),
        CheckConstraint("(contact_kind IS NULL) = (contact_encrypted IS NULL)", name="contact"),
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
        CheckConstraint("sealed = (sealed_at IS NOT NULL)", name="sealed_at"),
        Index("ix_grievance_case_due", "answered", "due_on", "id"),
        Index("ix_grievance_case_subject", "subject_id"),
        Index(
            "ix_grievance_case_mine",
            "assigned_to",
            "answered",
            "due_on",
            "id",
            postgresql_where=text("assigned_to IS NOT NULL"),
        ),
        Index("ix_grievance_case_province", "province_code", "answered", "due_on", "id"),
        Index("ix_grievance_case_commune", "commune_code", "answered", "due_on", "id"),
        Index("ix_grievance_case_merged_into", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
        Index(
            "uq_grievance_case_receipt_hash",
            "receipt_hash",
            unique=True,
            postgresql_where=text("receipt_hash IS NOT NULL"),
        ),
        Index(
            "uq_grievance_case_auto_payment_id",
            "auto_payment_id",
            unique=True,
            postgresql_where=text("auto_payment_id IS NOT NULL"),
        ),
        Index("ix_grievance_case_sealed", "due_on", "id", postgresql_where=text("sealed")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(Text, unique=True)
    version: Mapped[int] = mapped_column(BigInteger)
    category: Mapped[str] = mapped_column(Text)
    route: Mapped[str] = mapped_column(Text)
    priority: Mapped[str] = mapped_column(Text)
    subject_type: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID | None]
    beneficiary_id: Mapped[UUID | None]
    channel: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    place_code: Mapped[str | None] = mapped_column(Text)
    complainant_person_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(Text)
    level: Mapped[str] = mapped_column(Text)
    assigned_to: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    due_on: Mapped[date] = mapped_column(Date)
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    description_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    receipt_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    sealed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    contact_kind: Mapped[str | None] = mapped_column(Text)
    contact_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    auto_payment_id: Mapped[UUID | None]
    payment_version: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    merged_into: Mapped[UUID | None] = mapped_column(ForeignKey("grievance_case.id"))
    rating: Mapped[int | None] = mapped_column(SmallInteger)
    rated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    answered: Mapped[bool] = mapped_column(Boolean, Computed(_ANSWERED, persisted=True))
    province_code: Mapped[str | None] = mapped_column(Text, Computed("left(place_code, 2)", persisted=True))
    commune_code: Mapped[str | None] = mapped_column(Text, Computed("left(place_code, 6)", persisted=True))

    @property
    def present_state(self) -> CaseState:
        """The state, as its enumeration."""
        return CaseState(self.state)

    def concerned_ids(self) -> frozenset[UUID]:
        """Whom the case is about or from, as far as the row tells."""
        return frozenset(
            found for found in (self.subject_id, self.complainant_person_id, self.beneficiary_id) if found is not None
        )


class CaseStep(Base):
    """One step in a case's history: which action by whom led to which state. Append-only.

    That its case is there is checked once per statement, by a trigger (migration 0004), not by a foreign key per row.
    """

    __tablename__ = "case_step"

    case_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    action: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))


class CaseEscalation(Base):
    """A case went up to this level: once each, whatever restarts and clocks do (the primary key)."""

    __tablename__ = "case_escalation"

    case_id: Mapped[UUID] = mapped_column(ForeignKey("grievance_case.id"), primary_key=True)
    level: Mapped[str] = mapped_column(Text, primary_key=True)
    missed: Mapped[date] = mapped_column(Date)
    due_on: Mapped[date] = mapped_column(Date)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class CaseNote(Base):
    """What an officer wrote about a case; `internal` notes are never shown to the complainant. Append-only.

    Ids are random in their low bits, not counted: gaps in a count would tell of notes in sealed cases.
    """

    __tablename__ = "case_note"
    __table_args__ = (Index("ix_case_note_case_id", "case_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("grievance_case.id"))
    visibility: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    text_encrypted: Mapped[bytes] = mapped_column(LargeBinary)


class CaseReferral(Base):
    """A case was given to another institution, and perhaps came back."""

    __tablename__ = "case_referral"
    __table_args__ = (
        CheckConstraint("(returned_at IS NULL) = (answer IS NULL)", name="returned"),
        Index("ix_case_referral_case_id", "case_id"),
        Index("uq_case_referral_pending", "case_id", unique=True, postgresql_where=text("returned_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("grievance_case.id"))
    institution: Mapped[str] = mapped_column(Text)
    referred_by: Mapped[str] = mapped_column(Text)
    referred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    answer: Mapped[str | None] = mapped_column(Text)
    returned_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
