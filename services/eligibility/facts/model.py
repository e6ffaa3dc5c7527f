"""Facts as the registry told them: every version of a household is kept, with the day from which it holds.

Rows are never changed, so a decision that names (household_id, version) can always be explained from them, and a past
month is judged by what held then (fault 19).
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import false, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.eligibility.model import Base


class HouseholdFactRow(Base):
    """One version of a household. `poverty_level` is 0 without a card; a dissolved household has no members.

    `recorded_at` is the time of the registry's event, not of its arrival: rebuilt from the topic, it is the same.
    """

    __tablename__ = "household_fact"

    household_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    effective_on: Mapped[date]
    reference: Mapped[str]
    village_code: Mapped[str]
    location_class: Mapped[str]
    poverty_level: Mapped[int]
    card_valid_from: Mapped[date | None]
    card_valid_until: Mapped[date | None]
    at_risk: Mapped[bool]
    dissolved: Mapped[bool]
    facts_hash: Mapped[bytes]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    kind: Mapped[str] = mapped_column(server_default="family")
    shocks: Mapped[list[dict[str, str]]] = mapped_column(JSONB, server_default="[]")
    poverty_cause: Mapped[str | None]
    change: Mapped[str | None]


class MemberFactRow(Base):
    """One member in one version of a household. `birth_ymd` is the birth date as the number 20200131: ages are its
    differences, exact and cheap."""

    __tablename__ = "member_fact"

    household_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    relationship: Mapped[str]
    sex: Mapped[str]
    birth_date: Mapped[date]
    birth_date_precision: Mapped[str]
    birth_ymd: Mapped[int]
    disability: Mapped[str]
    living_with_hiv: Mapped[bool]
    pregnant: Mapped[bool]
    education_level: Mapped[str] = mapped_column(server_default="none")
    employment: Mapped[str] = mapped_column(server_default="none")
    employer_id: Mapped[UUID | None]
    employer_sector: Mapped[str | None]
    insured: Mapped[bool] = mapped_column(server_default=false())
    civil_servant: Mapped[bool] = mapped_column(server_default=false())
    expected_delivery_on: Mapped[date | None]
    disability_card_valid_until: Mapped[date | None]


class IdentityAliasRow(Base):
    """A record that the registry merged into another: what happened under `retired_id` counts for `surviving_id`.

    The newest version decides; `active` false: the merge was undone.
    """

    __tablename__ = "identity_alias"

    retired_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    surviving_id: Mapped[UUID]
    merge_id: Mapped[UUID]
    version: Mapped[int]
    active: Mapped[bool]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LifeEventRow(Base):
    """Something that happened in a person's life, as the registry told it; withdrawn if it was a mistake."""

    __tablename__ = "life_event"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    kind: Mapped[str]
    person_id: Mapped[UUID]
    household_id: Mapped[UUID]
    occurred_on: Mapped[date | None]
    mother_person_id: Mapped[UUID | None]
    withdrawn: Mapped[bool]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
