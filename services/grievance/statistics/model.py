"""Tables of the counts of sealed cases that were published: what may be seen, as it was when the quarter was over.

Counted anew, a quarter would show from one day to the next that a single case moved to another province or category. So
each quarter is counted once, and the database refuses to change it. Only cells that may be seen are kept.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.grievance.base import Base


class SealedQuarter(Base):
    """A quarter that was counted, e.g. `2020-Q2`. Append-only."""

    __tablename__ = "sealed_quarter"

    quarter: Mapped[str] = mapped_column(Text, primary_key=True)
    frozen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class SealedQuarterCell(Base):
    """Cases of a province and category that were sealed in a quarter: at least five. Append-only."""

    __tablename__ = "sealed_quarter_cell"
    __table_args__ = (CheckConstraint("cases >= 5", name="least"),)

    quarter: Mapped[str] = mapped_column(ForeignKey("sealed_quarter.quarter"), primary_key=True)
    province_code: Mapped[str] = mapped_column(Text, primary_key=True)
    category: Mapped[str] = mapped_column(Text, primary_key=True)
    cases: Mapped[int] = mapped_column(Integer)
