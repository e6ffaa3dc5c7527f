"""Fact tables. Each row is what the newest event of its aggregate said: whole rows are replaced, never merged.

Therefore the same events, delivered twice or in any order, leave the same rows. Two facts that end something without
repeating what it was (a dissolved household, a revoked entitlement) are kept apart: the first replaces the row by one
without facts, the second has a table of its own, so that the sum once granted can still be checked.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Date, Index, Integer, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.insights.base import Base

REFUNDS: Final = "REFUND"
"""What payments calls the programme of a refund; eligibility takes no programme of this name."""


class HouseholdFact(Base):
    """A household. `state` is `active` or `dissolved` (without facts); `kind` is `family`, `institution` or
    `individual`: a person registered alone."""

    __tablename__ = "household_fact"
    __table_args__ = (
        Index("ix_household_fact_village", "village_code", postgresql_ops={"village_code": "text_pattern_ops"}),
    )

    household_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    village_code: Mapped[str | None] = mapped_column(Text)
    location_class: Mapped[str | None] = mapped_column(Text)
    poverty_level: Mapped[int | None] = mapped_column(Integer)
    at_risk: Mapped[bool]
    kind: Mapped[str] = mapped_column(Text)
    people: Mapped[int] = mapped_column(Integer)


class EnrolmentFact(Base):
    """A beneficiary's part in a programme. `state` is `approved`, `waitlisted`, `suspended` or `ended`."""

    __tablename__ = "enrolment_fact"
    __table_args__ = (Index("ix_enrolment_fact_programme", "programme_code", "state"),)

    enrolment_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    programme_code: Mapped[str] = mapped_column(Text)
    beneficiary_id: Mapped[UUID]
    village_code: Mapped[str] = mapped_column(Text)
    effective_on: Mapped[date] = mapped_column(Date)


class EnrolmentStart(Base):
    """A beneficiary began to take part on a day. Who ended and began again has a row for each beginning.

    Attributes:
        cause: a code of the contracts' `EnrolmentCause`; None: the event told none.
        village_code: where she was last told to live while it lasted.
    """

    __tablename__ = "enrolment_start"
    __table_args__ = (Index("ix_enrolment_start_programme", "programme_code", "effective_on"),)

    enrolment_id: Mapped[UUID] = mapped_column(primary_key=True)
    effective_on: Mapped[date] = mapped_column(Date, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    programme_code: Mapped[str] = mapped_column(Text)
    village_code: Mapped[str] = mapped_column(Text)
    cause: Mapped[str | None] = mapped_column(Text)


class EntitlementFact(Base):
    """What was granted. Whether it was withdrawn since is in `entitlement_revocation`."""

    __tablename__ = "entitlement_fact"
    __table_args__ = (Index("ix_entitlement_fact_cycle", "cycle_id"),)

    entitlement_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    cycle_id: Mapped[UUID]
    programme_code: Mapped[str] = mapped_column(Text)
    period: Mapped[str] = mapped_column(Text)
    beneficiary_id: Mapped[UUID]
    village_code: Mapped[str] = mapped_column(Text)
    component: Mapped[str] = mapped_column(Text)
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    currency: Mapped[str] = mapped_column(Text)


class EntitlementRevocation(Base):
    """The newest withdrawal of an entitlement: it counts while its version is above the grant's."""

    __tablename__ = "entitlement_revocation"

    entitlement_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)


class ControlTotals(Base):
    """What a producer says a whole cycle holds: count, sum, and both per component and province (`totals`)."""

    __abstract__ = True

    cycle_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    programme_code: Mapped[str] = mapped_column(Text)
    period: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    count: Mapped[int] = mapped_column(BigInteger)
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    totals: Mapped[list[Any]] = mapped_column(JSONB)


class CycleFact(ControlTotals):
    """The control totals of a closed cycle: what eligibility says it granted."""

    __tablename__ = "cycle_fact"


class PaymentListFact(ControlTotals):
    """The control totals of an approved payment list: what payments says it will pay."""

    __tablename__ = "payment_list_fact"


class PaymentFact(Base):
    """A payment of a benefit. `status` is `excluded` (by a check of the list), `instructed`, `settled`, `failed`,
    `returned` or `expired`."""

    __tablename__ = "payment_fact"
    __table_args__ = (Index("ix_payment_fact_cycle", "cycle_id"),)

    payment_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(Text)
    attempt: Mapped[int] = mapped_column(Integer)
    cycle_id: Mapped[UUID]
    programme_code: Mapped[str] = mapped_column(Text)
    period: Mapped[str] = mapped_column(Text)
    village_code: Mapped[str] = mapped_column(Text)
    component: Mapped[str] = mapped_column(Text)
    rail: Mapped[str] = mapped_column(Text)
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    currency: Mapped[str] = mapped_column(Text)
    reason_code: Mapped[str | None] = mapped_column(Text)


class RefundFact(Base):
    """A contribution that goes back to an employer who paid too much: it leaves like a payment, and is no benefit.

    `status` as of a payment. It is of no cycle and no list, so there is no control total for it.
    """

    __tablename__ = "refund_fact"

    payment_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(Text)
    period: Mapped[str] = mapped_column(Text)
    village_code: Mapped[str] = mapped_column(Text)
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    currency: Mapped[str] = mapped_column(Text)
    reason_code: Mapped[str | None] = mapped_column(Text)


class CaseFact(Base):
    """A case. `state` is `opened`, `escalated`, `resolved`, `reopened` or `closed`."""

    __tablename__ = "case_fact"

    case_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    category: Mapped[str] = mapped_column(Text)
    subject_type: Mapped[str] = mapped_column(Text)
    place_code: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(Text)
