"""Table of holds, and the rules of a hold without I/O."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Date, DateTime, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from services.grievance.base import Base


class HoldState(StrEnum):
    """Whether a hold is in force, and how it ended."""

    ACTIVE = "active"
    RELEASED = "released"
    EXPIRED = "expired"


class HoldReason(StrEnum):
    """Why a payment is kept back. A closed list: the reason is published, so it must never carry a person's story."""

    COMPLAINT_PENDING = "complaint_pending"
    ACCOUNT_DISPUTED = "account_disputed"
    IDENTITY_DISPUTED = "identity_disputed"
    SUSPECTED_DUPLICATE = "suspected_duplicate"
    REPORTED_DEATH = "reported_death"
    SUSPECTED_FRAUD = "suspected_fraud"
    APPEAL_PENDING = "appeal_pending"


class ReleaseCause(StrEnum):
    """Why an officer ended a hold."""

    RESOLVED = "resolved"
    MISTAKEN = "mistaken"


EXPIRED_CAUSE = "expired"
"""Cause of a release by the passing of the hold's last day."""


def end_problem(until: date, today: date, longest: timedelta) -> str | None:
    """What is wrong with the last day of a hold placed on `today` (both local dates); None when nothing is.

    A hold without a near end stops a family's money for ever by being forgotten (fault 24).
    """
    if until < today:
        return "The last day of a hold must not be in the past."
    if until > today + longest:
        return f"A hold ends within {longest.days} days; place a new one when it is still needed."
    return None


class Hold(Base):
    """One payment kept back until the end of the local day `until`.

    `version` counts the changes of all holds of the payment, because events are keyed by payment: a later hold's
    events always carry higher versions than an earlier one's.
    """

    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint("(state = 'active') = (cause IS NULL)", name="cause"),
        Index("uq_hold_active_payment", "payment_id", unique=True, postgresql_where=text("state = 'active'")),
        Index("ix_hold_payment_id", "payment_id"),
        Index("ix_hold_until", "until", postgresql_where=text("state = 'active'")),
        Index("ix_hold_case_id", "case_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    payment_id: Mapped[UUID]
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("grievance_case.id"))
    reason: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    place_code: Mapped[str | None] = mapped_column(Text)
    until: Mapped[date] = mapped_column(Date)
    state: Mapped[str] = mapped_column(Text)
    cause: Mapped[str | None] = mapped_column(Text)
    placed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
