"""What is shown of a payment beside a case."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import Amount


class PaymentStoryStep(BaseModel):
    """One state that the payment went through."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    status: str
    attempt: int
    rail: str
    reason_code: str | None
    reason: str | None
    told_at: datetime


class PaymentStory(BaseModel):
    """What happened to a payment, as payments told it."""

    model_config = ConfigDict(from_attributes=True)

    payment_id: UUID
    status: str = Field(description="instructed, settled, failed, returned or expired.")
    attempt: int
    programme_code: str
    period: str
    component: str
    amount: Amount
    currency: str
    rail: str
    reason_code: str | None
    reason: str | None
    told_at: datetime
    history: list[PaymentStoryStep] = Field(description="Oldest first, the latest 100.")
