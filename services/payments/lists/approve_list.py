"""Approve a submitted list: exactly the lines its hash covers, by somebody who neither built nor submitted it."""

from __future__ import annotations

import hmac
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import ContentChanged
from services.payments.funds.repository import move_list_money
from services.payments.funds.reserve import ensure_available
from services.payments.ledger.model import MovementKind
from services.payments.lists import repository
from services.payments.lists.model import Action, ListStatus
from services.payments.lists.steps import begin_step
from services.payments.metadata import Record
from shared import audit
from shared.auth import Principal
from shared.contracts.base import ControlTotal
from shared.contracts.payments import PaymentListApproved
from shared.outbox import publish


async def approve_list(
    session: AsyncSession, principal: Principal, list_id: UUID, content_hash: str, today: date
) -> Record:
    """Check the hash against the lines as they are stored now, reserve the money, publish list.approved.

    Raises:
        PaymentListNotFound, ListState, SamePerson.
        ContentChanged: the hash is not that of the list (fault 9).
        FundInsufficient: with what is available and needed.
    """
    row = await begin_step(session, principal, list_id, Action.APPROVE)
    stored = await repository.hash_of(session, list_id)
    if not (hmac.compare_digest(stored, content_hash) and stored == row.content_hash):
        raise ContentChanged("Read the list again and approve the hash it has now.", content_hash=row.content_hash)
    await ensure_available(session, row.fund_code, row.ready_amount)
    number = row.approvals + 1
    await move_list_money(session, row, MovementKind.RESERVE, f"reserve:{list_id}:{number}", row.ready_amount, today)
    changed = await repository.change_list(
        session, list_id, status=ListStatus.APPROVED, approved_by=principal.subject, approvals=number
    )
    await repository.add_step(session, list_id, Action.APPROVE, principal.subject, content_hash=stored)
    detail = {"content_hash": stored, "count": row.ready_count, "amount": str(row.ready_amount)}
    await audit.record(session, principal, "payment_list.approve", "payment_list", str(list_id), detail)
    await publish(session, [await _event(session, changed)])
    return changed


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
