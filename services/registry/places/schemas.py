"""Bodies of the place endpoints."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.registry.places.model import Level
from shared.contracts.base import LocationClass, PlaceCode


class JobAccepted(BaseModel):
    """The work is queued: follow it at `/registry/v1/jobs/{job_id}`."""

    job_id: UUID


class PlaceView(BaseModel):
    """A place."""

    code: str
    level: Level
    parent_code: str | None
    name_km: str
    name_en: str
    path: str = Field(description="English names from the province down.")
    source_code: str | None = Field(description="Its code in the published list, where that had to be changed.")
    closed_on: date | None = Field(default=None, description="From this day the code is no more.")


class ClassPeriod(BaseModel):
    """A location class and the days it holds."""

    location_class: LocationClass
    valid_from: date
    valid_until: date | None = Field(description="Last day; null: until further notice.")


class PlaceDetail(PlaceView):
    """A place with its class on the day asked for, and every class it ever had."""

    location_class: LocationClass | None = Field(description="Of a village, on the day asked for.")
    classes: list[ClassPeriod]
    became: list[str] = Field(default=[], description="Codes of today that took its place: several where it was split.")
    resolved_from: str | None = Field(
        default=None, description="The old code asked for, where this place took its place."
    )


class PlaceSummary(BaseModel):
    """How many places of each level, and villages by class today."""

    province: int
    district: int
    commune: int
    village: int
    villages_by_class: dict[str, int]


class ClassChange(BaseModel):
    """A village's class from a day on."""

    model_config = ConfigDict(extra="forbid")

    location_class: LocationClass
    effective_on: date


class NewPlaceName(BaseModel):
    """A place that the change brings."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(pattern=r"^([0-9]{2}){1,4}$")
    name_km: str = Field(min_length=1, max_length=200)
    name_en: str = Field(min_length=1, max_length=200)


class Placement(BaseModel):
    """Which households of a split village live in one of its parts now."""

    model_config = ConfigDict(extra="forbid")

    new_code: PlaceCode
    household_refs: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,31}$")]] = Field(
        default=[], max_length=20_000, description="The commune's numbers of the households."
    )
    all_others: bool = Field(default=False, description="Everybody whom no other placement names; once.")


class UnplacedHousehold(BaseModel):
    """A household under a closed code: an officer says where it lives now (PATCH)."""

    id: UUID
    reference: str
    household_ref: str
    village_code: str
    became: list[str] = Field(description="Codes of today that may be its village.")


class CodeChange(BaseModel):
    """Codes that change from a day on. Places named in `new_places` are created; the others exist."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["split", "merged", "renamed"]
    old_codes: list[PlaceCode] = Field(min_length=1, max_length=50)
    new_codes: list[PlaceCode] = Field(min_length=1, max_length=50)
    new_places: list[NewPlaceName] = Field(default=[], max_length=50)
    placements: list[Placement] = Field(
        default=[],
        max_length=50,
        description="Of a split village: where its households live now. They move by themselves; others stay listed.",
    )
    effective_on: date
