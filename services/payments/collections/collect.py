"""Collect contributions: expect, receive and allocate. Every amount is booked; an over-payment stays the employer's."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.collections import repository
from services.payments.collections.model import Due, allocate
from services.payments.errors import CollectionState
from services.payments.fields import plain
from services.payments.funds.change_fund import checked, locked
from services.payments.ledger.model import MovementKind
from services.payments.metadata import Record
from shared import audit
from shared.auth import Principal


async def expect_contribution(
    session: AsyncSession,
    principal: Principal,
    fund_code: str,
    employer: UUID,
    period: str,
    due_on: date,
    expected: Decimal,
    today: date,
) -> Record:
    """Say what an employer owes for a month; said again with another amount, it is corrected by the difference.

    What a lowered month holds too much becomes the employer's again.

    Raises:
        OutsideArea, FundNotFound, Invalid.
    """
    fund = await locked(session, principal, fund_code)
    exact = checked(expected, fund.currency, "expected")
    await repository.lock_employer(session, fund_code, employer)
    before = await repository.month_of(session, fund_code, employer, period)
    values = {"fund": fund_code, "employer": employer, "period": period, "due_on": due_on, "expected": exact}
    row = await repository.expect(session, values | {"currency": fund.currency, "by": principal.subject})
    if row is None:
        return before
    difference = exact - (before.expected if before is not None else Decimal(0))
    over = await repository.over_allocated(session, row.id)
    if over > 0:
        allocation = await repository.allocate(session, row.id, "deallocate", over, today, principal.subject)
        await repository.move(session, MovementKind.DEALLOCATE, allocation, fund, employer, over, today)
    if difference:
        kind = MovementKind.EXPECT if difference > 0 else MovementKind.UNEXPECT
        await repository.move(session, kind, row.id, fund, employer, abs(difference), today, number=row.revisions)
    detail = {"employer": str(employer), "period": period, "expected": plain(exact), "revision": row.revisions}
    await audit.record(session, principal, "contribution.expect", "fund", fund_code, detail)
    return await repository.month_of(session, fund_code, employer, period)


async def receive_contribution(
    session: AsyncSession,
    principal: Principal,
    fund_code: str,
    employer: UUID,
    amount: Decimal,
    reference: str,
    received_on: date,
) -> tuple[Record, list[tuple[UUID, Decimal]], Decimal]:
    """Take in money of an employer and allocate it to her months, the oldest first.

    Returns:
        the receipt, what went to which month, and what is over (in her favour).

    Raises:
        OutsideArea, FundNotFound, Invalid. CollectionState: this bank reference was taken in before.
    """
    fund = await locked(session, principal, fund_code)
    exact = checked(amount, fund.currency, "amount")
    await repository.lock_employer(session, fund_code, employer)
    values = {"fund": fund_code, "employer": employer, "kind": "receipt", "amount": exact, "status": "done"}
    values |= {"currency": fund.currency, "on": received_on, "reference": reference, "by": principal.subject}
    receipt = await repository.add_receipt(session, values)
    if receipt is None:
        raise CollectionState("This bank reference was taken in before.")
    await repository.move(session, MovementKind.RECEIVE, receipt.id, fund, employer, exact, received_on)
    spread = await allocate_favour(session, principal, fund, employer, received_on)
    over = await repository.in_favour(session, fund_code, employer)
    detail = {"employer": str(employer), "amount": plain(exact), "months": len(spread), "over": plain(over)}
    await audit.record(session, principal, "contribution.receive", "fund", fund_code, detail)
    return receipt, spread, over


async def allocate_favour(
    session: AsyncSession, principal: Principal, fund: Any, employer: UUID, on: date
) -> list[tuple[UUID, Decimal]]:
    """Put what an employer has over to the months that are missing something, the oldest first."""
    favour = await repository.in_favour(session, fund.code, employer)
    months = [Due(row.id, row.missing) for row in await repository.missing_months(session, fund.code, employer)]
    spread, _ = allocate(favour, months)
    for contribution, part in spread:
        allocation = await repository.allocate(session, contribution, "allocate", part, on, principal.subject)
        await repository.move(session, MovementKind.ALLOCATE, allocation, fund, employer, part, on)
    return spread
