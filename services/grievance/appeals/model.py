"""Tables of appeals and their panels, and the rules of a panel without I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from services.grievance.base import Base


class AppealKind(StrEnum):
    """What is appealed."""

    REFUSAL = "refusal"
    DELISTING = "delisting"


class AppealState(StrEnum):
    """Where an appeal stands."""

    LODGED = "lodged"
    PANEL = "panel"
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"


class Vote(StrEnum):
    """What a member of the panel says."""

    UPHELD = "upheld"
    REJECTED = "rejected"


class Appeal(Base):
    """An appeal against one decision; its case carries the complaint and the deadline.

    Attributes:
        decision_id: the decision appealed; of a de-listing for which none was told: the enrolment's id.
        decided_by: who made it: she cannot sit on the panel. Null: the platform.
        effect: what happens to the money meanwhile, by policy: hold, continue or none.
    """

    __tablename__ = "appeal"
    __table_args__ = (
        CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name="ended"),
        Index("uq_appeal_pending", "decision_id", "kind", unique=True, postgresql_where=text("outcome IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("grievance_case.id"), unique=True)
    kind: Mapped[str] = mapped_column(Text)
    decision_id: Mapped[UUID]
    enrolment_id: Mapped[UUID | None]
    programme_code: Mapped[str] = mapped_column(Text)
    programme_version: Mapped[int] = mapped_column(Integer)
    beneficiary_id: Mapped[UUID]
    decided_by: Mapped[str | None] = mapped_column(Text)
    effect: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(Text)
    lodged_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class PanelMember(Base):
    """One who decides an appeal. Her reason is encrypted."""

    __tablename__ = "panel_member"

    appeal_id: Mapped[UUID] = mapped_column(ForeignKey("appeal.id"), primary_key=True)
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    appointed_by: Mapped[str] = mapped_column(Text)
    appointed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    vote: Mapped[str | None] = mapped_column(Text)
    reason_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    voted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


def decided(votes: Sequence[Vote | None]) -> Vote | None:
    """What a panel has decided: the side that has more than half of all seats; None while no side has.

    Args:
        votes: one per seat, an odd number; None: not voted yet.
    """
    for vote, count in Counter(vote for vote in votes if vote is not None).items():
        if count * 2 > len(votes):
            return vote
    return None
