"""Enrolments: one per programme and beneficiary, with every change of its life."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, Numeric, false, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from services.eligibility.enrolments.life import EnrolmentState
from services.eligibility.model import Base

__all__ = ["EnrolmentChangeRow", "EnrolmentLookRow", "EnrolmentRow", "EnrolmentState"]


class EnrolmentRow(Base):
    """A beneficiary takes part from `effective_on`; `decision_id` explains why. No foreign key to the decision: the two
    are written by one statement, and 700,000 key checks cost more than the statement.

    Attributes:
        changed_on, changed_by, cause: of the present state; `changed_by` None: by the platform. The cause of taking
            part is that of the newcomers' daily look (enrolments/newcomers_sql.py); none where an officer enrolled.
        approved_cause: why it takes part, or waits for a place, as events tell it (contracts' `EnrolmentCause`); it
            stays through pauses and moves. None: from before it was kept.
        suspended_until: last day of a pause that has one.
        expected_amount: of a period, when it was judged: what a budget cap counts.
        rank_key, rank: of the waiting list; the lowest key comes first.
        card_valid_until: of the household's card, as last judged: the list of warnings.
        appeal_hold: an appeal with effect `continue` is open: the platform ends and suspends nothing by itself.
        ended_for_good: only an officer may let it begin again.
    """

    __tablename__ = "enrolment"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    version: Mapped[int] = mapped_column(server_default="1")
    programme_code: Mapped[str]
    programme_version: Mapped[int]
    beneficiary_id: Mapped[UUID]
    household_id: Mapped[UUID]
    beneficiary_reference: Mapped[str]
    village_code: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=EnrolmentState.APPROVED.value)
    effective_on: Mapped[date]
    ended_on: Mapped[date | None]
    cause: Mapped[str | None]
    approved_cause: Mapped[str | None]
    decision_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_on: Mapped[date | None]
    changed_by: Mapped[str | None]
    suspended_until: Mapped[date | None]
    recertified_on: Mapped[date | None]
    expected_amount: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    rank_key: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    rank: Mapped[int | None] = mapped_column(BigInteger)
    card_valid_until: Mapped[date | None]
    appeal_hold: Mapped[bool] = mapped_column(server_default=false())
    ended_for_good: Mapped[bool] = mapped_column(server_default=false())


class EnrolmentLookRow(Base):
    """Of a programme: the first day that an officer enrolled for, and the last one on which everybody was looked at.

    Before `opened_on` the platform enrols nobody by itself: a programme's beginning is an officer's word.
    """

    __tablename__ = "enrolment_look"

    programme_code: Mapped[str] = mapped_column(primary_key=True)
    opened_on: Mapped[date]
    looked_on: Mapped[date | None]


class EnrolmentChangeRow(Base):
    """One change in an enrolment's life; `version` is that of the enrolment after it. Never changed (a trigger).

    `made_by`: subject of the officer; None: the platform.
    """

    __tablename__ = "enrolment_change"

    enrolment_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    action: Mapped[str]
    state: Mapped[str]
    cause: Mapped[str | None]
    effective_on: Mapped[date]
    decision_id: Mapped[UUID | None]
    made_by: Mapped[str | None]
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())
