"""A remedy: what a grievance asks another service to do, and that service's answer. Values only; no event of its own.

The request is published by grievance; each owning service answers on its own topic with a subclass of `RemedyAnswer`.
"""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import EventPayload

RemedyKind = Literal["correct_registry", "redecide", "reissue_payment", "waive_condition"]


class FactCorrection(BaseModel):
    """One fact to be put right. Facts only: a name or an identity number is corrected by an officer in the registry."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    person_id: UUID | None = Field(default=None, description="Null: a fact of the household.")
    field: Literal[
        "village_code",
        "birth_date",
        "sex",
        "relationship",
        "disability",
        "living_with_hiv",
        "pregnant",
        "at_risk",
        "poverty_level",
        "card_valid_until",
    ]
    value: str = Field(max_length=40, description="The right value, as text: a date in ISO 8601, `true` or `false`.")


class RemedyAnswer(EventPayload):
    """What became of a remedy."""

    KEY: ClassVar[str] = "remedy_id"

    remedy_id: UUID
    case_id: UUID
    outcome: Literal["done", "refused", "waiting"] = Field(description="`waiting`: a person there must act first.")
    reason_code: str = Field(default="", description="Stable code, e.g. `payment_already_settled`.")
    reason: str = Field(default="", max_length=500, description="In words, without personal data.")
    result_id: UUID | None = Field(
        default=None, description="What it made or changed: a decision, a payment, a household."
    )


__all__ = ["FactCorrection", "RemedyAnswer", "RemedyKind"]
