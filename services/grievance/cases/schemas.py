"""What cases look like over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.grievance.cases.states import CaseState, Outcome, SubjectType
from services.grievance.payments_view.schemas import PaymentStory
from shared.contracts.base import PlaceCode

MAX_TEXT = 10_000
"""Characters of a description or note."""


class Channel(StrEnum):
    """How a complaint reached us."""

    PHONE = "phone"
    COMMUNE = "commune"
    WEB = "web"
    TEXT = "text"


class Language(StrEnum):
    """The complainant's language."""

    KHMER = "km"
    ENGLISH = "en"


class Visibility(StrEnum):
    """Who may read a note."""

    INTERNAL = "internal"
    PUBLIC = "public"


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class OpenCase(_Input):
    """A complaint. No person needs to be named: without `complainant_person_id` it is anonymous (fault 23)."""

    category: str = Field(max_length=40, description="A code of the categories file, e.g. `payment`.")
    subject_type: SubjectType = SubjectType.NONE
    subject_id: UUID | None = Field(
        default=None, description="Id of the payment, household, person, decision, official."
    )
    channel: Channel
    language: Language = Language.KHMER
    place_code: PlaceCode | None = Field(default=None, description="Where it belongs; of a known payment: its village.")
    complainant_person_id: UUID | None = None
    description: str = Field(min_length=1, max_length=MAX_TEXT, description="In the complainant's words. Encrypted.")

    @model_validator(mode="after")
    def _subject_is_whole(self) -> Self:
        if (self.subject_type is SubjectType.NONE) != (self.subject_id is None):
            raise ValueError("subject_id is given exactly when subject_type is not `none`")
        return self


class AssignCase(_Input):
    """Who works on it; nobody named: the caller."""

    assignee: str | None = Field(default=None, min_length=1, max_length=200, description="Subject of her token.")


class ResolveCase(_Input):
    """What became of it."""

    outcome: Outcome
    note: str = Field(min_length=1, max_length=MAX_TEXT, description="Why, for the complainant. Encrypted.")


class ReopenCase(_Input):
    """Why it is taken up again."""

    note: str = Field(min_length=1, max_length=MAX_TEXT)


class AddNote(_Input):
    """Something to remember about a case."""

    text: str = Field(min_length=1, max_length=MAX_TEXT)
    visibility: Visibility = Visibility.INTERNAL


class CaseSummary(BaseModel):
    """A case in a list: nothing that people wrote."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    reference: str
    version: int
    state: CaseState
    category: str
    route: str
    priority: str
    subject_type: SubjectType
    subject_id: UUID | None
    channel: str
    place_code: str | None
    assigned_to: str | None
    outcome: Outcome | None
    opened_at: datetime
    due_on: date
    anonymous: bool


class OpenedCase(CaseSummary):
    """The answer to a complaint: the receipt code is shown here and never again."""

    receipt_code: str
    due_on_confirmed: bool = Field(description="False while the public holidays in between await confirmation.")


class Step(BaseModel):
    """One step of the case's history."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    action: str
    state: CaseState
    actor: str
    at: datetime
    detail: dict[str, Any]


class Note(BaseModel):
    """A note, in clear."""

    id: int
    visibility: Visibility
    author: str
    at: datetime
    text: str


class CaseHold(BaseModel):
    """A hold placed because of the case."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    payment_id: UUID
    reason: str
    state: str
    until: date


class CaseDetail(CaseSummary):
    """A case in full: what was said, what was done, and what happened to its payment."""

    overdue: bool
    due_on_confirmed: bool
    possible: list[str] = Field(description="Actions that are legal now.")
    description: str | None = Field(description="Null for those who may not read what people wrote.")
    history: list[Step]
    notes: list[Note] = Field(description="The latest 200.")
    holds: list[CaseHold]
    payment: PaymentStory | None = Field(description="Null unless the case is about a payment known here.")
