"""Decisions: what the rules said of a beneficiary, by which version, on which facts, clause by clause (law 7)."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Text, func
from sqlalchemy.dialects.postgresql import ARRAY, JSON
from sqlalchemy.orm import Mapped, mapped_column

from services.eligibility.model import Base


class Purpose(StrEnum):
    """What a decision was taken for."""

    ENROLMENT = "enrolment"
    REASSESSMENT = "reassessment"
    PAYMENT = "payment"
    CORRECTION = "correction"


class DecisionRow(Base):
    """One decision. The facts are the rows (household_id, facts_version) of the projection, which never change.

    Attributes:
        unit_id: of event programmes, the event; else null, and the beneficiary is the unit.
        on_date: the reference date: ages, card and rates are those of this day.
        failed: ids of the clauses that do not hold; every other clause of the version holds.
        lines: {"<payable component>": [{"component", "quantity", "rate", "amount"}]}, every line of every formula,
            amounts as decimal text, `rate` null where no rate is given for these facts. Null for enrolments, and where
            the cycle's entitlements hold the same lines.
    """

    __tablename__ = "decision"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    programme_code: Mapped[str]
    programme_version: Mapped[int]
    cycle_id: Mapped[UUID | None]
    unit_id: Mapped[UUID | None]
    beneficiary_id: Mapped[UUID]
    household_id: Mapped[UUID]
    beneficiary_reference: Mapped[str]
    village_code: Mapped[str]
    facts_version: Mapped[int]
    facts_hash: Mapped[bytes]
    on_date: Mapped[date]
    qualifies: Mapped[bool]
    failed: Mapped[list[str]] = mapped_column(ARRAY(Text))
    lines: Mapped[dict[str, list[dict[str, Any]]] | None] = mapped_column(JSON)
    decided_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StandingRow(Base):
    """The last decision that was told of a beneficiary in a programme: the next one is told when it differs."""

    __tablename__ = "standing"

    beneficiary_id: Mapped[UUID] = mapped_column(primary_key=True)
    programme_code: Mapped[str] = mapped_column(primary_key=True)
    household_id: Mapped[UUID]
    version: Mapped[int] = mapped_column(server_default="1")
    decision_id: Mapped[UUID]
    programme_version: Mapped[int]
    qualifies: Mapped[bool]
    failed: Mapped[list[str]] = mapped_column(ARRAY(Text))
    facts_version: Mapped[int]
    on_date: Mapped[date]
    village_code: Mapped[str]


class PendingDecisionRow(Base):
    """A decision of an open cycle that differs from the standing one: told when the cycle is closed."""

    __tablename__ = "pending_decision"

    cycle_id: Mapped[UUID] = mapped_column(primary_key=True)
    beneficiary_id: Mapped[UUID] = mapped_column(primary_key=True)
    household_id: Mapped[UUID]
    decision_id: Mapped[UUID]
    facts: Mapped[list[dict[str, str]]] = mapped_column(JSON)
