"""Tables of what the registry told: members of each household, and which records turned out to be one."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from services.grievance.base import Base


class HouseholdView(Base):
    """A household's place and the ids of its living members; none after it was dissolved."""

    __tablename__ = "household_view"
    __table_args__ = (Index("ix_household_view_member_ids", "member_ids", postgresql_using="gin"),)

    household_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    village_code: Mapped[str | None] = mapped_column(Text)
    member_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))


class IdentityAlias(Base):
    """A record that is known under another id since a merge; `surviving_id` is null once the merge was undone."""

    __tablename__ = "identity_alias"

    retired_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    surviving_id: Mapped[UUID | None] = mapped_column(index=True)
