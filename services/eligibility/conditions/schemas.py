"""What the endpoints of conditions take and answer."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.eligibility.programmes.rates import Day
from shared.contracts.base import PlaceCode


class EventView(BaseModel):
    """An event as it stands."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int
    kind: str
    person_id: UUID
    occurred_on: date
    until: date | None
    value: int
    babies: int
    notice_days: int
    facility_code: str
    state: str
    recorded_by: str
    recorded_at: datetime
    cause: str | None


class Recorded(BaseModel):
    """What became of a report: recorded, pending (it waits for approval) or duplicate (it was known)."""

    outcome: Literal["recorded", "pending", "duplicate"]
    event: EventView


class Cause(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    cause: str = Field(pattern=r"^[a-z][a-z0-9_]{2,59}$", description="Stable code, e.g. `wrong_person`.")


class EventDecision(Cause):
    """An officer's decision on an event that waits."""

    approve: bool


class FileReceived(BaseModel):
    """A file that is taken in; its lines are judged by the job."""

    file_id: UUID
    job_id: UUID
    lines: int


class FileView(BaseModel):
    """A file and how many lines came to what."""

    id: UUID
    lines: int
    sha256: str
    received_at: datetime
    outcomes: dict[str, int]


class LineView(BaseModel):
    """What became of a line."""

    model_config = ConfigDict(from_attributes=True)

    line: int
    outcome: str | None
    event_id: UUID | None
    field: str | None
    code: str | None
    message: str | None


class BundleEntry(BaseModel):
    """What became of an entry of a bundle. `ignored`: nothing in it is a condition here."""

    index: int
    outcome: str
    event_id: UUID | None = None
    field: str | None = None
    code: str | None = None
    message: str | None = None


class _Days(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: str = Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")
    valid_from: Day
    valid_until: Day
    reason_code: str = Field(pattern=r"^[a-z][a-z0-9_]{2,59}$", description="Stable code, e.g. `no_vaccine`.")

    @model_validator(mode="after")
    def _in_order(self) -> Any:
        if self.valid_until < self.valid_from:
            raise ValueError("valid_until is before valid_from")
        return self


class Waiver(_Days):
    """A person need not meet conditions of a kind for some days."""

    person_id: UUID
    case_id: UUID | None = None


class ServiceGap(_Days):
    """The service of a kind was not available in a place (and all places in it)."""

    place_code: PlaceCode


class Created(BaseModel):
    """The id of what was made."""

    id: UUID


class KindsWritten(BaseModel):
    """How many kinds were added or changed."""

    changed: int
    kinds: int


class EmployerAccount(BaseModel):
    """An employer that the bearer of a token may report for."""

    model_config = ConfigDict(extra="forbid")

    subject: str = Field(min_length=1, max_length=200)
    employer_id: UUID
