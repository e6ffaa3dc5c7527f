"""Tables of what is known of payments: the present state, and every state that was told."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Index, Integer, Numeric, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.grievance.base import Base


class PaymentView(Base):
    """The newest told state of a payment (by the producer's version)."""

    __tablename__ = "payment_view"
    __table_args__ = (Index("ix_payment_view_beneficiary", "beneficiary_id", "programme_code"),)

    payment_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(Text)
    attempt: Mapped[int] = mapped_column(Integer)
    programme_code: Mapped[str] = mapped_column(Text)
    period: Mapped[str] = mapped_column(Text)
    beneficiary_id: Mapped[UUID]
    village_code: Mapped[str] = mapped_column(Text)
    component: Mapped[str] = mapped_column(Text)
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    currency: Mapped[str] = mapped_column(Text)
    rail: Mapped[str] = mapped_column(Text)
    reason_code: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    told_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    account_token: Mapped[str | None] = mapped_column(Text)
    agent_code: Mapped[str | None] = mapped_column(Text)


class PaymentStep(Base):
    """One state that a payment went through."""

    __tablename__ = "payment_step"

    payment_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    status: Mapped[str] = mapped_column(Text)
    attempt: Mapped[int] = mapped_column(Integer)
    rail: Mapped[str] = mapped_column(Text)
    reason_code: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    told_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
