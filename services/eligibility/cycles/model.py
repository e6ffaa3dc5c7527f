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

from sqlalchemy import ForeignKey, Numeric, Text, false, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB
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
        known_at: when it was computed: facts told later are corrections, for the next cycle.
        payment_number: this period's place among the programme's payments, counted from 1.
        unconfirmed_rates: rate tables used in it that no officer has confirmed.
        comparison, comparison_hash: with the cycle before; the hash covers it and the content hash.
        benefit_amount, arrears_amount, recovery_amount: amount = benefit + arrears - recovery.
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
    known_at: Mapped[datetime | None]
    payment_number: Mapped[int] = mapped_column(server_default="1")
    unconfirmed_rates: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    comparison: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    comparison_hash: Mapped[str | None]
    benefit_amount: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    arrears_amount: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    recovery_amount: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))


class EntitlementRow(Base):
    """What a beneficiary is owed for a cycle and component. Its id is the deterministic UUID of `entitlement`,
    programme, cycle, beneficiary and component: computing twice gives the same entitlements.

    Attributes:
        lines: [{"component", "quantity", "rate", "amount"}], amounts as decimal text; of an adjustment also "kind"
            (arrears, recovery) and "for_period". amount = benefit + arrears - recovery.
        digest: SHA-256 of the entitlement as one line of text (see cycles/content_hash.py).
        unconfirmed: a rate in it awaits confirmation.
    """

    __tablename__ = "entitlement"

    cycle_id: Mapped[UUID] = mapped_column(primary_key=True)
    beneficiary_id: Mapped[UUID] = mapped_column(primary_key=True)
    component: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID]
    decision_id: Mapped[UUID]
    household_id: Mapped[UUID]
    beneficiary_reference: Mapped[str]
    village_code: Mapped[str]
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    digest: Mapped[bytes]
    unconfirmed: Mapped[bool] = mapped_column(server_default=false())


class AdjustmentRow(Base):
    """A closed cycle put right in a later one: `arrears` are added, `recovery` is taken off, within the cap.

    Attributes:
        for_cycle_id, for_period: the closed cycle that is put right; it stays as it is.
        cycle_id: the cycle in which it is paid or taken.
        was_amount: what had been granted for it, adjustments so far included; right_amount: by the facts known now.
        decision_id: the decision on the corrected facts.
    """

    __tablename__ = "adjustment"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    programme_code: Mapped[str]
    beneficiary_id: Mapped[UUID]
    household_id: Mapped[UUID]
    beneficiary_reference: Mapped[str]
    village_code: Mapped[str]
    component: Mapped[str]
    for_cycle_id: Mapped[UUID]
    for_period: Mapped[str]
    cycle_id: Mapped[UUID]
    kind: Mapped[str]
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    was_amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    right_amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    facts_version: Mapped[int]
    decision_id: Mapped[UUID]
    found_at: Mapped[datetime] = mapped_column(server_default=func.now())
