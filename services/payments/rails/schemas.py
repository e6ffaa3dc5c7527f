"""Shapes of the rails' endpoints."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import Amount


class BatchView(BaseModel):
    """A batch of instructions handed to a rail."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    rail: str
    provider: str = Field(description="Empty for a bank file, which serves all banks.")
    payment_list_id: UUID
    message_id: str = Field(description="Its name on the wire, the same on every re-send.")
    state: str
    count: int
    amount: Amount
    currency: str
    execution_on: date
    tries: int = Field(description="Calls made to the rail about handing it over.")
    reference: str = Field(description="The rail's own id of it.")
    reason_code: str
    reason: str
    created_at: datetime
    submitted_at: datetime | None
    completed_at: datetime | None


class JobAccepted(BaseModel):
    """Work was queued: GET /payments/v1/jobs/{job_id} tells how far it is."""

    job_id: UUID
