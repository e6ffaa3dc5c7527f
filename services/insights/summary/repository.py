"""All SQL of the summary: one aggregate a fact table, over one snapshot.

Answers have a row per programme, month, component and province: thousands after years, never one per person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from services.insights.facts.model import (
    REFUNDS,
    CaseFact,
    CycleFact,
    EnrolmentFact,
    EnrolmentStart,
    EntitlementFact,
    EntitlementRevocation,
    HouseholdFact,
    PaymentFact,
    PaymentListFact,
    RefundFact,
)
from services.insights.summary.control import PROVINCE_DIGITS, Total
from shared.auth import Principal, in_area


class CycleKey(NamedTuple):
    """A cycle, in the order in which cycles are listed. One cycle pays in one currency."""

    programme_code: str
    period: str
    cycle_id: UUID
    currency: str


@dataclass(frozen=True)
class Narrowing:
    """What the summary is limited to, besides the caller's area."""

    principal: Principal
    province: str | None = None
    programme_code: str | None = None
    period: str | None = None

    def place(self, column: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """SQL condition on a place code."""
        condition = in_area(self.principal, column)
        return (
            condition if self.province is None else and_(condition, column.startswith(self.province, autoescape=True))
        )


async def begin_snapshot(session: AsyncSession) -> None:
    """Let all statements of this transaction see one state: a sum and its control total belong together.

    Must be called before the session's first statement.
    """
    await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


async def households(session: AsyncSession, narrow: Narrowing) -> list[tuple[int | None, int, int]]:
    """(poverty level, households, people) of active households; people registered alone are not among them."""
    statement = (
        select(HouseholdFact.poverty_level, func.count(), func.coalesce(func.sum(HouseholdFact.people), 0))
        .where(
            HouseholdFact.state == "active",
            HouseholdFact.kind != "individual",
            narrow.place(HouseholdFact.village_code),
        )
        .group_by(HouseholdFact.poverty_level)
        .order_by(HouseholdFact.poverty_level)
    )
    return [(level, count, people) for level, count, people in await session.execute(statement)]


async def individuals(session: AsyncSession, narrow: Narrowing) -> int:
    """People registered alone, e.g. workers by their employer."""
    statement = select(func.coalesce(func.sum(HouseholdFact.people), 0)).where(
        HouseholdFact.state == "active",
        HouseholdFact.kind == "individual",
        narrow.place(HouseholdFact.village_code),
    )
    return int(await session.scalar(statement) or 0)


async def enrolments(session: AsyncSession, narrow: Narrowing) -> list[tuple[str, int]]:
    """(programme, approved enrolments)."""
    statement = (
        select(EnrolmentFact.programme_code, func.count())
        .where(EnrolmentFact.state == "approved", narrow.place(EnrolmentFact.village_code))
        .group_by(EnrolmentFact.programme_code)
        .order_by(EnrolmentFact.programme_code)
    )
    if narrow.programme_code is not None:
        statement = statement.where(EnrolmentFact.programme_code == narrow.programme_code)
    return [(name, count) for name, count in await session.execute(statement)]


async def new_enrolments(session: AsyncSession, narrow: Narrowing) -> list[tuple[str, str, str | None, int]]:
    """(programme, month in which they began, cause, enrolments)."""
    start = EnrolmentStart
    period = func.to_char(start.effective_on, "YYYY-MM")
    statement = (
        select(start.programme_code, period, start.cause, func.count())
        .where(narrow.place(start.village_code))
        .group_by(start.programme_code, period, start.cause)
        .order_by(start.programme_code, period, start.cause)
    )
    if narrow.programme_code is not None:
        statement = statement.where(start.programme_code == narrow.programme_code)
    if narrow.period is not None:
        first = date.fromisoformat(f"{narrow.period}-01")
        after = (first + timedelta(days=31)).replace(day=1)
        statement = statement.where(start.effective_on >= first, start.effective_on < after)
    return [(code, month, cause, count) for code, month, cause, count in await session.execute(statement)]


async def refunds(session: AsyncSession, narrow: Narrowing) -> Sequence[Any]:
    """Per month, currency and status: count and amount. Of one programme alone there are none."""
    if narrow.programme_code not in (None, REFUNDS):
        return []
    sent = RefundFact
    key = (sent.period, sent.currency, sent.status)
    statement = (
        select(*key, func.count().label("count"), func.sum(sent.amount).label("amount"))
        .where(narrow.place(sent.village_code))
        .group_by(*key)
        .order_by(*key)
    )
    if narrow.period is not None:
        statement = statement.where(sent.period == narrow.period)
    return (await session.execute(statement)).all()


async def entitlements(session: AsyncSession, narrow: Narrowing) -> Sequence[Any]:
    """Per cycle, component and province: count and amount granted, count and amount of it revoked."""
    grant, revoked = EntitlementFact, EntitlementRevocation
    province = func.left(grant.village_code, PROVINCE_DIGITS).label("province_code")
    withdrawn = revoked.entitlement_id.is_not(None)
    key = (grant.cycle_id, grant.programme_code, grant.period, grant.currency, grant.component, province)
    statement = (
        select(
            *key,
            func.count().label("count"),
            func.sum(grant.amount).label("amount"),
            func.count().filter(withdrawn).label("revoked"),
            func.coalesce(func.sum(grant.amount).filter(withdrawn), 0).label("revoked_amount"),
        )
        .outerjoin(revoked, and_(revoked.entitlement_id == grant.entitlement_id, revoked.version > grant.version))
        .where(narrow.place(grant.village_code), *_of_cycle(narrow, grant))
        .group_by(*key)
    )
    return (await session.execute(statement)).all()


async def payments(session: AsyncSession, narrow: Narrowing) -> Sequence[Any]:
    """Per cycle, component, province and status: count and amount."""
    paid = PaymentFact
    province = func.left(paid.village_code, PROVINCE_DIGITS).label("province_code")
    key = (paid.cycle_id, paid.programme_code, paid.period, paid.currency, paid.component, province, paid.status)
    statement = (
        select(*key, func.count().label("count"), func.sum(paid.amount).label("amount"))
        .where(narrow.place(paid.village_code), *_of_cycle(narrow, paid))
        .group_by(*key)
    )
    return (await session.execute(statement)).all()


async def totals(
    session: AsyncSession, narrow: Narrowing, told: type[CycleFact] | type[PaymentListFact]
) -> dict[CycleKey, Total]:
    """What producers say of each cycle."""
    rows = await session.scalars(select(told).where(*_of_cycle(narrow, told)))
    return {
        CycleKey(row.programme_code, row.period, row.cycle_id, row.currency): Total.read(
            row.count, row.amount, row.totals
        )
        for row in rows
    }


async def cases(session: AsyncSession, narrow: Narrowing) -> list[tuple[str, int]]:
    """(state, cases). A case without a place counts nationally only."""
    statement = (
        select(CaseFact.state, func.count())
        .where(narrow.place(CaseFact.place_code))
        .group_by(CaseFact.state)
        .order_by(CaseFact.state)
    )
    return [(name, count) for name, count in await session.execute(statement)]


def _of_cycle(
    narrow: Narrowing, fact: type[EntitlementFact] | type[PaymentFact] | type[CycleFact] | type[PaymentListFact]
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if narrow.programme_code is not None:
        conditions.append(fact.programme_code == narrow.programme_code)
    if narrow.period is not None:
        conditions.append(fact.period == narrow.period)
    return conditions
