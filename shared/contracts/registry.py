"""What the registry says: who people are. Ids and the facts that rules need; no names, no identity numbers."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import EventPayload, LocationClass, PlaceCode
from shared.contracts.remedies import RemedyAnswer

HOUSEHOLDS = "registry.households"
LIFE_EVENTS = "registry.life-events"
IDENTITIES = "registry.identities"
REMEDIES = "registry.remedies"


class MemberFacts(BaseModel):
    """One living member of a household, as rules see her."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    person_id: UUID
    relationship: str = Field(description="To the head: head, spouse, child, parent, sibling, grandchild, other.")
    sex: Literal["female", "male"]
    birth_date: date
    birth_date_precision: Literal["day", "month", "year"] = "day"
    disability: Literal["none", "mild", "medium", "severe"] = "none"
    living_with_hiv: bool = False
    pregnant: bool = False
    expected_delivery_on: date | None = Field(default=None, description="Of a pregnancy, as known.")
    disability_card_valid_until: date | None = Field(default=None, description="Last day of the disability card.")
    education_level: Literal["none", "pre_school", "primary", "lower_secondary", "upper_secondary", "higher"] = "none"
    employment: Literal["none", "part_time", "full_time"] = "none"
    employer_id: UUID | None = None
    employer_sector: str | None = Field(
        default=None, description="Sector of the employer's enterprise, e.g. `garment`."
    )
    insured: bool = Field(default=False, description="Insured with the social-security fund.")
    civil_servant: bool = False


class Shock(BaseModel):
    """A shock that hit the household, e.g. a flood: some programmes answer one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Kind of shock, e.g. `flood_2022`.")
    occurred_on: date


class HouseholdState(EventPayload):
    """A household in full, as known after this change."""

    TOPIC: ClassVar[str] = HOUSEHOLDS
    KEY: ClassVar[str] = "household_id"

    household_id: UUID
    reference: str = Field(description="Short human reference with a check digit, e.g. `HH-7K2M9Q4X-5`.")
    village_code: PlaceCode
    location_class: LocationClass
    poverty_level: Literal[1, 2] | None = Field(description="Equity card level: 1 very poor, 2 poor; null: no card.")
    card_valid_from: date | None = None
    card_valid_until: date | None = Field(default=None, description="Last day on which the card is valid.")
    at_risk: bool = Field(default=False, description="Known as at risk, without a card.")
    head_person_id: UUID | None = None
    members: tuple[MemberFacts, ...] = Field(max_length=60)
    effective_on: date = Field(description="The day from which this state holds.")
    kind: Literal["family", "individual", "institution"] = Field(
        default="family",
        description="`individual`: a person registered alone, e.g. a worker by her employer.",
    )
    poverty_cause: str | None = Field(
        default=None, description="Why the poverty status is as it is, e.g. `delisted_income`."
    )
    shocks: tuple[Shock, ...] = Field(default=(), max_length=20)
    change: Literal["registration", "correction", "life_change"] | None = Field(
        default=None,
        description="A correction says that the past was wrong; a change in life holds from `effective_on`.",
    )
    changed_by: str | None = Field(default=None, description="Subject of the officer's token; null: by the platform.")


class HouseholdRegistered(HouseholdState):
    """A household was entered in the registry."""

    TYPE: ClassVar[str] = "samaki.registry.household.registered.v1"


class HouseholdChanged(HouseholdState):
    """A household's facts changed (correction or change in life)."""

    TYPE: ClassVar[str] = "samaki.registry.household.changed.v1"


class HouseholdDissolved(EventPayload):
    """A household is no longer: merged, moved apart, all members dead, or entered by mistake."""

    TYPE: ClassVar[str] = "samaki.registry.household.dissolved.v1"
    TOPIC: ClassVar[str] = HOUSEHOLDS
    KEY: ClassVar[str] = "household_id"

    household_id: UUID
    cause: Literal["merged", "split", "deceased", "emigrated", "error"]
    successor_household_id: UUID | None = None
    effective_on: date


class LifeEventRecorded(EventPayload):
    """Something happened in a person's life. The household's new state follows on `registry.households`."""

    TYPE: ClassVar[str] = "samaki.registry.life_event.recorded.v1"
    TOPIC: ClassVar[str] = LIFE_EVENTS
    KEY: ClassVar[str] = "person_id"

    life_event_id: UUID
    kind: Literal["birth", "death", "marriage", "move", "pregnancy", "pregnancy_ended"]
    person_id: UUID = Field(description="Of a birth: the child.")
    household_id: UUID
    occurred_on: date
    source: Literal["officer", "civil_registration", "tablet"]
    village_code: PlaceCode = Field(description="Where the person lives after it.")
    previous_household_id: UUID | None = Field(default=None, description="Of a move or marriage.")
    mother_person_id: UUID | None = Field(default=None, description="Of a birth.")
    expected_delivery_on: date | None = Field(default=None, description="Of a pregnancy.")
    living_members: int = Field(ge=0, description="Living members of the household after it.")


class LifeEventWithdrawn(EventPayload):
    """A life event was recorded by mistake: it did not happen."""

    TYPE: ClassVar[str] = "samaki.registry.life_event.withdrawn.v1"
    TOPIC: ClassVar[str] = LIFE_EVENTS
    KEY: ClassVar[str] = "person_id"

    life_event_id: UUID
    kind: Literal["birth", "death", "marriage", "move", "pregnancy", "pregnancy_ended"]
    person_id: UUID
    household_id: UUID
    cause: str


class IdentityMerged(EventPayload):
    """Two records were one: what is known under `retired_id` is known under `surviving_id` from now on."""

    TYPE: ClassVar[str] = "samaki.registry.identity.merged.v1"
    TOPIC: ClassVar[str] = IDENTITIES
    KEY: ClassVar[str] = "retired_id"

    kind: Literal["person", "household"]
    retired_id: UUID
    surviving_id: UUID
    merge_id: UUID


class IdentityRestored(EventPayload):
    """A merge was undone: `retired_id` is its own again."""

    TYPE: ClassVar[str] = "samaki.registry.identity.restored.v1"
    TOPIC: ClassVar[str] = IDENTITIES
    KEY: ClassVar[str] = "retired_id"

    kind: Literal["person", "household"]
    retired_id: UUID
    surviving_id: UUID
    merge_id: UUID


class RemedyAnswered(RemedyAnswer):
    """What became of a remedy that the registry was asked for."""

    TYPE: ClassVar[str] = "samaki.registry.remedy.answered.v1"
    TOPIC: ClassVar[str] = REMEDIES


EVENTS: tuple[type[EventPayload], ...] = (
    HouseholdRegistered,
    HouseholdChanged,
    HouseholdDissolved,
    LifeEventRecorded,
    LifeEventWithdrawn,
    IdentityMerged,
    IdentityRestored,
    RemedyAnswered,
)
