"""What the entitlement check takes and answers. No names: the card shows them."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class CoverageQuestion(BaseModel):
    """Who, and in which programme: one of reference, household and person."""

    model_config = ConfigDict(extra="forbid")

    programme_code: str = Field(max_length=60)
    reference: str | None = Field(default=None, max_length=40, description="On the card, e.g. `HH-7K2M9Q4X-5`.")
    household_id: UUID | None = None
    person_id: UUID | None = None


class ServiceCovered(BaseModel):
    """A service that is free of charge."""

    service: str
    names: dict[str, str]


class Reason(BaseModel):
    """A clause that does not hold, in words for the family."""

    clause: str
    km: str
    en: str


class CoverageView(BaseModel):
    """The answer."""

    covered: bool
    programme_code: str
    programme_version: int
    on: date
    household_reference: str
    card_valid_until: date | None
    services: list[ServiceCovered]
    reasons: list[Reason]
