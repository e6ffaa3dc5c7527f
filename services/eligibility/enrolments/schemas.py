"""What the enrolment endpoints take and answer."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


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
    state: str
    programme_version: int
    beneficiary_id: UUID
    beneficiary_reference: str
    village_code: str
    effective_on: date
    ended_on: date | None
    decision_id: UUID


class ProgrammeCounts(BaseModel):
    """A programme in numbers (households), in the caller's area.

    `not_qualified` and `failed_clauses` are of the last enrolment run; one household can fail several clauses.
    """

    programme_code: str
    enrolments: dict[str, int]
    decided: int
    qualified: int
    not_qualified: int
    failed_clauses: dict[str, int] = Field(description="Households by clause that does not hold.")
