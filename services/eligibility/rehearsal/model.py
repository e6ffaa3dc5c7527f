"""Rehearsals, kept with the version they try: what was asked, what came out, and who approved exactly that."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Numeric, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.eligibility.model import Base


class RehearsalState(StrEnum):
    """States of a rehearsal, in order."""

    RUNNING = "running"
    FINISHED = "finished"
    APPROVED = "approved"


class RehearsalRow(Base):
    """One rehearsal. `result_hash` is the SHA-256 of the canonical result and of what was asked."""

    __tablename__ = "rehearsal"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    programme_code: Mapped[str]
    version: Mapped[int]
    baseline_version: Mapped[int | None]
    request: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(server_default=RehearsalState.RUNNING.value)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    result_hash: Mapped[str | None]
    requested_by: Mapped[str]
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]


class RehearsalChangeRow(Base):
    """One unit (household, person) whose amount a rehearsed version changes, where the request asked for a list."""

    __tablename__ = "rehearsal_change"

    rehearsal_id: Mapped[UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[UUID] = mapped_column(primary_key=True)
    household_id: Mapped[UUID]
    reference: Mapped[str]
    village_code: Mapped[str]
    change: Mapped[str]
    clause: Mapped[str]
    amount_before: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    amount_after: Mapped[Decimal] = mapped_column(Numeric(18, 2))
