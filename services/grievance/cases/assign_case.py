"""Use-case: give a case to an officer, or hand it over."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases.errors import CaseInvalid, OwnCase
from services.grievance.cases.model import Case
from services.grievance.cases.schemas import AssignCase
from services.grievance.cases.states import CaseAction
from services.grievance.cases.work import concerns, make_step, people_of_officer, take
from services.grievance.notifications import repository as notifications
from services.grievance.notifications.model import Told
from services.grievance.officers import repository as officers
from services.grievance.officers.model import Officer
from shared.auth import Principal
from shared.clock import Clock
from shared.errors import FieldError


async def assign_case(
    session: AsyncSession, clock: Clock, principal: Principal, case_id: UUID, version: int, order: AssignCase
) -> Case:
    """Assign a case.

    Raises:
        OwnCase: the case is about the assignee or her household.
        CaseInvalid: she is known not to work there; of a sealed case: she is not known as a sealed case officer.
        Also everything `take` and `make_step` raise.
    """
    case = await take(session, principal, case_id, version)
    assignee = order.assignee or principal.subject
    officer = await officers.find(session, assignee)
    if assignee != principal.subject:
        _ensure_fit(case, officer)
        if await concerns(session, case, await people_of_officer(session, assignee)):
            raise OwnCase("Assign it to somebody whom it does not concern.")
    case.assigned_to = assignee
    now = clock.now()
    await make_step(session, principal, case, CaseAction.ASSIGN, now, {"assignee": assignee})
    await notifications.queue(session, case, Told.ASSIGNED, now)
    return case


def _ensure_fit(case: Case, officer: Officer | None) -> None:
    if case.sealed and (officer is None or not officer.sealed):
        message = "Name somebody who is in the list of officers as a sealed case officer."
        raise CaseInvalid(errors=[FieldError("assignee", "not_a_sealed_case_officer", message)])
    if officer is not None and not (officer.active and officer.covers(case.place_code)):
        message = "She does not work in this area: name somebody who does."
        raise CaseInvalid(errors=[FieldError("assignee", "not_of_this_area", message)])
