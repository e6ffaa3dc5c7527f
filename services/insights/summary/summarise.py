"""Use-case: how the platform stands, in the caller's area, every figure with its unit and its check."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.insights.facts.model import CycleFact, PaymentListFact
from services.insights.summary import repository
from services.insights.summary.control import Cell, Reach, Total, expected, meets, reach_of
from services.insights.summary.repository import CycleKey, Narrowing
from services.insights.summary.schemas import (
    ByPovertyLevel,
    ByProgramme,
    CasesByState,
    Control,
    EntitlementsOfCycle,
    Figure,
    NewEnrolments,
    PaymentsByStatus,
    PaymentsOfCycle,
    RefundsOfPeriod,
    Scope,
    Summary,
)
from shared.clock import Clock
from shared.contracts.base import Amount
from shared.errors import OutsideArea

NOTHING = Decimal(0)
EXCLUDED = "excluded"
"""Owed, but left out of the list that was approved: not among what its control totals cover."""


async def summarise(session: AsyncSession, clock: Clock, narrow: Narrowing) -> Summary:
    """The summary.

    Raises:
        OutsideArea: the province asked for is nowhere in the caller's area (zeros would look like an answer).
    """
    principal = narrow.principal
    _ensure_reachable(narrow)
    await repository.begin_snapshot(session)
    reach = reach_of(principal.areas, national=principal.national, province=narrow.province)
    levels = await repository.households(session, narrow)
    alone = await repository.individuals(session, narrow)
    granted = await repository.entitlements(session, narrow)
    paid = await repository.payments(session, narrow)
    return Summary(
        as_of=clock.now(),
        scope=Scope(
            province=narrow.province,
            areas=list(principal.areas),
            programme_code=narrow.programme_code,
            period=narrow.period,
        ),
        households=_count(sum(households for _, households, _ in levels), "households"),
        people=_count(sum(people for _, _, people in levels) + alone, "people"),
        individuals=_count(alone, "people"),
        households_by_poverty_level=[
            ByPovertyLevel(poverty_level=level, households=_count(households, "households"))
            for level, households, _ in levels
        ],
        enrolled=[
            ByProgramme(programme_code=code, enrolments=_count(count, "enrolments"))
            for code, count in await repository.enrolments(session, narrow)
        ],
        new_enrolments=[
            NewEnrolments.model_validate(
                {"programme_code": code, "period": period, "cause": cause, "enrolments": _count(count, "enrolments")}
            )
            for code, period, cause, count in await repository.new_enrolments(session, narrow)
        ],
        entitlements=_entitlements(granted, await repository.totals(session, narrow, CycleFact), reach),
        payments=_payments(paid, await repository.totals(session, narrow, PaymentListFact), reach),
        refunds=_refunds(await repository.refunds(session, narrow)),
        cases=[
            CasesByState(state=state, cases=_count(count, "cases"))
            for state, count in await repository.cases(session, narrow)
        ],
    )


def _ensure_reachable(narrow: Narrowing) -> None:
    principal, province = narrow.principal, narrow.province
    if province is None or principal.national:
        return
    if not any(area.startswith(province) or province.startswith(area) for area in principal.areas):
        raise OutsideArea("Ask for a province of your area.")


def _entitlements(rows: Sequence[Any], totals: dict[CycleKey, Total], reach: Reach) -> list[EntitlementsOfCycle]:
    by_cycle = _by_cycle(rows, totals)
    return [_entitlements_of(key, by_cycle[key], totals.get(key), reach) for key in sorted(by_cycle)]


def _entitlements_of(key: CycleKey, rows: list[Any], total: Total | None, reach: Reach) -> EntitlementsOfCycle:
    count, amount = sum(row.count for row in rows), sum((row.amount for row in rows), NOTHING)
    checked, told = _check(rows, total, reach)
    return EntitlementsOfCycle(
        programme_code=key.programme_code,
        period=key.period,
        granted=_count(count, "entitlements", checked, "cycle.closed", told),
        amount=_sum(amount, key.currency, checked, "cycle.closed", told),
        revoked=_count(sum(row.revoked for row in rows), "entitlements"),
        revoked_amount=_sum(sum((row.revoked_amount for row in rows), NOTHING), key.currency),
    )


def _payments(rows: Sequence[Any], totals: dict[CycleKey, Total], reach: Reach) -> list[PaymentsOfCycle]:
    by_cycle = _by_cycle(rows, totals)
    return [_payments_of(key, by_cycle[key], totals.get(key), reach) for key in sorted(by_cycle)]


def _payments_of(key: CycleKey, rows: list[Any], total: Total | None, reach: Reach) -> PaymentsOfCycle:
    left_out = [row for row in rows if row.status == EXCLUDED]
    rows = [row for row in rows if row.status != EXCLUDED]
    checked, told = _check(rows, total, reach)
    return PaymentsOfCycle(
        programme_code=key.programme_code,
        period=key.period,
        count=_count(sum(row.count for row in rows), "payments", checked, "list.approved", told),
        amount=_sum(sum((row.amount for row in rows), NOTHING), key.currency, checked, "list.approved", told),
        by_status=_by_status(rows, "payments", key.currency, checked),
        excluded=_count(sum(row.count for row in left_out), "payments"),
        excluded_amount=_sum(sum((row.amount for row in left_out), NOTHING), key.currency),
    )


def _refunds(rows: Sequence[Any]) -> list[RefundsOfPeriod]:
    """By month; a month with two currencies is there twice."""
    by_period: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in rows:
        by_period[row.period, row.currency].append(row)
    return [
        RefundsOfPeriod(
            period=period,
            count=_count(sum(row.count for row in members), "refunds"),
            amount=_sum(sum((row.amount for row in members), NOTHING), currency),
            by_status=_by_status(members, "refunds", currency),
        )
        for (period, currency), members in sorted(by_period.items())
    ]


def _by_status(rows: Sequence[Any], unit: str, currency: str, checked: bool = False) -> list[PaymentsByStatus]:
    by_status: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_status[row.status].append(row)
    return [
        PaymentsByStatus(
            status=status,
            count=_count(sum(row.count for row in members), unit, checked),
            amount=_sum(sum((row.amount for row in members), NOTHING), currency, checked),
        )
        for status, members in sorted(by_status.items())
    ]


def _by_cycle(rows: Sequence[Any], totals: dict[CycleKey, Total]) -> dict[CycleKey, list[Any]]:
    """Rows by cycle; a cycle of which totals were told, but nothing arrived, is there with no rows."""
    by_cycle: dict[CycleKey, list[Any]] = {key: [] for key in totals}
    for row in rows:
        by_cycle.setdefault(CycleKey(row.programme_code, row.period, row.cycle_id, row.currency), []).append(row)
    return by_cycle


def _check(rows: list[Any], total: Total | None, reach: Reach) -> tuple[bool, tuple[int, Decimal] | None]:
    if total is None:
        return False, None
    found = [Cell(row.component, row.province_code, row.count, row.amount) for row in rows]
    return meets(found, total, reach), expected(total, reach)


def _count(
    value: int, unit: str, checked: bool = False, source: str = "", told: tuple[int, Decimal] | None = None
) -> Figure[int]:
    control = Control[int](source=source, expected=told[0]) if told else None
    return Figure[int](value=value, unit=unit, checked=checked, control=control)


def _sum(
    value: Decimal, currency: str, checked: bool = False, source: str = "", told: tuple[int, Decimal] | None = None
) -> Figure[Amount]:
    control = Control[Amount](source=source, expected=told[1]) if told else None
    return Figure[Amount](value=value, unit=currency, checked=checked, control=control)
