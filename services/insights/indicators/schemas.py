"""Indicators over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from services.insights.summary.schemas import Scope


class Indicator(BaseModel):
    """One figure that may be quoted: with its definition, so that nobody has to guess what it counts (fault 22)."""

    code: str = Field(description="Stable, e.g. `payments.settled_share`.")
    definition: str
    unit: str
    dimensions: dict[str, str] = Field(description="What it is given for, e.g. programme and period.")
    value: str | None = Field(description="Exact decimal; null where the definition has no value (division by none).")
    checked: bool
    control: Literal["cycle.closed", "list.approved"] | None = Field(
        description="The event whose totals it is checked against; null: there are none."
    )


class Indicators(BaseModel):
    """Every indicator, in the caller's area."""

    as_of: datetime
    scope: Scope
    indicators: list[Indicator]
