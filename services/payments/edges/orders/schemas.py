"""External orders over HTTP: shapes, for officers."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.payments.fields import AmountOut


class OrderOut(BaseModel):
    """An order. `id` is also the id of its cycle: build its payment list with `cycle_id = id`."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    reference: str
    source_code: str
    protocol: str
    modality: str
    request_id: str
    batch_id: str
    state: str
    currency: str
    count: int
    amount: AmountOut
    accepted_count: int
    accepted_amount: AmountOut
    refusal: str
    received_by: str
    due_at: datetime | None
    created_at: datetime
    prepared_at: datetime | None
    version: int


class OrderLineOut(BaseModel):
    """A line and what became of it. The source's id of the payee is not shown."""

    model_config = ConfigDict(from_attributes=True)

    line: int
    instruction_id: str
    status: str
    amount: Decimal | None
    currency: str
    code: str


class Refusal(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=3, max_length=500)
