"""Table of officers who answer complaints."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from services.grievance.base import Base
from shared.auth import NATIONAL


class Officer(Base):
    """Somebody to whom cases may be given.

    Attributes:
        subject: of her token.
        areas: place-code prefixes; `*` is the whole country.
        categories: what she answers; empty: everything that is not sealed.
        capacity: how many open cases she can have.
        sealed: whether she may be given sealed cases.
        person_id: her own record in the registry, so that she is given no case of her household.
    """

    __tablename__ = "officer"
    __table_args__ = (CheckConstraint("capacity > 0", name="capacity"),)

    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    level: Mapped[str] = mapped_column(Text)
    areas: Mapped[list[str]] = mapped_column(ARRAY(Text))
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))
    capacity: Mapped[int] = mapped_column(Integer)
    sealed: Mapped[bool] = mapped_column(Boolean)
    active: Mapped[bool] = mapped_column(Boolean)
    person_id: Mapped[UUID | None]

    def covers(self, place_code: str | None) -> bool:
        """Whether a place lies in her area; a case without a place is for national officers."""
        if NATIONAL in self.areas:
            return True
        return place_code is not None and any(place_code.startswith(area) for area in self.areas)
