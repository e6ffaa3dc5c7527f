"""Bodies of the duplicate endpoints."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Kind = Literal["person", "household"]
Band = Annotated[
    Literal["exact", "likely", "possible"], Field(description="`exact`: by equal keys, found when a file came in.")
]
State = Literal["open", "unsure", "same", "different"]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=300),
    Field(description="In words, without personal data."),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RunRequest(_Body):
    """Whom to compare with everybody."""

    registered_since: datetime | None = Field(
        default=None, description="Whoever was registered since; null: everybody."
    )
    place: str | None = Field(default=None, pattern=r"^([0-9]{2}){1,4}$", description="Of this place and below.")


class RunAccepted(BaseModel):
    """The run is queued."""

    run_id: UUID
    job_id: UUID


class RunView(BaseModel):
    """A run, and what came of it."""

    id: UUID
    job_id: UUID
    requested_by: str
    registered_since: datetime | None
    place: str | None
    rules: str = Field(description="Version of the rules that weighed the pairs.")
    state: Literal["queued", "finished"]
    persons: int | None = Field(description="Newcomers compared.")
    compared_with: int | None
    candidates: int | None = Field(description="Pairs listed or weighed anew.")
    requested_at: datetime
    finished_at: datetime | None


class Candidate(BaseModel):
    """Two records that may be one. No names: read the pair to see them."""

    id: UUID
    kind: Kind
    left_id: UUID
    right_id: UUID
    left_village: str
    right_village: str
    source: Literal["import", "run"]
    source_id: UUID | None
    score: Decimal
    band: Band
    reasons: list[dict[str, Any]] = Field(description="field, level that holds, weight in bits of evidence.")
    state: State
    decided_by: str | None
    decided_at: datetime | None
    merge_id: UUID | None
    version: int
    found_at: datetime


class SidePerson(BaseModel):
    """A person of one of the two sides."""

    person_id: UUID
    household_id: UUID | None
    household_reference: str | None
    village_code: str | None
    poverty_level: int | None
    person_ref: str | None
    relationship: str | None
    member_since: date | None
    name_km: str
    name_en: str
    sex: str
    birth_date: date
    birth_date_precision: str
    alive: bool
    has_national_id: bool
    merged_into: UUID | None


class CandidateView(Candidate):
    """A pair with what is known of both sides."""

    left: list[SidePerson]
    right: list[SidePerson]


class Decision(_Body):
    """What an officer decided of a pair."""

    decision: Literal["same", "different", "unsure"]
    surviving_id: UUID | None = Field(default=None, description="Of `same`: the record that stays.")
    same_people: list[tuple[UUID, UUID]] = Field(
        default=[],
        max_length=60,
        description="Of two households: (person of the one that ends, person of the one that stays).",
    )
    reason: Reason


class Decided(BaseModel):
    """The pair after the decision."""

    id: UUID
    state: State
    version: int
    merge_id: UUID | None


class MergeRequest(_Body):
    """Two records of one person or household that no run found."""

    kind: Kind
    retired_id: UUID
    surviving_id: UUID
    same_people: list[tuple[UUID, UUID]] = Field(default=[], max_length=60)
    reason: Reason


class UndoRequest(_Body):
    """Why a merge was wrong."""

    reason: Reason


class MergeView(BaseModel):
    """A merge."""

    id: UUID
    kind: Kind
    retired_id: UUID
    surviving_id: UUID
    part_of: UUID | None
    reason: str
    merged_by: str
    merged_at: datetime
    undone_by: str | None
    undone_at: datetime | None
    undone_reason: str | None
    version: int


class Identity(BaseModel):
    """Under which id a record is known now."""

    id: UUID
    surviving_id: UUID
