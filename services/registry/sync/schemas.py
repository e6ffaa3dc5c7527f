"""Bodies of the sync endpoint."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.registry.households.changes import Body, Change, HouseholdKind, PersonRef, VillageCode
from services.registry.households.schemas import HouseholdView

MAX_OPERATIONS = 200
MAX_CHANGES = 500
Device = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="The tablet's own name.")]


class NewPlace(Body):
    """Where a household that the tablet registers is, and its number there."""

    village_code: VillageCode
    household_ref: PersonRef
    kind: HouseholdKind = "family"


class Operation(Body):
    """One thing done on a tablet. Its `op_id` is made there, once, and kept for every time it is sent.

    A household registered on the tablet is called by an id made there; the answer says which id it has in the register,
    and either is understood afterwards. New persons bring their `person_id` in `add_person`.
    """

    op_id: UUID
    household_id: UUID
    register_at: NewPlace | None = Field(default=None, description="Registers the household; its people in `changes`.")
    base_version: int | None = Field(default=None, ge=1, description="The household's version that the officer saw.")
    follows: UUID | None = Field(
        default=None, description="In place of base_version: the operation of this tablet that this one builds on."
    )
    kind: Literal["correction", "life_change"] = "life_change"
    effective_on: date | None = None
    reason: str = Field(default="", max_length=200)
    changes: list[Change] = Field(min_length=1, max_length=80)

    @model_validator(mode="after")
    def _one_base(self) -> Self:
        given = [self.register_at is not None, self.base_version is not None, self.follows is not None]
        if given.count(True) != 1:
            raise ValueError("give exactly one of register_at, base_version and follows")
        return self


class SyncRequest(BaseModel):
    """A batch of operations, and from where on the tablet wants to know what changed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    device: Device
    operations: list[dict[str, Any]] = Field(
        default=[], max_length=MAX_OPERATIONS, description="Operations, in any order; each is answered."
    )
    cursor: str | None = Field(default=None, max_length=200, description="`next_cursor` of the answer before.")
    limit: int = Field(default=100, ge=1, le=MAX_CHANGES)


class OperationError(BaseModel):
    """One thing wrong with an operation."""

    field: str
    code: str
    message: str


class OperationResult(BaseModel):
    """What became of an operation.

    `conflict`: somebody changed the same facts since; `current` is what the household is now, `yours` what was sent
    (numbers masked). Where others changed other facts only, it is `applied`, with `merged`.
    `refused`: `code` and `errors` say why; sent again unchanged it is refused again, but for `predecessor_missing`.
    """

    op_id: UUID | None
    status: Literal["applied", "already_applied", "conflict", "refused"]
    household_id: UUID | None = Field(default=None, description="In the register.")
    version: int | None = Field(default=None, description="Of the household, after the operation.")
    merged: bool = Field(default=False, description="Applied to a newer version than the officer saw.")
    code: str = ""
    detail: str = ""
    errors: list[OperationError] = []
    base_version: int | None = None
    current: HouseholdView | None = None
    yours: dict[str, Any] | None = None


class HouseholdChangeView(BaseModel):
    """A household of your area as it is now, or the news that it is not there any more."""

    household_id: UUID
    what: Literal["changed", "dissolved", "left_area"]
    version: int | None
    household: HouseholdView | None = None
    successor_household_id: UUID | None = None


class SyncAnswer(BaseModel):
    """Results in the order of the operations; then what changed since the cursor, oldest first."""

    results: list[OperationResult]
    changes: list[HouseholdChangeView]
    next_cursor: str = Field(description="Send it next time.")
    more: bool = Field(description="Whether there is more to fetch at once.")
