"""What remedies look like over HTTP."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.remedies import FactCorrection, RemedyKind


class RequestRemedy(BaseModel):
    """What is to be put right. Which fields are needed depends on the kind (docs/grievance.md)."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    kind: RemedyKind
    household_id: UUID | None = None
    beneficiary_id: UUID | None = None
    payment_id: UUID | None = None
    decision_id: UUID | None = None
    programme_code: str | None = Field(default=None, min_length=1, max_length=40)
    condition: str | None = Field(default=None, min_length=1, max_length=60)
    valid_from: date | None = None
    valid_until: date | None = None
    corrections: tuple[FactCorrection, ...] = Field(default=(), max_length=20)
