"""Submit a built list for approval."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import ListState
from services.payments.lists import repository
from services.payments.lists.model import Action, ListStatus
from services.payments.lists.steps import begin_step
from services.payments.metadata import Record
from shared import audit
from shared.auth import Principal


async def submit_list(session: AsyncSession, principal: Principal, list_id: UUID) -> Record:
    """Hand the list, as its hash says it is, to the checkers.

    Raises:
        PaymentListNotFound, ListState: not built, or nothing on it can be paid.
    """
    row = await begin_step(session, principal, list_id, Action.SUBMIT)
    if row.ready_count == 0:
        raise ListState("No line of this list can be paid: look at the reasons of its lines.", list_status=row.status)
    changed = await repository.change_list(
        session, list_id, status=ListStatus.SUBMITTED, submitted_by=principal.subject, first_approved_by=None
    )
    await repository.add_step(session, list_id, Action.SUBMIT, principal.subject, content_hash=row.content_hash)
    detail = {"content_hash": row.content_hash}
    await audit.record(session, principal, "payment_list.submit", "payment_list", str(list_id), detail)
    return changed
