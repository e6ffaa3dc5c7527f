"""Approve a submitted list: exactly the lines its hash covers, by somebody who neither built nor submitted it.

Above the threshold two different people must: the first leaves it `part_approved` with nothing reserved, the second
reserves the money. A list may be paid from several funds: each pays a stretch of it, in the order of their priority.
"""

from __future__ import annotations

import hmac
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.emergency_stops.check import ensure_not_stopped
from services.payments.errors import ContentChanged, SamePerson
from services.payments.funds.repository import move_list_money
from services.payments.funds.reserve import lock_available, refuse_shortage
from services.payments.ledger.model import MovementKind
from services.payments.lists import line_repository, repository
from services.payments.lists.assign_funds import assign_funds
from services.payments.lists.model import Action, ListStatus
from services.payments.lists.steps import begin_step
from services.payments.metadata import Record
from shared import audit
from shared.auth import Principal
from shared.contracts.base import ControlTotal
from shared.contracts.payments import PaymentListApproved
from shared.outbox import publish

STRETCHES_PER_APPROVAL = 1000
"""Numbers the reservations of one approval: at most so many stretches of a list are paid by one fund each."""


async def approve_list(
    session: AsyncSession, principal: Principal, list_id: UUID, content_hash: str, today: date
) -> Record:
    """Check the hash against the lines as they are stored now, reserve the money, publish list.approved.

    Raises:
        PaymentListNotFound, ListState, SamePerson, EmergencyStopped.
        ContentChanged: the hash is not that of the list (fault 9).
        FundInsufficient: with what is available and needed.
    """
    row = await begin_step(session, principal, list_id, Action.APPROVE)
    stored = await repository.hash_of(session, list_id)
    if not (hmac.compare_digest(stored, content_hash) and stored == row.content_hash):
        raise ContentChanged("Read the list again and approve the hash it has now.", content_hash=row.content_hash)
    await ensure_not_stopped(session, programme_code=row.programme_code, fund_codes=row.fund_codes)
    if row.first_approved_by == principal.subject:
        raise SamePerson("You approved this list already: above the threshold a second person must.")
    if row.approvals_needed > 1 and row.first_approved_by is None:
        values = {"status": ListStatus.PART_APPROVED, "first_approved_by": principal.subject}
        changed = await repository.change_list(session, list_id, **values)
    else:
        number = row.approvals + 1
        await _reserve(session, row, number, today)
        changed = await repository.change_list(
            session, list_id, status=ListStatus.APPROVED, approved_by=principal.subject, approvals=number
        )
        await publish(session, [await _event(session, changed)])
    await repository.add_step(session, list_id, Action.APPROVE, principal.subject, content_hash=stored)
    detail = {
        "content_hash": stored,
        "count": row.ready_count,
        "amount": str(row.ready_amount),
        "status": changed.status,
    }
    await audit.record(session, principal, "payment_list.approve", "payment_list", str(list_id), detail)
    return changed


async def _reserve(session: AsyncSession, row: Record, approval: int, today: date) -> None:
    """Take the money from the list's funds: each pays whole lines (`assign_funds`)."""
    available = await lock_available(session, row.fund_codes)
    refuse_shortage(row.currency, available, row.ready_amount)
    for position, paid in enumerate(await assign_funds(session, row, available), 1):
        number = approval * STRETCHES_PER_APPROVAL + position
        await move_list_money(session, row, MovementKind.RESERVE, number, paid.fund, paid.amount, today)
        values = {"after": paid.after, "until": paid.until, "count": paid.count, "amount": paid.amount}
        await line_repository.add_fund_range(session, row.id, position, paid.fund, **values)


async def void_approval(session: AsyncSession, row: Record, today: date) -> None:
    """Give back what an approval had reserved: the list changes, or is stopped."""
    if row.status != ListStatus.APPROVED:
        return
    for paid in await line_repository.fund_ranges(session, row.id):
        number = row.approvals * STRETCHES_PER_APPROVAL + paid.position
        await move_list_money(session, row, MovementKind.RELEASE, number, paid.fund_code, paid.amount, today)
    await line_repository.drop_fund_ranges(session, row.id)


async def _event(session: AsyncSession, row: Record) -> PaymentListApproved:
    totals = await repository.ready_totals(session, row.id)
    return PaymentListApproved(
        version=row.version,
        cycle_id=row.cycle_id,
        payment_list_id=row.id,
        programme_code=row.programme_code,
        period=row.period,
        count=row.ready_count,
        amount=row.ready_amount,
        currency=row.currency,
        totals=tuple(
            ControlTotal(
                component=total.component,
                province_code=total.province_code,
                count=total.count,
                amount=total.amount,
            )
            for total in totals
        ),
        content_hash=row.content_hash,
        submitted_by=row.submitted_by,
        approved_by=row.approved_by,
    )
