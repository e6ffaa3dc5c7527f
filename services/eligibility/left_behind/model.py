"""What payments told of each payment: the newest state, by entitlement."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from services.eligibility.model import Base


class PaymentStateRow(Base):
    """One payment as last told. `state`: instructed, settled, failed, returned, expired, excluded."""

    __tablename__ = "payment_state"

    payment_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    cycle_id: Mapped[UUID]
    programme_code: Mapped[str]
    period: Mapped[str]
    beneficiary_id: Mapped[UUID]
    component: Mapped[str]
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    state: Mapped[str]
    reason_code: Mapped[str | None]
