"""Appeals as told, and remedies as answered."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from services.eligibility.model import Base


class AppealRow(Base):
    """An appeal against a decision. `outcome` is null while it is open."""

    __tablename__ = "appeal"

    appeal_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    decision_id: Mapped[UUID]
    programme_code: Mapped[str | None]
    beneficiary_id: Mapped[UUID]
    effect: Mapped[str]
    outcome: Mapped[str | None]


class RemedyRow(Base):
    """A remedy that was acted on: once, however often it is asked for."""

    __tablename__ = "remedy"

    remedy_id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID]
    kind: Mapped[str]
    outcome: Mapped[str]
    reason_code: Mapped[str]
    result_id: Mapped[UUID | None]
    answered_at: Mapped[datetime] = mapped_column(server_default=func.now())
