"""What the registry says: who people are. Ids and the facts that rules need; no names, no identity numbers."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import EventPayload, LocationClass, PlaceCode

HOUSEHOLDS = "registry.households"
LIFE_EVENTS = "registry.life-events"


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


EVENTS: tuple[type[EventPayload], ...] = (HouseholdRegistered, HouseholdChanged, HouseholdDissolved)
