"""Shapes of reversals."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.payments.rails.reversals.model import ReversalState
from shared.contracts.base import Amount


class ReversalIn(BaseModel):
    """Ask for a settled payment to be taken back."""

    model_config = ConfigDict(extra="forbid")

    payment_id: UUID
    reason: str = Field(min_length=3, max_length=500, description="Why. Name nobody: it is kept in the audit trail.")


class ReversalView(BaseModel):
    """A reversal. No personal data."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    payment_id: UUID
    programme_code: str
    amount: Amount
    currency: str
    rail: str
    state: ReversalState
    reason: str
    requested_by: str
    requested_at: datetime
    decided_by: str
    decided_at: datetime | None
    reason_code: str = Field(description="Of a refusal: the rail's own word.")
    tries: int = Field(description="How often the rail was asked.")
    ended_at: datetime | None
    version: int
