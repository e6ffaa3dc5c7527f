"""The typed changes of a household: what PATCH, tablets, life events, applications and remedies all speak in."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

Relationship = Literal["head", "spouse", "child", "parent", "sibling", "grandchild", "other"]
Disability = Literal["none", "mild", "medium", "severe"]
Sex = Literal["female", "male"]
Precision = Literal["day", "month", "year"]
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
BirthDate = Annotated[str, Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$", description="YYYY-MM-DD, YYYY-MM or YYYY.")]
PovertyLevel = Annotated[Literal[1, 2], Field(description="1 very poor, 2 poor.")]
EducationLevel = Literal["none", "pre_school", "primary", "lower_secondary", "upper_secondary", "higher"]
Employment = Literal["none", "part_time", "full_time"]
HouseholdKind = Literal["family", "individual", "institution"]
IdentifierType = Literal["national_id", "birth_certificate", "social_security", "disability_card"]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
VillageCode = Annotated[str, Field(pattern=r"^[0-9]{8}$")]
PersonRef = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,31}$")]
Degree = Annotated[int, Field(ge=1, le=4, description="1 no difficulty, 2 some, 3 a lot, 4 cannot do at all.")]


class Body(BaseModel):
    """What a client sends: unknown fields are refused, and errors never repeat the input."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


class WashingtonGroup(Body):
    """The short set of the Washington Group on Disability Statistics: six questions."""

    seeing: Degree
    hearing: Degree
    walking: Degree
    remembering: Degree
    self_care: Degree
    communicating: Degree


class Number(Body):
    """An identity document. `number: null` takes the present one back."""

    type: IdentifierType
    number: SecretStr | None
    issuer: str | None = Field(default=None, max_length=100)
    valid_from: date | None = None
    valid_until: date | None = None


class PersonFacts(Body):
    """Facts of a person; what is left out stays as it is, or has its default in a new person."""

    name_km: Name | None = None
    name_en: Name | None = None
    sex: Sex | None = None
    birth_date: BirthDate | None = None
    disability: Disability | None = None
    washington_group: WashingtonGroup | None = None
    disability_card_valid_until: date | None = None
    living_with_hiv: bool | None = None
    pregnant: bool | None = None
    expected_delivery_on: date | None = None
    education_level: EducationLevel | None = None
    school_code: Annotated[str, Field(max_length=32)] | None = None
    employment: Employment | None = None
    employer_id: UUID | None = None
    insured: bool | None = None
    civil_servant: bool | None = None
    national_id: SecretStr | None = None
    phone: SecretStr | None = None
    identifiers: tuple[Number, ...] = Field(default=(), max_length=8)


class Shock(Body):
    """A shock that hit the household."""

    code: Code
    occurred_on: date


class SetHousehold(Body):
    """Facts of the household itself; what is left out stays."""

    op: Literal["set_household"] = "set_household"
    village_code: VillageCode | None = None
    household_ref: PersonRef | None = None
    at_risk: bool | None = None
    kind: HouseholdKind | None = None
    representative_person_id: UUID | None = None
    shocks: tuple[Shock, ...] | None = Field(default=None, max_length=20)


class SetPoverty(Body):
    """An equity card, or none (`level: null`, which needs a cause). Without `card_number` it keeps the one it has."""

    op: Literal["set_poverty"] = "set_poverty"
    level: PovertyLevel | None
    card_number: SecretStr | None = None
    card_valid_from: date | None = None
    card_valid_until: date | None = None
    score: Decimal | None = Field(default=None, max_digits=8, decimal_places=4)
    source: Code | None = None
    cause: Code | None = None


class AddPerson(Body):
    """A person new to the register joins the household. `person_id`: chosen by the client (a tablet), else minted."""

    op: Literal["add_person"] = "add_person"
    person_id: UUID | None = None
    person_ref: PersonRef | None = None
    relationship: Relationship
    facts: PersonFacts


class MoveIn(Body):
    """A registered person joins the household, from another one or from none."""

    op: Literal["move_in"] = "move_in"
    person_id: UUID
    person_ref: PersonRef | None = None
    relationship: Relationship


class RemoveMember(Body):
    """A member leaves. `error`: she never belonged here, or the record is a mistake."""

    op: Literal["remove_member"] = "remove_member"
    person_id: UUID
    cause: Literal["left", "died", "emigrated", "error"]


class ChangePerson(Body):
    """What is changed about a present member."""

    op: Literal["change_person"] = "change_person"
    person_id: UUID
    relationship: Relationship | None = None
    facts: PersonFacts = PersonFacts()


Change = Annotated[
    SetHousehold | SetPoverty | AddPerson | MoveIn | RemoveMember | ChangePerson, Field(discriminator="op")
]

PLAIN_FACTS: Final = (
    *("name_km", "name_en", "sex", "disability", "disability_card_valid_until", "living_with_hiv", "pregnant"),
    *("expected_delivery_on", "education_level", "school_code", "employment", "employer_id", "insured"),
    "civil_servant",
)
"""Facts that are columns of the person under the same name."""
CLEARABLE: Final = frozenset({"disability_card_valid_until", "expected_delivery_on", "school_code", "employer_id"})
"""Facts that null takes away, where it is given."""
NEW_PERSON: Final = {
    "name_km": "",
    "name_en": "",
    "disability": "none",
    "living_with_hiv": False,
    "pregnant": False,
    "education_level": "none",
    "employment": "none",
    "insured": False,
    "civil_servant": False,
    "alive": True,
    "died_on": None,
    "washington_group": None,
    "disability_card_valid_until": None,
    "expected_delivery_on": None,
    "school_code": None,
    "employer_id": None,
}
"""Facts of a person of whom nothing else was said."""
