"""Bodies of the history endpoints."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.registry.history.model import ChangeKind


class MemberAsOf(BaseModel):
    """A member as she was on the day. What the caller may not see is null."""

    model_config = ConfigDict(extra="ignore")

    person_id: UUID
    person_ref: str
    relationship: str
    valid_from: date = Field(description="When she joined.")
    name_km: str | None
    name_en: str | None
    sex: str
    birth_date: date
    birth_date_precision: str
    disability: str
    living_with_hiv: bool | None
    pregnant: bool | None
    expected_delivery_on: date | None
    education_level: str
    employment: str
    insured: bool
    civil_servant: bool


class HouseholdAsOf(BaseModel):
    """A household as it was on a day."""

    model_config = ConfigDict(extra="ignore")

    id: UUID
    as_of: date
    known_at: datetime | None = Field(description="By what was recorded until then; null: by all that is known now.")
    reference: str
    village_code: str
    household_ref: str
    kind: str
    location_class: str
    poverty_level: int | None
    poverty_score: Decimal | None
    poverty_source: str | None
    poverty_cause: str | None
    card_valid_from: date | None
    card_valid_until: date | None
    at_risk: bool
    head_person_id: UUID | None
    dissolved_on: date | None
    members: list[MemberAsOf]


class FactView(BaseModel):
    """One value that changed. `hidden`: your role is not shown it."""

    subject_type: str
    subject_id: UUID
    person_id: UUID | None
    field: str
    before: Any
    after: Any
    hidden: bool


class JoinedView(BaseModel):
    """A membership that the change brought."""

    person_id: UUID
    since: date


class ChangeView(BaseModel):
    """One change: who, when, why, and the values before."""

    id: UUID
    seq: int
    kind: ChangeKind
    source: str
    source_id: UUID | None
    reason: str
    recorded_by: str
    recorded_at: datetime
    effective_on: date | None
    facts: list[FactView]
    joined: list[JoinedView]
