"""Use-case: put a repeat together with the case that it repeats."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.appeals import repository as appeals
from services.grievance.cases import events, repository
from services.grievance.cases.errors import AppealPending, CaseInvalid
from services.grievance.cases.model import Case
from services.grievance.cases.states import OPEN_STATES, CaseAction
from services.grievance.cases.work import authorise, make_step, take, write_step
from services.grievance.notifications import repository as notifications
from services.grievance.notifications.model import Told
from shared.auth import Principal
from shared.clock import Clock
from shared.errors import FieldError


async def merge_case(
    session: AsyncSession, clock: Clock, principal: Principal, case_id: UUID, version: int, into: UUID
) -> Case:
    """Merge a case into another open one: its own deadline ends, its receipt code shows the other's progress.

    Both are locked in the order of their ids, so that two officers who merge A into B and B into A do not deadlock.

    Raises:
        CaseInvalid: the other one is the same, is not open, or one of them alone is sealed.
        AppealPending: the repeat is an appeal. Also what `authorise`, `take` and `make_step` raise.
    """
    for identifier in sorted({case_id, into}):
        await repository.lock(session, identifier)
    case = await take(session, principal, case_id, version)
    other = await authorise(session, principal, await repository.find(session, into))
    if other.id == case.id or other.sealed != case.sealed or other.present_state not in OPEN_STATES:
        message = "Name another case that is still open."
        raise CaseInvalid(errors=[FieldError("into", "cannot_take_it", message)])
    if await appeals.pending_of_case(session, case.id) is not None:
        raise AppealPending("An appeal is decided by itself.")
    now = clock.now()
    case.merged_into = other.id
    await make_step(session, principal, case, CaseAction.MERGE, now, {"into": str(other.id)})
    await write_step(session, principal, other, "repeat", now, {"case": str(case.id)})
    await events.tell_closed(session, case, "merged")
    await notifications.queue(session, case, Told.MERGED, now)
    return case
