"""What cases look like over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
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


class Contact(_Input):
    """Where the complainant wants to be told at each step. Kept encrypted, used for nothing else."""

    kind: Literal["phone", "email"]
    value: str = Field(min_length=6, max_length=254)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        plain = self.value.replace(" ", "").replace("-", "")
        if self.kind == "phone" and not (plain.removeprefix("+").isdecimal() and 8 <= len(plain) <= 16):
            raise ValueError("a telephone number has 8 to 15 digits, e.g. +855 12 345 678")
        local, _, domain = self.value.partition("@")
        if self.kind == "email" and not (local and "." in domain and "@" not in domain and " " not in self.value):
            raise ValueError("an e-mail address looks like name@example.org")
        return self


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
    contact: Contact | None = Field(default=None, description="To be told at each step; of a sealed case never used.")

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


class TriageCase(_Input):
    """What the case is really about: only what is given changes. A new category brings its own route and deadline."""

    category: str | None = Field(default=None, max_length=40)
    priority: Literal["low", "normal", "high", "urgent"] | None = None
    place_code: PlaceCode | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("give at least one of category, priority, place_code")
        return self


class ReferCase(_Input):
    """To whom the case is given."""

    institution: str = Field(max_length=40, description="A code of the categories file, e.g. `nssf`.")
    note: str = Field(min_length=1, max_length=MAX_TEXT, description="Why. An internal note, encrypted.")


class ReturnCase(_Input):
    """What the institution said."""

    answer: Literal["handled", "not_competent", "no_answer", "recalled"]
    note: str = Field(min_length=1, max_length=MAX_TEXT, description="Its words. An internal note, encrypted.")


class MergeCase(_Input):
    """Which case this one repeats."""

    into: UUID


class CaseSummary(BaseModel):
    """A case in a list: nothing that people wrote."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    reference: str
    version: int
    state: CaseState
    level: str = Field(description="The level of the ladder that owes the answer.")
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
    merged_into: UUID | None


class OpenedCase(CaseSummary):
    """The answer to a complaint: the receipt code is shown here and never again.

    Of a sealed complaint it tells no more than that: category and route say `sealed`, subject and place are left out.
    """

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

    id: UUID
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


class Referral(BaseModel):
    """The case was given to another institution."""

    model_config = ConfigDict(from_attributes=True)

    institution: str
    referred_by: str
    referred_at: datetime
    answer: str | None
    returned_at: datetime | None


class CaseRemedy(BaseModel):
    """What another service was asked to put right, and its answer."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: str
    state: str = Field(description="requested, waiting, done or refused.")
    requested_by: str
    requested_at: datetime
    reason_code: str
    reason: str
    result_id: UUID | None
    answered_at: datetime | None


class CaseAttachment(BaseModel):
    """A paper, photograph or recording of the case."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    media_type: str
    bytes: int
    scan: str = Field(description="clean, or not_scanned where no scanner is plugged in.")
    added_by: str
    added_at: datetime


class CaseMessage(BaseModel):
    """The complainant was told of a step (or is about to be)."""

    model_config = ConfigDict(from_attributes=True)

    step: str
    state: str
    queued_at: datetime


class CasePattern(BaseModel):
    """The case is one of many about the same account, agent or official."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: str
    cases: int
    state: str


class CaseDetail(CaseSummary):
    """A case in full: what was said, what was done, and what happened to its payment."""

    sealed: bool
    rating: Annotated[int, Field(ge=1, le=5)] | None
    has_contact: bool
    appeal_id: UUID | None
    referrals: list[Referral]
    remedies: list[CaseRemedy]
    attachments: list[CaseAttachment]
    messages: list[CaseMessage]
    patterns: list[CasePattern]

    overdue: bool
    due_on_confirmed: bool
    possible: list[str] = Field(description="Actions that are legal now.")
    description: str | None = Field(description="Null for those who may not read what people wrote.")
    history: list[Step]
    notes: list[Note] = Field(description="The latest 200.")
    holds: list[CaseHold]
    payment: PaymentStory | None = Field(description="Null unless the case is about a payment known here.")
