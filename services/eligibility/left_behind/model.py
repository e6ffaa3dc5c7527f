"""What payments told of each payment, by entitlement; and the figures of who is left behind, counted once a month."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Numeric, text
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


class LeftBehindEditionRow(Base):
    """The figures of a programme's month, counted once (left_behind/count_editions.py). Append-only.

    Attributes:
        kind: not_enrolled, blocked or not_paid; `cycle_id`: of the last.
        period: the month that was over, e.g. `2020-07`.
        by_person: its beneficiaries are persons.
    """

    __tablename__ = "left_behind_edition"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    programme_code: Mapped[str]
    kind: Mapped[str]
    cycle_id: Mapped[UUID | None]
    period: Mapped[str]
    by_person: Mapped[bool]
    counted_at: Mapped[datetime]


class LeftBehindCellRow(Base):
    """One count of an edition. Only `figure` is ever shown. Append-only.

    Attributes:
        split: place (beneficiaries), people (their households' people), sex, age or disability.
        place: "" is the country; down to communes, of splits to districts.
        figure: a multiple of five; None: it is not shown.
        households: that it had when the figure, or that there is none, was last decided.
    """

    __tablename__ = "left_behind_cell"

    edition_id: Mapped[UUID] = mapped_column(ForeignKey("left_behind_edition.id"), primary_key=True)
    split: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    category: Mapped[str] = mapped_column(primary_key=True)
    figure: Mapped[int | None]
    households: Mapped[int]
