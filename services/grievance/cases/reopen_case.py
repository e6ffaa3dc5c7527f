"""Use-case: take a resolved or closed case up again, with a new deadline."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases import events
from services.grievance.cases.deadlines import due_on
from services.grievance.cases.errors import CaseInvalid
from services.grievance.cases.model import Case
from services.grievance.cases.schemas import ReopenCase, Visibility
from services.grievance.cases.states import CaseAction
from services.grievance.cases.work import make_step, take, write_note
from services.grievance.resources import Desk
from shared.auth import Principal
from shared.clock import Clock
from shared.errors import FieldError
from shared.outbox import publish


async def reopen_case(
    session: AsyncSession,
    desk: Desk,
    clock: Clock,
    principal: Principal,
    case_id: UUID,
    version: int,
    reason: ReopenCase,
) -> Case:
    """Reopen a case: it loses its outcome and gets a whole new deadline, counted from now.

    Raises:
        CaseInvalid: its category is no longer configured. Also everything `take` and `make_step` raise.
    """
    case = await take(session, principal, case_id, version)
    category = desk.categories.categories.get(case.category)
    if category is None:
        message = "This category was withdrawn: open a new case."
        raise CaseInvalid(errors=[FieldError("category", "unknown_category", message)])
    now = clock.now()
    case.outcome = None
    case.due_on = due_on(now, category.deadline_working_days, desk.calendar)
    await make_step(session, principal, case, CaseAction.REOPEN, now, {"due_on": case.due_on.isoformat()})
    await write_note(session, desk, principal, case, reason.note, Visibility.INTERNAL, now)
    await publish(session, [events.opened(case)])
    return case
