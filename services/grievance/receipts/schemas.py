"""What a receipt code shows, and what its holder can do."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from services.grievance.cases.states import CaseState, Outcome


class PublicNote(BaseModel):
    """What the desk says to the complainant."""

    at: datetime
    text: str


class ReceiptState(BaseModel):
    """How far a complaint has come. No person, place, officer or category; of a sealed one no words either."""

    reference: str
    state: CaseState
    level: str
    due_on: date
    outcome: Outcome | None
    changed_at: datetime
    rating: int | None
    notes: list[PublicNote]


class RateCase(BaseModel):
    """How content the complainant is with the answer."""

    model_config = ConfigDict(extra="forbid")

    rating: int = Field(ge=1, le=5, description="1 not at all, 5 entirely.")


class ReopenByReceipt(BaseModel):
    """Why she is not content."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: str = Field(min_length=1, max_length=10_000)
