"""What a receipt code shows."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel

from services.grievance.cases.states import CaseState, Outcome


class ReceiptState(BaseModel):
    """How far a complaint has come. No person, place, officer or words."""

    reference: str
    state: CaseState
    due_on: date
    outcome: Outcome | None
    changed_at: datetime
