"""What appeals look like over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.grievance.appeals.model import AppealKind, AppealState, Vote
from services.grievance.cases.schemas import MAX_TEXT, CaseSummary, Channel, Contact, Language, OpenedCase


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class LodgeAppeal(_Input):
    """Against a refusal (`decision_id`) or the end of taking part (`enrolment_id`): exactly one of the two."""

    decision_id: UUID | None = None
    enrolment_id: UUID | None = None
    channel: Channel
    language: Language = Language.KHMER
    complainant_person_id: UUID | None = None
    description: str = Field(min_length=1, max_length=MAX_TEXT, description="Why, in her words. Encrypted.")
    late_reason: str | None = Field(
        default=None, min_length=1, max_length=MAX_TEXT, description="Why it comes after the time limit."
    )
    contact: Contact | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.decision_id is None) == (self.enrolment_id is None):
            raise ValueError("give either decision_id or enrolment_id")
        return self


class AppointPanel(_Input):
    """Who decides: as many as the policy says, by the subjects of their tokens."""

    members: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(min_length=1, max_length=15)


class CastVote(_Input):
    """What a member of the panel says, and why."""

    vote: Vote
    reason: str = Field(min_length=1, max_length=MAX_TEXT, description="Encrypted.")


class WithdrawAppeal(_Input):
    """The complainant no longer wants it."""

    note: str = Field(min_length=1, max_length=MAX_TEXT)


class ClauseShown(BaseModel):
    """A clause that was not met, in both languages; without words when the programme's were not told."""

    code: str
    km: str | None
    en: str | None


class FactShown(BaseModel):
    """A fact that the decision saw."""

    name: str
    value: str


class DecisionShown(BaseModel):
    """The decision as it was made: its reasons, rule version and facts."""

    decision_id: UUID
    programme_code: str
    programme_version: int
    programme_km: str | None
    programme_en: str | None
    decided_on: date
    eligible: bool
    reasons: list[ClauseShown]
    facts: list[FactShown] = Field(description="Empty for those who may not read what people said.")
    decided_by: str | None = Field(description="Null: the platform.")


class EnrolmentShown(BaseModel):
    """The end of taking part."""

    model_config = ConfigDict(from_attributes=True)

    enrolment_id: UUID
    status: str
    effective_on: date
    cause: str | None
    ended_by: str | None


class MemberShown(BaseModel):
    """One of the panel; how others voted is shown once the appeal is decided."""

    subject: str
    voted: bool
    vote: Vote | None


class AppealSummary(BaseModel):
    """An appeal in a list."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int
    case_id: UUID
    kind: AppealKind
    state: AppealState
    outcome: str | None
    programme_code: str
    beneficiary_id: UUID
    effect: str
    lodged_at: datetime


class AppealDetail(AppealSummary):
    """The decision beside the complaint."""

    case: CaseSummary
    complaint: str | None = Field(description="Null for those who may not read what people wrote.")
    decision: DecisionShown | None
    enrolment: EnrolmentShown | None
    panel: list[MemberShown]


class LodgedAppeal(AppealSummary):
    """The answer to an appeal, with the receipt code that is shown once."""

    case: OpenedCase
