"""Cycles and entitlements: states and transitions. Pure but for the ORM mapping.

open -> computing -> computed -> closing -> closed
             ^__________|   (computed again, before closing)
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Numeric, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.eligibility.model import Base


class CycleState(StrEnum):
    """States of a cycle, in order."""

    OPEN = "open"
    COMPUTING = "computing"
    COMPUTED = "computed"
    CLOSING = "closing"
    CLOSED = "closed"

    @property
    def frozen(self) -> bool:
        """Nothing of it may change any more."""
        return self in (CycleState.CLOSING, CycleState.CLOSED)


class CycleRow(Base):
    """One period of a programme.

    Attributes:
        programme_version: the version it is computed with: the one in force on `reference_date`.
        entitlement_count, amount, totals, content_hash: of its entitlements, once computed.
        unpriced: households that qualify and for which a rate is missing: they get nothing until it is given.
        published_through, published_count: how far closing has come.
    """

    __tablename__ = "cycle"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    programme_code: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    programme_version: Mapped[int]
    period: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=CycleState.OPEN.value)
    reference_date: Mapped[date]
    last_day: Mapped[date]
    window_from: Mapped[date]
    window_until: Mapped[date]
    currency: Mapped[str]
    funding_line: Mapped[str]
    entitlement_count: Mapped[int | None]
    amount: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    totals: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    content_hash: Mapped[str | None]
    unpriced: Mapped[int | None]
    published_through: Mapped[UUID | None]
    published_count: Mapped[int] = mapped_column(server_default="0")
    opened_by: Mapped[str]
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    computed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    closed_at: Mapped[datetime | None]


class EntitlementRow(Base):
    """What a beneficiary is owed for a cycle and component. Its id is the deterministic UUID of `entitlement`,
    programme, cycle, beneficiary and component: computing twice gives the same entitlements.

    Attributes:
        lines: [{"component", "quantity", "rate", "amount"}], amounts as decimal text; they sum to `amount`.
        digest: SHA-256 of the entitlement as one line of text (see cycles/content_hash.py).
    """

    __tablename__ = "entitlement"

    cycle_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    decision_id: Mapped[UUID]
    beneficiary_id: Mapped[UUID]
    beneficiary_reference: Mapped[str]
    village_code: Mapped[str]
    component: Mapped[str]
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    digest: Mapped[bytes]
