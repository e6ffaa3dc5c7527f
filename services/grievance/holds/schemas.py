"""What holds look like over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.grievance.holds.model import HoldReason, HoldState, ReleaseCause
from shared.contracts.base import PlaceCode


class PlaceHold(BaseModel):
    """A hold names exactly one payment; there is no way to name a household (fault 24)."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    payment_id: UUID
    reason: HoldReason
    until: date = Field(description="Last local day of the hold.")
    case_id: UUID | None = Field(default=None, description="The case that is the cause.")
    owner: str | None = Field(
        default=None, min_length=1, max_length=200, description="Who answers for it; else the caller."
    )
    place_code: PlaceCode | None = Field(
        default=None,
        description="Village of the payment: needed while nothing was told of it yet and no case names it.",
    )


class ReleaseHold(BaseModel):
    """Why the hold ends."""

    model_config = ConfigDict(extra="forbid")

    cause: ReleaseCause = ReleaseCause.RESOLVED


class HoldView(BaseModel):
    """A hold, with its ETag's version."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int
    payment_id: UUID
    case_id: UUID | None
    reason: HoldReason
    owner: str
    place_code: str | None
    until: date
    state: HoldState
    cause: str | None
    placed_at: datetime
    ended_at: datetime | None
