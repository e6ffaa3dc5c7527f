"""Bodies of the application endpoints."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.registry.households.changes import Body, Code, VillageCode
from services.registry.households.schemas import NewHousehold

Reason = Code


class NewApplication(Body):
    """A household asks to be registered, to be assessed again, or is proposed for de-listing."""

    purpose: Literal["register", "reassess", "delist"]
    village_code: VillageCode
    household: NewHousehold | None = Field(default=None, description="To register; its card is given when decided.")
    household_id: UUID | None = Field(default=None, description="To reassess or de-list.")
    answers: dict[str, str | int | Decimal] = Field(default={}, max_length=100)
    delisting_cause: Code | None = None
    related_to_official: bool = Field(default=False, description="A member is related to an official of the area.")
    conflict_reason: str = Field(default="", max_length=200, description="In words, without personal data.")


class Verification(Body):
    """What the visit found."""

    outcome: Literal["confirmed", "not_confirmed"]
    answers: dict[str, str | int | Decimal] | None = Field(
        default=None, max_length=100, description="As found, where they differ: the score is taken anew."
    )


class Decision(Body):
    """Registered (or changed), or refused with reasons."""

    outcome: Literal["registered", "refused"]
    reasons: list[Code] = Field(default=[], max_length=10)
    card_number: str | None = Field(default=None, max_length=32)
    card_valid_from: date | None = None
    card_valid_until: date | None = None


class Appeal(Body):
    """Why the refusal is appealed; answers may be given anew."""

    answers: dict[str, str | int | Decimal] | None = Field(default=None, max_length=100)
    related_to_official: bool = False


class ApplicationView(BaseModel):
    """An application: no names (law 8)."""

    id: UUID
    reference: str
    state: str
    purpose: str
    household_id: UUID | None
    village_code: str
    questionnaire: str | None
    score: Decimal | None
    level: int | None
    explanation: dict[str, Any] | None = Field(description="The score, question by question.")
    conflict: bool = Field(description="Interests may conflict: two people verify.")
    submitted_by: str
    submitted_at: datetime
    verified_by: str | None
    second_verified_by: str | None
    decided_by: str | None
    decided_at: datetime | None
    reasons: list[str]
    appeal_of: UUID | None
    appeal_until: date | None
    version: int


class ExpiringCard(BaseModel):
    """A household to be visited before its card ends."""

    household_id: UUID
    reference: str
    village_code: str
    household_ref: str
    poverty_level: int
    card_valid_until: date
    days_left: int
