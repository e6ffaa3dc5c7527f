"""Tables of patterns. One found in sealed cases is sealed itself."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, DateTime, ForeignKey, Integer, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.grievance.base import Base


class PatternKind(StrEnum):
    """What many cases have in common."""

    ACCOUNT = "account"
    AGENT = "agent"
    OFFICIAL = "official"


class PatternState(StrEnum):
    """What was made of a pattern."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"


class Pattern(Base):
    """One account, agent or official in at least as many cases as the policy says.

    Attributes:
        subject: the account's opaque token, the agent's code, or the official's id.
        cases: how many, within the window, when last looked.
    """

    __tablename__ = "pattern"
    __table_args__ = (UniqueConstraint("kind", "subject", "sealed"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    sealed: Mapped[bool] = mapped_column(Boolean)
    cases: Mapped[int] = mapped_column(Integer)
    first_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    state: Mapped[str] = mapped_column(Text)
    decided_by: Mapped[str | None] = mapped_column(Text)
    cases_when_decided: Mapped[int | None] = mapped_column(Integer)


class PatternCase(Base):
    """A case that belongs to a pattern."""

    __tablename__ = "pattern_case"

    pattern_id: Mapped[UUID] = mapped_column(ForeignKey("pattern.id"), primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("grievance_case.id"), primary_key=True, index=True)
