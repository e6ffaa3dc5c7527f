"""What every step on a list begins with: lock it, check its state, check who is acting."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import ListState, PaymentListNotFound, SamePerson
from services.payments.lists import repository
from services.payments.lists.model import ALLOWED, Action, ListStatus, conflicting_role
from services.payments.metadata import Record
from shared.auth import Principal, ensure_area

_DONE = {
    Action.BUILD: "built",
    Action.EXCLUDE: "changed",
    Action.SPLIT: "changed",
    Action.PRIORITISE: "changed",
    Action.SUBMIT: "submitted",
    Action.APPROVE: "approved",
}


async def begin_step(session: AsyncSession, principal: Principal, list_id: UUID, action: Action) -> Record:
    """The list, locked until the transaction ends: of two officers at once, the second sees the first's step (fault 6).

    Raises:
        OutsideArea: a list is national.
        PaymentListNotFound, ListState.
        SamePerson: she took an earlier step herself (fault 11).
    """
    ensure_area(principal, None)
    row = await repository.list_by_id(session, list_id, lock=True)
    if row is None:
        raise PaymentListNotFound("Look at the id again.")
    if ListStatus(row.status) not in ALLOWED[action]:
        wanted = " or ".join(sorted(ALLOWED[action]))
        raise ListState(f"To {action} it, the list must be {wanted}; it is {row.status}.", list_status=row.status)
    steps = [(step.action, step.actor) for step in await repository.steps_of(session, list_id)]
    earlier = conflicting_role(action, principal.subject, steps)
    if earlier is not None:
        raise SamePerson(f"You {_DONE[earlier]} this list: somebody else must {action} it.")
    return row
