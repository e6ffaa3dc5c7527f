"""Bodies of the household endpoints."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from services.registry.imports.rules import MAX_MEMBERS

Relationship = Literal["head", "spouse", "child", "parent", "sibling", "grandchild", "other"]
Disability = Literal["none", "mild", "medium", "severe"]
Sex = Literal["female", "male"]
Precision = Literal["day", "month", "year"]
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
BirthDate = Annotated[str, Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$", description="YYYY-MM-DD, YYYY-MM or YYYY.")]
PovertyLevel = Annotated[Literal[1, 2], Field(description="1 very poor, 2 poor.")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NewMember(_Body):
    """A person, as entered."""

    person_ref: str = Field(max_length=32, description="The commune's own number of the person in the household.")
    name_km: Name = ""
    name_en: Name = ""
    sex: Sex
    birth_date: BirthDate
    relationship: Relationship
    national_id: SecretStr | None = None
    phone: SecretStr | None = None
    disability: Disability = "none"
    living_with_hiv: bool = False
    pregnant: bool = False


class NewHousehold(_Body):
    """A household, as entered. Card fields go with a poverty level."""

    village_code: str = Field(max_length=8)
    household_ref: str = Field(max_length=32, description="The commune's own number of the household.")
    poverty_level: PovertyLevel | None = None
    card_number: SecretStr | None = None
    card_valid_from: date | None = None
    card_valid_until: date | None = None
    members: list[NewMember] = Field(min_length=1, max_length=MAX_MEMBERS)


class PovertyStatus(_Body):
    """An equity card. Without `card_number` the household keeps the one it has."""

    level: PovertyLevel
    card_number: SecretStr | None = None
    card_valid_from: date
    card_valid_until: date


class MemberChange(_Body):
    """What is changed about a present member; what is left out stays."""

    person_id: UUID
    name_km: Name | None = None
    name_en: Name | None = None
    sex: Sex | None = None
    birth_date: BirthDate | None = None
    relationship: Relationship | None = None
    national_id: SecretStr | None = None
    phone: SecretStr | None = None
    disability: Disability | None = None
    living_with_hiv: bool | None = None
    pregnant: bool | None = None


class HouseholdChange(_Body):
    """What is changed about a household; what is left out stays. `poverty: null` takes the card away."""

    poverty: PovertyStatus | None = None
    at_risk: bool | None = None
    members: list[MemberChange] = Field(default=[], max_length=MAX_MEMBERS)
    effective_on: date | None = Field(default=None, description="From when it holds; default today, never later.")


class HouseholdSummary(BaseModel):
    """A household in a list: no names (law 8)."""

    id: UUID
    reference: str
    village_code: str
    household_ref: str
    location_class: str
    poverty_level: int | None
    card_valid_until: date | None
    at_risk: bool
    version: int


class MemberView(BaseModel):
    """A present member. What the caller may not see is null."""

    person_id: UUID
    person_ref: str
    relationship: Relationship
    sex: Sex
    birth_date: date
    birth_date_precision: Precision
    disability: Disability
    member_since: date
    name_km: str | None
    name_en: str | None
    phone: str | None
    living_with_hiv: bool | None
    pregnant: bool | None
    has_national_id: bool


class HouseholdView(HouseholdSummary):
    """A household with its present members."""

    card_valid_from: date | None
    has_card: bool
    head_person_id: UUID | None
    effective_on: date
    updated_at: datetime
    names_shown: bool = Field(description="Whether your role is shown names; if so, this look was recorded.")
    members: list[MemberView]


class HouseholdCreated(BaseModel):
    """The new household's identity."""

    id: UUID
    reference: str
    version: int
