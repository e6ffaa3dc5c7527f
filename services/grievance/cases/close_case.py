"""Use-case: put a resolved case away."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases import events
from services.grievance.cases.model import Case
from services.grievance.cases.states import CaseAction
from services.grievance.cases.work import make_step, take
from services.grievance.notifications import repository as notifications
from services.grievance.notifications.model import Told
from shared.auth import Principal
from shared.clock import Clock


async def close_case(session: AsyncSession, clock: Clock, principal: Principal, case_id: UUID, version: int) -> Case:
    """Close a resolved case. Raises what `take` and `make_step` raise."""
    case = await take(session, principal, case_id, version)
    now = clock.now()
    await make_step(session, principal, case, CaseAction.CLOSE, now)
    await events.tell_closed(session, case, "answered")
    await notifications.queue(session, case, Told.CLOSED, now)
    return case
