"""What the enrolment endpoints take and answer."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator


class EnrolRequest(BaseModel):
    """Enrol everybody who qualifies on a day."""

    model_config = ConfigDict(extra="forbid")

    effective_on: date


class JobAccepted(BaseModel):
    """Work was queued: follow it at /eligibility/v1/jobs/{job_id}."""

    job_id: UUID


class EnrolmentView(BaseModel):
    """An enrolment in a list. No names: the reference is what people hold."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int
    programme_code: str
    programme_version: int
    state: str
    cause: str | None
    approved_cause: str | None = Field(description="Why it takes part or waits, as `enrolment.approved` tells it.")
    beneficiary_id: UUID
    household_id: UUID
    beneficiary_reference: str
    village_code: str
    effective_on: date
    changed_on: date | None
    ended_on: date | None
    suspended_until: date | None
    recertified_on: date | None
    card_valid_until: date | None
    rank: int | None = Field(description="Place on the waiting list, from 1.")
    decision_id: UUID


class ChangeView(BaseModel):
    """One change in an enrolment's life. `made_by` null: by the platform."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    action: str
    state: str
    cause: str | None
    effective_on: date
    decision_id: UUID | None
    made_by: str | None
    made_at: datetime


class EnrolmentDetail(EnrolmentView):
    """One enrolment with its life so far, newest first."""

    history: list[ChangeView]


class ChangeRequest(BaseModel):
    """What to do, why, and from when."""

    model_config = ConfigDict(extra="forbid")

    cause: str = Field(pattern=r"^[a-z][a-z0-9_.]{0,59}$", description="Stable word, e.g. `card_not_shown`.")
    effective_on: date
    until: date | None = Field(default=None, description="Of a suspension: its last day.")
    for_good: bool = Field(default=False, description="Of an end: only an officer may let it begin again.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until is not None and self.until < self.effective_on:
            raise ValueError("until is before effective_on")
        return self


class BatchChange(ChangeRequest):
    """The same for many enrolments of one programme."""

    action: Literal["suspend", "resume", "recertify", "graduate", "end"]
    enrolment_ids: list[UUID] = Field(min_length=1, max_length=5_000)


class RefusedView(BaseModel):
    """An enrolment whose state does not allow the action."""

    id: UUID
    state: str


class BatchResult(BaseModel):
    """What became of a batch."""

    changed: int
    refused: list[RefusedView]
    unknown: list[UUID]


class ReassessRequest(BaseModel):
    """Judge everybody again on a day."""

    model_config = ConfigDict(extra="forbid")

    on: date


class ProgrammeCounts(BaseModel):
    """A programme in numbers (beneficiaries), in the caller's area.

    `decided` to `failed_clauses`: by the decision that stands of each; one beneficiary can fail several clauses.
    """

    programme_code: str
    enrolments: dict[str, int]
    decided: int
    qualified: int
    not_qualified: int
    failed_clauses: dict[str, int] = Field(description="Beneficiaries by clause that does not hold.")
