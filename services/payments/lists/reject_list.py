"""Send a submitted list back, with the reason. The cycle may then get a new list."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.lists import repository
from services.payments.lists.model import Action, ListStatus
from services.payments.lists.steps import begin_step
from services.payments.metadata import Record
from shared import audit
from shared.auth import Principal


async def reject_list(session: AsyncSession, principal: Principal, list_id: UUID, reason: str) -> Record:
    """Reject it.

    Raises:
        PaymentListNotFound, ListState, SamePerson.
    """
    row = await begin_step(session, principal, list_id, Action.REJECT)
    changed = await repository.change_list(session, list_id, status=ListStatus.REJECTED, refusal=reason)
    await repository.add_step(
        session, list_id, Action.REJECT, principal.subject, content_hash=row.content_hash, reason=reason
    )
    detail = {"content_hash": row.content_hash}
    await audit.record(session, principal, "payment_list.reject", "payment_list", str(list_id), detail)
    return changed
