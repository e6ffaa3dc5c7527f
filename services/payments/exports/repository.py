"""All SQL of exports: one statement each, read by a cursor in one snapshot, limited to the caller's area."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Date, Select, and_, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.instructions.tables import payment, payment_attempt
from shared.auth import Principal, in_area

PAGE: Final = 5_000
PROVINCE_DIGITS: Final = 2
COMMUNE_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Scope:
    """What is exported, besides the caller's area: at least a cycle or a period."""

    principal: Principal
    cycle_id: UUID | None = None
    period: str | None = None
    programme_code: str | None = None
    province: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """SQL conditions on payments."""
        found = [in_area(self.principal, payment.c.village_code)]
        if self.cycle_id is not None:
            found.append(payment.c.cycle_id == self.cycle_id)
        if self.period is not None:
            found.append(payment.c.period == self.period)
        if self.programme_code is not None:
            found.append(payment.c.programme_code == self.programme_code)
        if self.province is not None:
            found.append(payment.c.village_code.startswith(self.province, autoescape=True))
        return found


_PRESENT: Final = and_(payment_attempt.c.payment_id == payment.c.id, payment_attempt.c.attempt == payment.c.attempt)
_PROVINCE: Final = func.left(payment.c.village_code, PROVINCE_DIGITS).label("province_code")
_GROUP: Final = (
    payment.c.programme_code,
    payment.c.period,
    payment.c.fund_code,
    payment.c.component,
    _PROVINCE,
    payment.c.status,
    payment.c.currency,
)


async def begin_snapshot(session: AsyncSession) -> None:
    """Let every statement of this transaction see one state. Must come before the first."""
    await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


async def count_payments(session: AsyncSession, scope: Scope) -> int:
    """How many lines the export would have."""
    statement = select(func.count()).select_from(payment).where(*scope.conditions())
    return (await session.execute(statement)).scalar_one()


async def totals(session: AsyncSession, scope: Scope) -> Sequence[Any]:
    """Count and sum by programme, period, fund, component, province and state."""
    statement = (
        select(*_GROUP, func.count().label("count"), func.sum(payment.c.amount).label("amount"))
        .where(*scope.conditions())
        .group_by(*_GROUP)
        .order_by(*_GROUP)
    )
    return (await session.execute(statement)).all()


async def pages(session: AsyncSession, scope: Scope) -> AsyncIterator[Sequence[Any]]:
    """The lines in the order of their ids, some thousands at a time."""
    result = await session.stream(_lines(scope).execution_options(yield_per=PAGE))
    async for page in result.partitions(PAGE):
        yield page


def _lines(scope: Scope) -> Select[Any]:
    return (
        select(
            payment.c.id,
            payment.c.programme_code,
            payment.c.period,
            payment.c.fund_code,
            payment.c.component,
            _PROVINCE,
            func.left(payment.c.village_code, COMMUNE_DIGITS).label("commune_code"),
            payment.c.beneficiary_reference,
            payment.c.amount,
            payment.c.currency,
            payment.c.status,
            payment.c.attempt,
            payment_attempt.c.rail,
            payment_attempt.c.provider,
            payment_attempt.c.end_to_end_id,
            cast(payment_attempt.c.created_at, Date).label("instructed_on"),
            payment_attempt.c.outcome_on,
            payment_attempt.c.reason_code,
        )
        .outerjoin(payment_attempt, _PRESENT)
        .where(*scope.conditions())
        .order_by(payment.c.id)
    )
