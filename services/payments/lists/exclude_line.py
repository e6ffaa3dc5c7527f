"""Take one line off a list by hand. Any change voids the approval: submit and approve again."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import LineNotFound
from services.payments.funds.repository import move_list_money
from services.payments.ledger.model import MovementKind
from services.payments.lists import repository
from services.payments.lists.model import Action, ListStatus
from services.payments.lists.steps import begin_step
from services.payments.metadata import Record
from shared import audit
from shared.auth import Principal


async def exclude_line(
    session: AsyncSession, principal: Principal, list_id: UUID, payment_id: UUID, reason: str, today: date
) -> Record:
    """Exclude a ready line, with the reason; release what an approval had reserved; hash the list anew.

    Raises:
        PaymentListNotFound, ListState, LineNotFound.
    """
    row = await begin_step(session, principal, list_id, Action.EXCLUDE)
    if not await repository.exclude_line(session, list_id, payment_id, reason):
        raise LineNotFound("It is not on the list, or left out already.")
    if row.status == ListStatus.APPROVED:
        reference = f"release:{list_id}:{row.approvals}"
        await move_list_money(session, row, MovementKind.RELEASE, reference, row.ready_amount, today)
    content_hash = await repository.hash_of(session, list_id)
    counts = await repository.counts_of(session, list_id)
    changed = await repository.change_list(
        session,
        list_id,
        status=ListStatus.BUILT,
        submitted_by=None,
        approved_by=None,
        content_hash=content_hash,
        **counts._mapping,
    )
    await repository.add_step(
        session, list_id, Action.EXCLUDE, principal.subject, content_hash=content_hash, reason=reason
    )
    detail = {"payment_id": str(payment_id), "content_hash": content_hash}
    await audit.record(session, principal, "payment_list.exclude", "payment_list", str(list_id), detail)
    return changed
