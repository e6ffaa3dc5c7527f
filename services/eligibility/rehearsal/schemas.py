"""What a rehearsal is asked and what it answers."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.eligibility.programmes.periods import PERIOD_PATTERN
from shared.contracts.base import Amount, PlaceCode

PerThousand = Annotated[Decimal, Field(ge=0, le=200, max_digits=6, decimal_places=2)]


class DeathRate(BaseModel):
    """Deaths a year among 1,000 persons of an age, of one sex or of both."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_age: int = Field(ge=0, le=130)
    to_age: int = Field(ge=0, le=130, description="Completed years, itself included.")
    sex: Literal["female", "male"] | None = None
    per_1000: PerThousand


class BirthRate(BaseModel):
    """Births a year among 1,000 women of an age."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_age: int = Field(ge=10, le=60)
    to_age: int = Field(ge=10, le=60)
    per_1000: PerThousand


class VitalRates(BaseModel):
    """The stated table that births and deaths of the months ahead are drawn from; the first row that fits counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(min_length=1, max_length=200, description="Where the rates come from.")
    deaths: tuple[DeathRate, ...] = Field(default=(), max_length=120)
    births: tuple[BirthRate, ...] = Field(default=(), max_length=60)
    girls_per_1000: int = Field(default=488, ge=0, le=1000, description="Among 1,000 born.")


class Assumptions(BaseModel):
    """What is assumed of the months ahead. Ages are not assumed: everybody known grows older by her birth date."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cards_renewed: bool = Field(default=True, description="A card that is valid in the first month stays valid.")
    vital_rates: VitalRates | None = Field(default=None, description="Without: nobody is born and nobody dies.")
    sample_percent: int = Field(
        default=10,
        ge=1,
        le=100,
        description="Households looked at for the months after the first, chosen by their ids.",
    )
    take_up_percent: int = Field(
        default=100,
        ge=1,
        le=1000,
        description="Of programmes that pay events: events of the year that is repeated, in percent.",
    )
    events_from: str | None = Field(
        default=None,
        pattern=PERIOD_PATTERN,
        description="First month of the year of events that is repeated; without, the twelve before from_period.",
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
    list_households: bool = Field(default=False, description="Keep who gains, loses, gets more or less, one by one.")


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


class ChangedView(BaseModel):
    """A household or person whose amount would change."""

    model_config = ConfigDict(from_attributes=True)

    unit_id: UUID
    household_id: UUID
    reference: str
    village_code: str
    change: str = Field(description="gains, loses, more, less.")
    clause: str = Field(description="Of who loses: the first clause that shuts her out.")
    amount_before: Amount
    amount_after: Amount


class ApproveRehearsal(BaseModel):
    """The hash of the result that was looked at."""

    model_config = ConfigDict(extra="forbid")

    result_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
