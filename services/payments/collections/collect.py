"""Collect contributions: expect, receive and allocate, refund. Every amount is booked; an over-payment stays the
employer's.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.collections import repository
from services.payments.collections.model import Due, allocate
from services.payments.errors import CollectionState, EmployerNotFound, SamePerson
from services.payments.fields import plain
from services.payments.funds.change_fund import checked, locked
from services.payments.funds.reserve import ensure_available
from services.payments.ledger.model import MovementKind
from services.payments.metadata import Record
from shared import audit
from shared.auth import Principal, ensure_area


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


async def propose_refund(
    session: AsyncSession,
    principal: Principal,
    fund_code: str,
    employer: UUID,
    amount: Decimal,
    reference: str,
    today: date,
) -> Record:
    """Propose to give an over-payment back.

    Raises:
        OutsideArea, FundNotFound, Invalid. CollectionState: more than is over, or the reference was used.
    """
    fund = await locked(session, principal, fund_code)
    exact = checked(amount, fund.currency, "amount")
    await repository.lock_employer(session, fund_code, employer)
    over = await repository.in_favour(session, fund_code, employer)
    if exact > over:
        raise CollectionState(f"Only {plain(over)} is over.", over=plain(over))
    values = {"fund": fund_code, "employer": employer, "kind": "refund", "amount": exact, "status": "proposed"}
    values |= {"currency": fund.currency, "on": today, "reference": reference, "by": principal.subject}
    refund = await repository.add_receipt(session, values)
    if refund is None:
        raise CollectionState("This reference was used before.")
    detail = {"employer": str(employer), "amount": plain(exact)}
    await audit.record(session, principal, "contribution.propose_refund", "refund", str(refund.id), detail)
    return refund


async def approve_refund(session: AsyncSession, principal: Principal, refund_id: UUID, today: date) -> Record:
    """Give it back. Not by who proposed it.

    Raises:
        OutsideArea, EmployerNotFound, CollectionState, SamePerson, FundInsufficient.
    """
    ensure_area(principal, None)
    refund = await repository.refund_by_id(session, refund_id)
    if refund is None:
        raise EmployerNotFound("There is no such refund.")
    if refund.status != "proposed":
        raise CollectionState("It was approved before.")
    if refund.created_by == principal.subject:
        raise SamePerson("You proposed this refund: somebody else must approve it.")
    fund = await locked(session, principal, refund.fund_code)
    await ensure_available(session, fund.code, refund.amount)
    await repository.move(session, MovementKind.REFUND, refund.id, fund, refund.employer_id, refund.amount, today)
    done = await repository.approve_refund(session, refund_id, principal.subject)
    detail = {"employer": str(refund.employer_id), "amount": plain(refund.amount)}
    await audit.record(session, principal, "contribution.approve_refund", "refund", str(refund_id), detail)
    return done
