"""Use-case: give a case its outcome, and the complainant the reason."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.appeals import repository as appeals
from services.grievance.cases import events
from services.grievance.cases.errors import AppealPending
from services.grievance.cases.model import Case
from services.grievance.cases.schemas import ResolveCase, Visibility
from services.grievance.cases.states import CaseAction, Outcome
from services.grievance.cases.work import make_step, take, write_note
from services.grievance.holds.end_holds_of_case import end_holds_of_case
from services.grievance.notifications import repository as notifications
from services.grievance.notifications.model import Told
from services.grievance.resources import Desk
from shared.auth import Principal
from shared.clock import Clock


async def resolve_case(
    session: AsyncSession,
    desk: Desk,
    clock: Clock,
    principal: Principal,
    case_id: UUID,
    version: int,
    resolution: ResolveCase,
) -> Case:
    """Resolve a case; the reason becomes a public note, and the holds placed because of it end.

    Raises:
        AppealPending: the panel decides it. Also what `take` and `make_step` raise.
    """
    case = await take(session, principal, case_id, version)
    if await appeals.pending_of_case(session, case.id) is not None:
        raise AppealPending("Wait for the panel's votes, or withdraw the appeal.")
    await settle(session, desk, clock, principal, case, resolution.outcome, resolution.note)
    return case


async def settle(
    session: AsyncSession,
    desk: Desk,
    clock: Clock,
    principal: Principal,
    case: Case,
    outcome: Outcome,
    note: str,
) -> None:
    """Give a taken case its outcome. Raises CaseStateConflict."""
    now = clock.now()
    case.outcome = outcome.value
    await make_step(session, principal, case, CaseAction.RESOLVE, now, {"outcome": case.outcome})
    await write_note(session, desk, principal.subject, case, note, Visibility.PUBLIC, now)
    await events.tell_resolved(session, case)
    await end_holds_of_case(session, principal, case.id, now)
    await notifications.queue(session, case, Told.RESOLVED, now)
