"""Table of messages to complainants. It holds no words and no address: both are made when the message is sent."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Date, DateTime, ForeignKey, Index, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from services.grievance.base import Base


class MessageState(StrEnum):
    """How far a message has come."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


class Told(StrEnum):
    """The steps at which a complainant is told."""

    OPENED = "opened"
    TRIAGED = "triaged"
    ASSIGNED = "assigned"
    ESCALATED = "escalated"
    REFERRED = "referred"
    RETURNED = "returned"
    REMEDY_DONE = "remedy_done"
    PAID = "paid"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    CLOSED = "closed"
    MERGED = "merged"


class Notification(Base):
    """One message about one step of a case, with what it says as it was at that step."""

    __tablename__ = "notification"
    __table_args__ = (
        Index("ix_notification_due", "due_at", "id", postgresql_where=text("state = 'queued'")),
        Index("ix_notification_case_id", "case_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("grievance_case.id"))
    step: Mapped[str] = mapped_column(Text)
    level: Mapped[str] = mapped_column(Text)
    due_on: Mapped[date] = mapped_column(Date)
    outcome: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    queued_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
