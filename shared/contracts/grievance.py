"""What grievance says: who complained and what became of it. Nothing of a sealed case is ever published."""

from __future__ import annotations

from datetime import date
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from shared.contracts.base import EventPayload, PlaceCode

CASES = "grievance.cases"


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


EVENTS: tuple[type[EventPayload], ...] = (CaseOpened, CaseEscalated, CaseResolved, HoldPlaced, HoldReleased)
