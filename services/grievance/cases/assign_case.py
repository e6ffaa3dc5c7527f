"""Use-case: give a case to an officer, or hand it over."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases.errors import OwnCase
from services.grievance.cases.model import Case
from services.grievance.cases.schemas import AssignCase
from services.grievance.cases.states import CaseAction
from services.grievance.cases.work import make_step, take
from shared.auth import Principal
from shared.clock import Clock


async def assign_case(
    session: AsyncSession, clock: Clock, principal: Principal, case_id: UUID, version: int, order: AssignCase
) -> Case:
    """Assign a case.

    Raises:
        OwnCase: the case is about the assignee. Also everything `take` and `make_step` raise.
    """
    case = await take(session, principal, case_id, version)
    assignee = order.assignee or principal.subject
    if case.concerns(assignee):
        raise OwnCase("Assign it to somebody whom it does not concern.")
    case.assigned_to = assignee
    await make_step(session, principal, case, CaseAction.ASSIGN, clock.now(), {"assignee": assignee})
    return case
