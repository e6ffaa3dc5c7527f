"""Decisions: what the rules said of a household, by which version, on which facts, clause by clause (law 7)."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.eligibility.model import Base


class Purpose(StrEnum):
    """What a decision was taken for."""

    ENROLMENT = "enrolment"
    PAYMENT = "payment"


class DecisionRow(Base):
    """One decision. The facts are the rows (beneficiary_id, facts_version) of the projection, which never change.

    Attributes:
        on_date: the reference date: ages, card and rates are those of this day.
        clauses: {"<clause>": true | false}, every clause of the version.
        lines: {"<payable component>": [{"component", "quantity", "rate", "amount"}]}, every line of every formula,
            amounts as decimal text, `rate` null where no rate is given for these facts; null for enrolments.
    """

    __tablename__ = "decision"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    programme_code: Mapped[str]
    programme_version: Mapped[int]
    cycle_id: Mapped[UUID | None]
    beneficiary_id: Mapped[UUID]
    beneficiary_reference: Mapped[str]
    village_code: Mapped[str]
    facts_version: Mapped[int]
    facts_hash: Mapped[bytes]
    on_date: Mapped[date]
    qualifies: Mapped[bool]
    clauses: Mapped[dict[str, bool]] = mapped_column(JSONB)
    lines: Mapped[dict[str, list[dict[str, Any]]] | None] = mapped_column(JSONB)
    decided_at: Mapped[datetime] = mapped_column(server_default=func.now())
