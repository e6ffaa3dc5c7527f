"""The parts of a programme file, each a validated model. programmes/file.py puts them together."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from services.eligibility.programmes.rates import Day, exact_amount

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
ProgrammeCode = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,20}){1,5}$")]
Budget = Annotated[Decimal, BeforeValidator(exact_amount), PlainSerializer(str, when_used="json")]


class Part(BaseModel):
    """Base of every part: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(Part):
    """A text in the two languages of the platform."""

    km: str = Field(min_length=1, max_length=500)
    en: str = Field(min_length=1, max_length=500)


class Dated(Part):
    """What holds only between two reference dates, both included; always, without them."""

    valid_from: Day | None = None
    valid_until: Day | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValueError("valid_until is before valid_from")
        return self

    @property
    def always(self) -> bool:
        """No date bounds it."""
        return self.valid_from is None and self.valid_until is None


class Clause(Dated):
    """One condition for taking part; all must hold. `reason` is told to the family when it does not."""

    id: Name
    when: str = Field(description="CEL over household, members and what the unit adds.")
    reason: Words


class FormulaLine(Dated):
    """One component of a benefit: quantity x rate."""

    component: Name
    names: Words
    quantity: str = Field(description="CEL, a whole number that cannot be negative.")
    rate: Name = Field(description="Name of a rate table of this file.")
    enabled: bool = Field(default=True, description="A component can be switched off.")


class Benefit(Part):
    """What is paid as one amount: the sum of its lines."""

    component: Name
    names: Words
    formula: tuple[FormulaLine, ...] = Field(min_length=1, max_length=20)
    payer: Words | None = Field(
        default=None, description="Who pays it, if not this programme: it is then computed and shown, never paid here."
    )


class WindowEdge(Part):
    """A day of the month, some months after the period's own; the 31st of a shorter month is its last day."""

    day: int = Field(ge=1, le=31)
    months_after: int = Field(ge=0, le=24)


class PaymentWindow(Part):
    """When the money can be collected."""

    opens: WindowEdge
    closes: WindowEdge


class Arrears(Part):
    """Months that are paid afterwards to whoever joins or is found late."""

    months: int = Field(ge=1, le=36)


class Recovery(Part):
    """How overpayments are taken back from later benefits."""

    cap_percent: int = Field(default=25, ge=1, le=100, description="Of the benefit, per cycle, at most.")


class Rank(Part):
    """One key of the order of a waiting list."""

    by: str = Field(description="CEL, a whole number or a condition.")
    order: Literal["asc", "desc"] = "asc"


class Capacity(Part):
    """What the programme can take: at least one of the two binds."""

    quota: int | None = Field(default=None, ge=0, le=10_000_000, description="Beneficiaries at most.")
    budget_per_period: Budget | None = Field(default=None, description="Money at most, per period.")
    ranking: tuple[Rank, ...] = Field(min_length=1, max_length=6, description="Who comes first when it binds.")

    @model_validator(mode="after")
    def _binds(self) -> Self:
        if self.quota is None and self.budget_per_period is None:
            raise ValueError("give a quota or a budget_per_period")
        return self


class Exclusivity(Part):
    """Another programme that goes before this one."""

    programme: ProgrammeCode
    effect: Literal["refuse", "skip_payments", "suspend_payment"] = Field(
        description="refuse: its beneficiaries are not enrolled here. skip_payments: they miss the payments numbered "
        "in `payments`. suspend_payment: they are not paid while they are in it."
    )
    payments: tuple[Annotated[int, Field(ge=1, le=400)], ...] = Field(
        default=(), max_length=60, description="Numbers of the payments of this programme that are missed."
    )
    same: Literal["household", "beneficiary"] = "household"

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if (self.effect == "skip_payments") != bool(self.payments):
            raise ValueError("skip_payments needs `payments`, and nothing else does")
        return self


class Duration(Part):
    """How long a beneficiary takes part."""

    months: str = Field(description="CEL, a whole number of months from the enrolment.")


class Suspension(Part):
    """While it holds, taking part is paused."""

    id: Name
    when: str = Field(description="CEL.")
    reason: Words


class Blackout(Part):
    """Days without payments, e.g. a holiday. A window that would open or close within them does so afterwards."""

    first: Day
    last: Day
    reason: Words

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last < self.first:
            raise ValueError("last is before first")
        return self

    def covers(self, day: date) -> bool:
        """Whether the day is one of them."""
        return self.first <= day <= self.last


class ConditionTest(Part):
    """A named condition over one person, `m.<name>` and `person.<name>`: enough events of a kind in a window."""

    kind: Name
    within_days: int | None = Field(
        default=None, ge=1, le=3_700, description="Before the reference date; all, without."
    )
    minimum: int = Field(default=0, ge=0, le=10_000, description="An event counts from this value on.")
    at_least: int = Field(default=1, ge=1, le=100, description="So many events.")
    waivable: bool = Field(default=True, description="Met as well by a waiver, or where the service is not available.")


class Document(Part):
    """A paper that is asked for."""

    code: Name
    names: Words
    required: bool = True


class Cover(Part):
    """A service that whoever qualifies may use free of charge."""

    service: Name
    names: Words
    note: Words | None = None
