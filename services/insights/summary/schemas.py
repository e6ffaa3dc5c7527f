"""The summary over HTTP. No number without its unit, nor without word on whether it was checked (fault 22)."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, Field

from shared.contracts.base import Amount
from shared.contracts.eligibility import EnrolmentCause

V = TypeVar("V")


class Control(BaseModel, Generic[V]):
    """The total that a figure was compared with."""

    source: str = Field(description="The event that carried it: `cycle.closed` or `list.approved`.")
    expected: V


class Figure(BaseModel, Generic[V]):
    """A number with its unit."""

    value: V
    unit: str = Field(description="What is counted, or the currency of a sum, in whole units (never thousands).")
    checked: bool = Field(description="It meets its control total, in sum and in every component and province.")
    control: Control[V] | None = Field(default=None, description="Null where no control total exists.")


class Scope(BaseModel):
    """What the figures cover."""

    province: str | None
    areas: list[str]
    programme_code: str | None
    period: str | None


class ByPovertyLevel(BaseModel):
    """Households of one level of poverty; null: no card."""

    poverty_level: int | None
    households: Figure[int]


class ByProgramme(BaseModel):
    """Approved enrolments in a programme."""

    programme_code: str
    enrolments: Figure[int]


class NewEnrolments(BaseModel):
    """Enrolments that began in a month, by programme and cause; also those that ended since."""

    programme_code: str
    period: str
    cause: EnrolmentCause | None = Field(description="Null: the event told none.")
    enrolments: Figure[int]


class EntitlementsOfCycle(BaseModel):
    """What was granted for a programme's period, and what of it was withdrawn since."""

    programme_code: str
    period: str
    granted: Figure[int]
    amount: Figure[Amount]
    revoked: Figure[int]
    revoked_amount: Figure[Amount]


class PaymentsByStatus(BaseModel):
    """Payments that stand at one status."""

    status: str
    count: Figure[int]
    amount: Figure[Amount]


class PaymentsOfCycle(BaseModel):
    """Payments of a programme's period that were handed to a rail, in all and by status; and what a check left out."""

    programme_code: str
    period: str
    count: Figure[int]
    amount: Figure[Amount]
    by_status: list[PaymentsByStatus]
    excluded: Figure[int]
    excluded_amount: Figure[Amount]


class RefundsOfPeriod(BaseModel):
    """Contributions given back to employers, of the month in which they were sent. In no figure of benefits."""

    period: str
    count: Figure[int]
    amount: Figure[Amount]
    by_status: list[PaymentsByStatus]


class CasesByState(BaseModel):
    """Cases in one state."""

    state: str
    cases: Figure[int]


class Summary(BaseModel):
    """How the platform stands, in the caller's area."""

    as_of: datetime
    scope: Scope
    households: Figure[int]
    people: Figure[int]
    individuals: Figure[int]
    households_by_poverty_level: list[ByPovertyLevel]
    enrolled: list[ByProgramme]
    new_enrolments: list[NewEnrolments]
    entitlements: list[EntitlementsOfCycle]
    payments: list[PaymentsOfCycle]
    refunds: list[RefundsOfPeriod]
    cases: list[CasesByState]
