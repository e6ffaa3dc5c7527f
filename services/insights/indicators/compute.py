"""Indicators from a summary, without I/O. A share is exact to one hundredth of a percent, rounded half up."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from services.insights.indicators.schemas import Indicator
from services.insights.summary.schemas import (
    EntitlementsOfCycle,
    NewEnrolments,
    PaymentsOfCycle,
    RefundsOfPeriod,
    Summary,
)

CENT = Decimal("0.01")
ControlSource = Literal["cycle.closed", "list.approved"]

DEFINITIONS: dict[str, tuple[str, str]] = {
    "households.registered": ("Households in the registry that are not dissolved.", "households"),
    "people.registered": ("Living members of registered households, and people registered alone.", "people"),
    "households.average_size": (
        "People in registered households divided by registered households.",
        "people per household",
    ),
    "enrolments.approved": ("Enrolments in force: approved, not suspended, not ended.", "enrolments"),
    "enrolments.new": (
        "Enrolments that began in the month, for this cause (`not_told`: none was told); also those ended since.",
        "enrolments",
    ),
    "entitlements.granted": ("Entitlements granted for the period, also those withdrawn since.", "entitlements"),
    "entitlements.amount": ("Sum granted for the period, also what was withdrawn since.", "currency"),
    "payments.instructed": ("Payments handed to a rail at least once.", "payments"),
    "payments.amount": ("Sum of the payments handed to a rail at least once.", "currency"),
    "payments.settled": (
        "Payments that reached the beneficiary by the rail's word, and did not come back.",
        "payments",
    ),
    "payments.settled_amount": ("Sum of the settled payments.", "currency"),
    "payments.settled_share": ("Settled payments in a hundred payments handed to a rail.", "percent"),
    "payments.excluded": ("Payments owed that a check left out of the list.", "payments"),
    "payments.excluded_amount": ("Sum of the payments that a check left out.", "currency"),
    "payments.not_paid_amount": ("Sum of payments that failed, came back or were not collected.", "currency"),
    "refunds.sent": ("Contributions given back to employers: sent in the month. No benefit counts them.", "refunds"),
    "refunds.sent_amount": ("Sum of the contributions sent back to employers in the month.", "currency"),
    "refunds.settled_amount": ("Sum of those that reached the employer, and did not come back.", "currency"),
    "cases.open": ("Complaints without an outcome.", "cases"),
    "cases.resolved": ("Complaints with an outcome.", "cases"),
    "cases.resolved_share": ("Complaints with an outcome in a hundred complaints.", "percent"),
}
"""Code -> (definition, unit); `currency` stands for the currency of the sum."""

ENDED = frozenset({"resolved", "closed"})
NOT_PAID = frozenset({"failed", "returned", "expired"})


def compute_indicators(summary: Summary) -> list[Indicator]:
    """Every indicator of a summary, in the order of `DEFINITIONS` within each group."""
    return [
        *_people(summary),
        *(
            _indicator("enrolments.approved", row.enrolments.value, {"programme_code": row.programme_code})
            for row in summary.enrolled
        ),
        *(_new_enrolments(row) for row in summary.new_enrolments),
        *(indicator for cycle in summary.entitlements for indicator in _entitlements(cycle)),
        *(indicator for cycle in summary.payments for indicator in _payments(cycle)),
        *(indicator for period in summary.refunds for indicator in _refunds(period)),
        *_cases(summary),
    ]


def _people(summary: Summary) -> Iterator[Indicator]:
    households, people = summary.households.value, summary.people.value
    together = people - summary.individuals.value
    yield _indicator("households.registered", households)
    yield _indicator("people.registered", people)
    yield _indicator("households.average_size", _ratio(Decimal(together), Decimal(households)))


def _new_enrolments(row: NewEnrolments) -> Indicator:
    where = {"programme_code": row.programme_code, "period": row.period, "cause": row.cause or "not_told"}
    return _indicator("enrolments.new", row.enrolments.value, where)


def _refunds(period: RefundsOfPeriod) -> Iterator[Indicator]:
    where, currency = {"period": period.period}, period.amount.unit
    settled = sum((row.amount.value for row in period.by_status if row.status == "settled"), Decimal(0))
    yield _indicator("refunds.sent", period.count.value, where)
    yield _indicator("refunds.sent_amount", period.amount.value, where, currency)
    yield _indicator("refunds.settled_amount", settled, where, currency)


def _entitlements(cycle: EntitlementsOfCycle) -> Iterator[Indicator]:
    where = {"programme_code": cycle.programme_code, "period": cycle.period}
    checked, currency = cycle.granted.checked, cycle.amount.unit
    control: ControlSource | None = "cycle.closed" if cycle.granted.control else None
    yield _indicator("entitlements.granted", cycle.granted.value, where, "", checked, control)
    yield _indicator("entitlements.amount", cycle.amount.value, where, currency, checked, control)


def _payments(cycle: PaymentsOfCycle) -> Iterator[Indicator]:
    where = {"programme_code": cycle.programme_code, "period": cycle.period}
    checked, currency = cycle.count.checked, cycle.amount.unit
    control: ControlSource | None = "list.approved" if cycle.count.control else None
    settled = [row for row in cycle.by_status if row.status == "settled"]
    not_paid = [row for row in cycle.by_status if row.status in NOT_PAID]
    settled_count = sum(row.count.value for row in settled)
    share = _ratio(Decimal(settled_count * 100), Decimal(cycle.count.value))
    yield _indicator("payments.instructed", cycle.count.value, where, "", checked, control)
    yield _indicator("payments.amount", cycle.amount.value, where, currency, checked, control)
    yield _indicator("payments.settled", settled_count, where, "", checked, control)
    settled_amount = sum((row.amount.value for row in settled), Decimal(0))
    yield _indicator("payments.settled_amount", settled_amount, where, currency, checked, control)
    yield _indicator("payments.settled_share", share, where, "", checked, control)
    not_paid_amount = sum((row.amount.value for row in not_paid), Decimal(0))
    yield _indicator("payments.excluded", cycle.excluded.value, where)
    yield _indicator("payments.excluded_amount", cycle.excluded_amount.value, where, currency)
    yield _indicator("payments.not_paid_amount", not_paid_amount, where, currency, checked, control)


def _cases(summary: Summary) -> Iterator[Indicator]:
    resolved = sum(row.cases.value for row in summary.cases if row.state in ENDED)
    every = sum(row.cases.value for row in summary.cases)
    yield _indicator("cases.open", every - resolved)
    yield _indicator("cases.resolved", resolved)
    yield _indicator("cases.resolved_share", _ratio(Decimal(resolved * 100), Decimal(every)))


def _ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    return None if whole == 0 else (part / whole).quantize(CENT, ROUND_HALF_UP)


def _indicator(
    code: str,
    value: int | Decimal | None,
    dimensions: dict[str, str] | None = None,
    currency: str = "",
    checked: bool = False,
    control: ControlSource | None = None,
) -> Indicator:
    definition, unit = DEFINITIONS[code]
    return Indicator(
        code=code,
        definition=definition,
        unit=currency if unit == "currency" else unit,
        dimensions=dimensions or {},
        value=None if value is None else str(value),
        checked=checked,
        control=control,
    )
