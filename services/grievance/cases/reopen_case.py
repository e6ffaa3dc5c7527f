"""Use-case: take a resolved, closed or merged case up again, with a new deadline."""

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
from services.grievance.notifications import repository as notifications
from services.grievance.notifications.model import Told
from services.grievance.resources import Desk
from shared.auth import Principal
from shared.clock import Clock
from shared.errors import FieldError


async def reopen_case(
    session: AsyncSession,
    desk: Desk,
    clock: Clock,
    principal: Principal,
    case_id: UUID,
    version: int,
    reason: ReopenCase,
) -> Case:
    """Reopen a case: it loses its outcome and gets a whole new deadline, counted from now, at the level it had reached.

    Raises:
        CaseInvalid: its category is no longer configured. Also everything `take` and `make_step` raise.
    """
    case = await take(session, principal, case_id, version)
    await reopen(session, desk, clock, principal, case, reason.note)
    return case


async def reopen(
    session: AsyncSession, desk: Desk, clock: Clock, principal: Principal | str, case: Case, why: str
) -> None:
    """Reopen a locked case, for an officer or for the complainant herself.

    Raises:
        CaseInvalid, CaseStateConflict: see `reopen_case`.
    """
    category = desk.categories.categories.get(case.category)
    if category is None:
        message = "This category was withdrawn: open a new case."
        raise CaseInvalid(errors=[FieldError("category", "unknown_category", message)])
    now = clock.now()
    case.outcome = None
    case.merged_into = None
    case.due_on = due_on(now, category.deadline_working_days, desk.calendar)
    await make_step(session, principal, case, CaseAction.REOPEN, now, {"due_on": case.due_on.isoformat()})
    author = principal.subject if isinstance(principal, Principal) else f"system:{principal}"
    await write_note(session, desk, author, case, why, Visibility.INTERNAL, now)
    await events.tell_reopened(session, case)
    await notifications.queue(session, case, Told.REOPENED, now)
