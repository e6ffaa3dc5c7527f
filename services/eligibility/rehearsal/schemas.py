"""What a rehearsal is asked and what it answers."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.eligibility.programmes.periods import PERIOD_PATTERN
from shared.contracts.base import PlaceCode

PerThousand = Annotated[Decimal, Field(ge=0, le=200, max_digits=6, decimal_places=2)]


class Assumptions(BaseModel):
    """What is assumed of the months ahead. Ages are not assumed: everybody known grows older by her birth date.

    `births_per_1000`, `deaths_per_1000`: a year. They change the number of beneficiaries and the cost in proportion,
    and are
    reported apart from what is known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cards_renewed: bool = Field(default=True, description="A card that is valid in the first month stays valid.")
    births_per_1000: PerThousand = Decimal(0)
    deaths_per_1000: PerThousand = Decimal(0)
    sample_percent: int = Field(
        default=10,
        ge=1,
        le=100,
        description="Households looked at for the months after the first, chosen by their ids.",
    )


class ShockScenario(BaseModel):
    """A shock: a share of the households of some places become poorer, at risk, or are struck by a named shock."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    places: tuple[PlaceCode, ...] = Field(default=(), max_length=200, description="Empty: everywhere.")
    share_percent: int = Field(ge=1, le=100, description="Of the households there, chosen by their ids.")
    becomes_poverty_level: Literal[1, 2] | None = Field(default=None, description="With a card, where they had none.")
    becomes_at_risk: bool = False


class WelfareMeasure(BaseModel):
    """What a person has a month before transfers, by the poverty level of her household: a stated assumption.

    Level 0: no card. In whole units of the programme's currency.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(min_length=1, max_length=200, description="Where the figures come from.")
    per_person: dict[Literal["0", "1", "2"], Annotated[int, Field(ge=0, le=10**12)]] = Field(min_length=3, max_length=3)


class RehearsalRequest(BaseModel):
    """Try a version from a period on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_period: str = Field(pattern=PERIOD_PATTERN)
    months: int = Field(default=1, ge=1, le=36)
    assumptions: Assumptions = Assumptions()
    shock: ShockScenario | None = None
    poor_levels: tuple[Literal[1, 2], ...] = Field(default=(1, 2), min_length=1, max_length=2)
    welfare: WelfareMeasure | None = Field(default=None, description="Needed for the Gini coefficient.")


class RehearsalAccepted(BaseModel):
    """Follow the job; the result is then at /eligibility/v1/rehearsals/{rehearsal_id}."""

    rehearsal_id: UUID
    job_id: UUID


class RehearsalView(BaseModel):
    """A rehearsal. `result` is null while it runs; amounts are decimal text in `result.currency`."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    programme_code: str
    version: int
    baseline_version: int | None
    request: dict[str, Any]
    state: str
    result: dict[str, Any] | None
    result_hash: str | None
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    approved_by: str | None
    approved_at: datetime | None


class ApproveRehearsal(BaseModel):
    """The hash of the result that was looked at."""

    model_config = ConfigDict(extra="forbid")

    result_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
