"""Enrolments: one per programme and beneficiary."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, text
from sqlalchemy.orm import Mapped, mapped_column

from services.eligibility.model import Base


class EnrolmentState(StrEnum):
    """States of an enrolment."""

    APPROVED = "approved"
    SUSPENDED = "suspended"
    ENDED = "ended"


class EnrolmentRow(Base):
    """A beneficiary takes part from `effective_on`; `decision_id` explains why. No foreign key to the decision: the two
    are written by one statement, and 700,000 key checks cost more than the statement."""

    __tablename__ = "enrolment"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    version: Mapped[int] = mapped_column(server_default="1")
    programme_code: Mapped[str]
    programme_version: Mapped[int]
    beneficiary_id: Mapped[UUID]
    beneficiary_reference: Mapped[str]
    village_code: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=EnrolmentState.APPROVED.value)
    effective_on: Mapped[date]
    ended_on: Mapped[date | None]
    cause: Mapped[str | None]
    decision_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
