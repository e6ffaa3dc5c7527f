"""Shapes of the rails' endpoints."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.payments.rails.policy import RailPolicy
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
    waits_for: str = Field(description="`closed`, `day_limit`, `stopped`, `breaker`: why it does not go; else empty.")
    next_at: datetime = Field(description="Not before then.")
    reference: str = Field(description="The rail's own id of it.")
    reason_code: str
    reason: str
    created_at: datetime
    submitted_at: datetime | None
    completed_at: datetime | None


class JobAccepted(BaseModel):
    """Work was queued: GET /payments/v1/jobs/{job_id} tells how far it is."""

    job_id: UUID


class RailView(BaseModel):
    """A rail, how it does, and what waits on it."""

    name: str
    title: str
    configured: bool
    open_now: bool = Field(description="Inside its opening hours.")
    opens_at: datetime | None = Field(description="The next moment at which a batch may go out.")
    breaker: str = Field(description="`closed`, `open`, or `half_open`: one call is let through to try.")
    failures: int = Field(description="Calls in a row that failed.")
    retry_at: datetime | None
    last_error: str
    answered_at: datetime | None = Field(description="When it last answered a submission or a question.")
    queued: int = Field(description="Payments not yet in a batch.")
    formed: int = Field(description="Batches that wait to go out.")
    unknown: int = Field(description="Batches whose outcome is being asked for.")
    submitted: int = Field(description="Batches handed over and without an end.")
    silent: int = Field(description="Of these, those without an end for longer than the policy's silent_after_hours.")


class PolicyView(BaseModel):
    """A rail's policy in force. Version 0 is the one that the rail's module proposes."""

    rail: str
    version: int
    changed_by: str
    changed_at: datetime | None
    policy: RailPolicy
