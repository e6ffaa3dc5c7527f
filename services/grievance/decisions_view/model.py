"""Tables of what eligibility told: decisions, the words of programmes, and who takes part."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Date, DateTime, Index, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.grievance.base import Base


class DecisionView(Base):
    """A decision, with what it saw. Facts are those that the programme's rules name."""

    __tablename__ = "decision_view"
    __table_args__ = (Index("ix_decision_view_beneficiary", "beneficiary_id", "programme_code"),)

    decision_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    programme_code: Mapped[str] = mapped_column(Text)
    programme_version: Mapped[int] = mapped_column(Integer)
    beneficiary_id: Mapped[UUID]
    village_code: Mapped[str] = mapped_column(Text)
    decided_on: Mapped[date] = mapped_column(Date)
    eligible: Mapped[bool] = mapped_column(Boolean)
    failed_clauses: Mapped[list[str]] = mapped_column(ARRAY(Text))
    facts: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    decided_by: Mapped[str | None] = mapped_column(Text)
    told_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ProgrammeView(Base):
    """The words of a programme version."""

    __tablename__ = "programme_view"

    programme_code: Mapped[str] = mapped_column(Text, primary_key=True)
    programme_version: Mapped[int] = mapped_column(Integer, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    name_km: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    clauses: Mapped[list[dict[str, str]]] = mapped_column(JSONB)


class EnrolmentView(Base):
    """Whether a beneficiary takes part in a programme, and if not, who ended it and why."""

    __tablename__ = "enrolment_view"

    enrolment_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(Text)
    programme_code: Mapped[str] = mapped_column(Text)
    programme_version: Mapped[int] = mapped_column(Integer)
    beneficiary_id: Mapped[UUID]
    village_code: Mapped[str] = mapped_column(Text)
    effective_on: Mapped[date] = mapped_column(Date)
    cause: Mapped[str | None] = mapped_column(Text)
    ended_by: Mapped[str | None] = mapped_column(Text)
