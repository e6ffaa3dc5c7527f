"""Table of remedies. What was asked is encrypted: corrections are facts about people."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy import DateTime as Instant
from sqlalchemy.orm import Mapped, mapped_column

from services.grievance.base import Base


class RemedyState(StrEnum):
    """How far a remedy has come."""

    REQUESTED = "requested"
    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"


class Remedy(Base):
    """One request to another service. At most one of a kind is pending for a case."""

    __tablename__ = "remedy"
    __table_args__ = (
        Index("ix_remedy_case_id", "case_id"),
        Index(
            "uq_remedy_pending",
            "case_id",
            "kind",
            unique=True,
            postgresql_where=text("state IN ('requested', 'waiting')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("grievance_case.id"))
    kind: Mapped[str] = mapped_column(Text)
    request_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
    requested_by: Mapped[str] = mapped_column(Text)
    requested_at: Mapped[datetime] = mapped_column(Instant(timezone=True))
    state: Mapped[str] = mapped_column(Text)
    answer_version: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    reason_code: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    result_id: Mapped[UUID | None]
    answered_at: Mapped[datetime | None] = mapped_column(Instant(timezone=True))
