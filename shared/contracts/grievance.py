"""What grievance says: who complained and what became of it. Nothing of a sealed case is ever published."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.base import EventPayload, PlaceCode
from shared.contracts.remedies import FactCorrection, RemedyKind

CASES = "grievance.cases"
REMEDIES = "grievance.remedies"


class _Case(EventPayload):
    TOPIC: ClassVar[str] = CASES
    KEY: ClassVar[str] = "case_id"

    case_id: UUID
    reference: str
    category: str
    subject_type: str = Field(description="payment, household, person, decision, official or none.")
    subject_id: UUID | None
    place_code: PlaceCode | None


class CaseOpened(_Case):
    """Somebody complained, or the platform opened a case by itself."""

    TYPE: ClassVar[str] = "samaki.grievance.case.opened.v1"
    channel: str
    due_on: date


class CaseEscalated(_Case):
    """The deadline passed: the case went one level up."""

    TYPE: ClassVar[str] = "samaki.grievance.case.escalated.v1"
    level: str
    due_on: date


class CaseResolved(_Case):
    """The case has an outcome."""

    TYPE: ClassVar[str] = "samaki.grievance.case.resolved.v1"
    outcome: str = Field(description="upheld, partly_upheld, rejected or withdrawn.")


class CaseReopened(_Case):
    """The complainant was not content, or something new came to light."""

    TYPE: ClassVar[str] = "samaki.grievance.case.reopened.v1"
    due_on: date


class CaseClosed(_Case):
    """Nothing more will be done."""

    TYPE: ClassVar[str] = "samaki.grievance.case.closed.v1"
    cause: str


class AppealLodged(_Case):
    """A decision is appealed. `effect` is the policy's: is the money held or does it go on until decided?"""

    TYPE: ClassVar[str] = "samaki.grievance.appeal.lodged.v1"
    appeal_id: UUID
    decision_id: UUID
    programme_code: str | None
    beneficiary_id: UUID
    effect: Literal["hold", "continue", "none"]


class AppealDecided(_Case):
    """The panel decided an appeal. Upheld: the decision must be taken again."""

    TYPE: ClassVar[str] = "samaki.grievance.appeal.decided.v1"
    appeal_id: UUID
    decision_id: UUID
    programme_code: str | None
    beneficiary_id: UUID
    outcome: Literal["upheld", "rejected", "withdrawn"]


class RemedyRequested(EventPayload):
    """A case asks the owning service to put something right; that service answers with `remedy.answered`."""

    TYPE: ClassVar[str] = "samaki.grievance.remedy.requested.v1"
    TOPIC: ClassVar[str] = REMEDIES
    KEY: ClassVar[str] = "remedy_id"

    remedy_id: UUID
    case_id: UUID
    case_reference: str
    kind: RemedyKind
    household_id: UUID | None = None
    beneficiary_id: UUID | None = None
    payment_id: UUID | None = None
    decision_id: UUID | None = None
    programme_code: str | None = None
    condition: str | None = Field(default=None, description="Of a waiver: the condition's code.")
    valid_from: date | None = Field(default=None, description="Of a waiver.")
    valid_until: date | None = Field(default=None, description="Of a waiver.")
    corrections: tuple[FactCorrection, ...] = Field(default=(), max_length=20)
    requested_by: str = Field(description="Subject of the officer's token.")


class _Hold(EventPayload):
    TOPIC: ClassVar[str] = CASES
    KEY: ClassVar[str] = "payment_id"

    hold_id: UUID
    case_id: UUID | None
    payment_id: UUID = Field(description="A hold names one payment, never a whole household (fault 24).")


class HoldPlaced(_Hold):
    """One payment is held until `until`."""

    TYPE: ClassVar[str] = "samaki.grievance.hold.placed.v1"
    reason: str
    owner: str
    until: date


class HoldReleased(_Hold):
    """The hold is over: released or expired."""

    TYPE: ClassVar[str] = "samaki.grievance.hold.released.v1"
    cause: str


EVENTS: tuple[type[EventPayload], ...] = (
    CaseOpened,
    CaseEscalated,
    CaseResolved,
    CaseReopened,
    CaseClosed,
    AppealLodged,
    AppealDecided,
    RemedyRequested,
    HoldPlaced,
    HoldReleased,
)
