"""Builders of the events that insights hears. A small country: 2 provinces, 3 households, one month."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from shared.contracts.base import ControlTotal, EventPayload
from shared.contracts.eligibility import (
    CycleClosed,
    EnrolmentApproved,
    EnrolmentCause,
    EnrolmentSuspended,
    EntitlementGranted,
    EntitlementRevoked,
)
from shared.contracts.grievance import CaseOpened, CaseResolved
from shared.contracts.payments import (
    PaymentExcluded,
    PaymentFailed,
    PaymentInstructed,
    PaymentListApproved,
    PaymentSettled,
)
from shared.contracts.registry import HouseholdChanged, HouseholdDissolved, HouseholdRegistered, MemberFacts
from shared.ids import deterministic_uuid

DAY = date(2020, 7, 1)
PROGRAMME = "KH-CTP-COVID"
PERIOD = "2020-07"
CYCLE = deterministic_uuid("cycle", PROGRAMME, PERIOD)
KANDAL, TAKEO = "08010101", "21010101"
PAYMENT_EVENTS = {
    "excluded": PaymentExcluded,
    "instructed": PaymentInstructed,
    "settled": PaymentSettled,
    "failed": PaymentFailed,
}


def uid(*parts: object) -> UUID:
    return deterministic_uuid(*(str(part) for part in parts))


def household(
    name: str, village: str, people: int, *, level: int | None = 1, version: int = 1, kind: str = "family"
) -> EventPayload:
    event = HouseholdRegistered if version == 1 else HouseholdChanged
    members = tuple(
        MemberFacts(person_id=uid("person", name, n), relationship="other", sex="female", birth_date=date(1990, 1, 1))
        for n in range(people)
    )
    return event.model_validate(
        {
            "version": version,
            "household_id": uid("household", name),
            "reference": f"HH-{name}",
            "village_code": village,
            "location_class": "rural",
            "poverty_level": level,
            "members": members,
            "effective_on": DAY,
            "kind": kind,
        }
    )


def dissolved(name: str, version: int) -> HouseholdDissolved:
    return HouseholdDissolved(version=version, household_id=uid("household", name), cause="merged", effective_on=DAY)


def enrolled(
    name: str, village: str, version: int = 1, *, cause: EnrolmentCause | None = None, on: date = DAY
) -> EnrolmentApproved:
    return EnrolmentApproved(
        version=version,
        enrolment_id=uid("enrolment", name),
        programme_code=PROGRAMME,
        programme_version=1,
        beneficiary_id=uid("household", name),
        beneficiary_reference=f"HH-{name}",
        village_code=village,
        effective_on=on,
        cause=cause,
    )


def suspended(name: str, village: str, version: int) -> EnrolmentSuspended:
    told = enrolled(name, village, version).model_dump(exclude={"cause"})
    return EnrolmentSuspended(**told | {"cause": "checked_at_home"})


def granted(name: str, village: str, amount: str, version: int = 1) -> EntitlementGranted:
    return EntitlementGranted(
        version=version,
        entitlement_id=uid("entitlement", name),
        cycle_id=CYCLE,
        programme_code=PROGRAMME,
        programme_version=1,
        period=PERIOD,
        beneficiary_id=uid("household", name),
        beneficiary_reference=f"HH-{name}",
        village_code=village,
        component="monthly_transfer",
        amount=Decimal(amount),
        currency="KHR",
        lines=(),
        decision_id=uid("decision", name),
    )


def revoked(name: str, version: int) -> EntitlementRevoked:
    return EntitlementRevoked(
        version=version, entitlement_id=uid("entitlement", name), cycle_id=CYCLE, cause="correction"
    )


def totals(*cells: tuple[str, int, str]) -> tuple[ControlTotal, ...]:
    return tuple(
        ControlTotal(component="monthly_transfer", province_code=province, count=count, amount=Decimal(amount))
        for province, count, amount in cells
    )


def closed(*cells: tuple[str, int, str], version: int = 2) -> CycleClosed:
    return CycleClosed(
        version=version,
        cycle_id=CYCLE,
        programme_code=PROGRAMME,
        programme_version=1,
        period=PERIOD,
        reference_date=DAY,
        payment_window_from=DAY,
        payment_window_until=DAY,
        funding_line="cash",
        currency="KHR",
        count=sum(count for _, count, _ in cells),
        amount=sum((Decimal(amount) for _, _, amount in cells), Decimal(0)),
        totals=totals(*cells),
        content_hash="0" * 64,
        closed_by="officer",
    )


def approved(*cells: tuple[str, int, str], version: int = 1) -> PaymentListApproved:
    return PaymentListApproved(
        version=version,
        cycle_id=CYCLE,
        payment_list_id=uid("list"),
        programme_code=PROGRAMME,
        period=PERIOD,
        count=sum(count for _, count, _ in cells),
        amount=sum((Decimal(amount) for _, _, amount in cells), Decimal(0)),
        currency="KHR",
        totals=totals(*cells),
        content_hash="0" * 64,
        submitted_by="maker",
        approved_by="checker",
    )


def payment(name: str, village: str, amount: str, status: str, version: int, attempt: int = 1) -> EventPayload:
    extra: dict[str, Any] = {
        "settled": {"settled_on": DAY},
        "failed": {"reason_code": "AC04", "reason": "closed account"},
        "excluded": {"reason_code": "no_account", "reason": "no account"},
    }.get(status, {})
    return PAYMENT_EVENTS[status].model_validate(
        {
            "version": version,
            "payment_id": uid("payment", name),
            "entitlement_id": uid("entitlement", name),
            "cycle_id": CYCLE,
            "programme_code": PROGRAMME,
            "period": PERIOD,
            "beneficiary_id": uid("household", name),
            "beneficiary_reference": f"HH-{name}",
            "village_code": village,
            "component": "monthly_transfer",
            "amount": amount,
            "currency": "KHR",
            "attempt": attempt,
            "rail": "bank",
            **extra,
        }
    )


def refund(name: str, village: str, amount: str, status: str, version: int) -> EventPayload:
    """A contribution given back to an employer, as payments tells it: of no cycle and no list but its own id."""
    own = uid("refund", name)
    told = payment(name, village, amount, status, version).model_dump()
    changed = {"payment_id": uid("refund payment", name), "entitlement_id": own, "cycle_id": own}
    changed |= {"programme_code": "REFUND", "component": "refund", "beneficiary_reference": "RF-1"}
    return PAYMENT_EVENTS[status].model_validate(told | changed)


def case(name: str, place: str | None, *, resolved: bool = False, version: int = 1) -> EventPayload:
    common = {
        "version": version,
        "case_id": uid("case", name),
        "reference": f"GR-{name}",
        "category": "payment",
        "subject_type": "payment",
        "subject_id": uid("payment", name),
        "place_code": place,
    }
    if resolved:
        return CaseResolved.model_validate({**common, "outcome": "upheld"})
    return CaseOpened.model_validate({**common, "channel": "phone", "due_on": DAY})


def one_month() -> list[EventPayload]:
    """Three households in two provinces, of whom one was dissolved; two paid, one after a failure and a case."""
    return [
        household("a", KANDAL, 4),
        household("b", TAKEO, 3, level=2),
        household("c", TAKEO, 2),
        household("a", KANDAL, 5, version=2),
        dissolved("c", version=2),
        enrolled("a", KANDAL, cause="by_officer"),
        enrolled("b", TAKEO, cause="new_card"),
        granted("a", KANDAL, "200000"),
        granted("b", TAKEO, "128000"),
        closed(("08", 1, "200000"), ("21", 1, "128000")),
        approved(("08", 1, "200000"), ("21", 1, "128000")),
        payment("a", KANDAL, "200000", "instructed", 1),
        payment("b", TAKEO, "128000", "instructed", 1),
        payment("a", KANDAL, "200000", "settled", 2),
        payment("b", TAKEO, "128000", "failed", 2),
        case("b", TAKEO),
        payment("b", TAKEO, "128000", "instructed", 3, attempt=2),
        payment("b", TAKEO, "128000", "settled", 4, attempt=2),
        case("b", TAKEO, resolved=True, version=3),
    ]
