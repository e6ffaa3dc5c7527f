"""Exclusivity between programmes as one more clause: who takes part in another one is kept out, or skips a payment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import CTE, ColumnElement, Table, exists, or_, select

from services.eligibility.enrolments.model import EnrolmentRow, EnrolmentState
from services.eligibility.facts.repository import Day, day_column

ENROLMENT: Table = EnrolmentRow.__table__  # type: ignore[assignment]
PREFIX = "excluded_by."
"""Clauses of this kind are named `excluded_by.<programme>`."""


@dataclass(frozen=True)
class Exclusion:
    """One programme that excludes, by beneficiary or by her whole household."""

    programme: str
    same: Literal["household", "beneficiary"] = "household"

    @property
    def clause(self) -> str:
        """Its id among the clauses of a decision."""
        return f"{PREFIX}{self.programme}"


def at_enrolment(rules: Iterable[Any]) -> tuple[Exclusion, ...]:
    """Of a programme file's `exclusivity`, what refuses to enrol."""
    return tuple(Exclusion(rule.programme, rule.same) for rule in rules if rule.effect == "refuse")


def at_payment(rules: Iterable[Any], payment_number: int) -> tuple[Exclusion, ...]:
    """Of a programme file's `exclusivity`, what stops this payment of the programme (counted from 1)."""
    return tuple(
        Exclusion(rule.programme, rule.same)
        for rule in rules
        if rule.effect == "suspend_payment"
        or (rule.effect == "skip_payments" and (not rule.payments or payment_number in rule.payments))
    )


def excluded_column(exclusion: Exclusion, facts: CTE, on: Day) -> ColumnElement[bool]:
    """Whether the unit (or her household) takes part in the other programme on the reference date."""
    other = ENROLMENT.alias("other")
    key = "household_id" if exclusion.same == "household" else "beneficiary_id"
    taking_part: Sequence[str] = (EnrolmentState.APPROVED.value, EnrolmentState.SUSPENDED.value)
    day = day_column(on)
    condition = exists(
        select(other.c.id)
        .where(other.c.programme_code == exclusion.programme, other.c[key] == facts.c[key])
        .where(other.c.effective_on <= day, or_(other.c.state.in_(taking_part), other.c.ended_on > day))
        .correlate(facts)
    )
    return condition
