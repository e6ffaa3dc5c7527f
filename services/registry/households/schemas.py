"""Bodies of the household endpoints."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field, SecretStr

from services.registry.households.changes import (
    AddPerson,
    BirthDate,
    Body,
    Code,
    Disability,
    EducationLevel,
    Employment,
    HouseholdKind,
    MoveIn,
    Name,
    PersonFacts,
    PersonRef,
    PovertyLevel,
    Precision,
    Relationship,
    RemoveMember,
    Sex,
    Shock,
    VillageCode,
)
from services.registry.imports.rules import MAX_MEMBERS


class NewMember(Body):
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


class NewHousehold(Body):
    """A household, as entered. Card fields go with a poverty level."""

    village_code: str = Field(max_length=8)
    household_ref: str = Field(max_length=32, description="The commune's own number of the household.")
    poverty_level: PovertyLevel | None = None
    card_number: SecretStr | None = None
    card_valid_from: date | None = None
    card_valid_until: date | None = None
    members: list[NewMember] = Field(min_length=1, max_length=MAX_MEMBERS)


class PovertyStatus(Body):
    """An equity card. Without `card_number` the household keeps the one it has."""

    level: PovertyLevel
    card_number: SecretStr | None = None
    card_valid_from: date
    card_valid_until: date
    score: Decimal | None = Field(default=None, max_digits=8, decimal_places=4)
    source: Code | None = Field(default=None, description="How it was found, e.g. `pmt_2023` or `village_group`.")
    cause: Code | None = None


class MemberChange(PersonFacts):
    """What is changed about a present member; what is left out stays."""

    person_id: UUID
    relationship: Relationship | None = None


class HouseholdChange(Body):
    """What is changed about a household; what is left out stays. `poverty: null` takes the card away, for a cause."""

    kind: Literal["correction", "life_change"] = Field(
        default="correction", description="Was the past wrong, or has something changed in life?"
    )
    reason: str = Field(default="", max_length=200, description="Why, without personal data.")
    poverty: PovertyStatus | None = None
    delisting_cause: Code | None = Field(default=None, description="Needed with `poverty: null`.")
    at_risk: bool | None = None
    village_code: VillageCode | None = None
    household_ref: PersonRef | None = None
    household_kind: HouseholdKind | None = None
    representative_person_id: UUID | None = None
    shocks: tuple[Shock, ...] | None = Field(default=None, max_length=20)
    members: list[MemberChange] = Field(default=[], max_length=MAX_MEMBERS)
    add_members: list[AddPerson] = Field(default=[], max_length=MAX_MEMBERS)
    remove_members: list[RemoveMember] = Field(default=[], max_length=MAX_MEMBERS)
    move_in: list[MoveIn] = Field(default=[], max_length=MAX_MEMBERS)
    moves_people: bool = Field(default=False, description="Take those who move in out of the household they are in.")
    effective_on: date | None = Field(
        default=None,
        description="From when it holds, never later than today. Of a change in life: default today. Of a correction: "
        "since when the value was wrong; default: as long as it stood.",
    )


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
    education_level: EducationLevel
    employment: Employment
    employer_id: UUID | None
    insured: bool
    civil_servant: bool
    disability_card_valid_until: date | None
    name_km: str | None
    name_en: str | None
    phone: str | None
    living_with_hiv: bool | None
    pregnant: bool | None
    expected_delivery_on: date | None
    has_national_id: bool


class HouseholdView(HouseholdSummary):
    """A household with its present members."""

    card_valid_from: date | None
    has_card: bool
    head_person_id: UUID | None
    representative_person_id: UUID | None
    kind: HouseholdKind
    poverty_score: Decimal | None
    poverty_source: str | None
    poverty_cause: str | None
    shocks: list[Shock]
    dissolved_on: date | None
    dissolved_cause: str | None
    successor_household_id: UUID | None
    effective_on: date
    updated_at: datetime
    names_shown: bool = Field(description="Whether your role is shown names; if so, this look was recorded.")
    members: list[MemberView]


class HouseholdCreated(BaseModel):
    """The new household's identity."""

    id: UUID
    reference: str
    version: int
