"""Use-case: give a case its outcome, and the complainant the reason."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases import events
from services.grievance.cases.model import Case
from services.grievance.cases.schemas import ResolveCase, Visibility
from services.grievance.cases.states import CaseAction
from services.grievance.cases.work import make_step, take, write_note
from services.grievance.resources import Desk
from shared.auth import Principal
from shared.clock import Clock
from shared.outbox import publish


async def resolve_case(
    session: AsyncSession,
    desk: Desk,
    clock: Clock,
    principal: Principal,
    case_id: UUID,
    version: int,
    resolution: ResolveCase,
) -> Case:
    """Resolve a case; the reason becomes a public note. Raises what `take` and `make_step` raise."""
    case = await take(session, principal, case_id, version)
    now = clock.now()
    case.outcome = resolution.outcome.value
    await make_step(session, principal, case, CaseAction.RESOLVE, now, {"outcome": case.outcome})
    await write_note(session, desk, principal, case, resolution.note, Visibility.PUBLIC, now)
    await publish(session, [events.resolved(case)])
    return case
