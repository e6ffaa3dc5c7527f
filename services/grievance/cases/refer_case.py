"""Use-cases: give a case to another institution, and take it back with its answer."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases import repository
from services.grievance.cases.errors import CaseInvalid
from services.grievance.cases.model import Case, CaseReferral
from services.grievance.cases.schemas import ReferCase, ReturnCase, Visibility
from services.grievance.cases.states import CaseAction
from services.grievance.cases.work import make_step, take, write_note
from services.grievance.notifications import repository as notifications
from services.grievance.notifications.model import Told
from services.grievance.resources import Desk
from shared.auth import Principal
from shared.clock import Clock
from shared.errors import FieldError
from shared.ids import uuid7


async def refer_case(
    session: AsyncSession, desk: Desk, clock: Clock, principal: Principal, case_id: UUID, version: int, order: ReferCase
) -> Case:
    """Refer a case. Its deadline runs on: we still owe the complainant an answer.

    Raises:
        CaseInvalid: the institution is not configured. Also what `take` and `make_step` raise.
    """
    case = await take(session, principal, case_id, version)
    if order.institution not in desk.categories.institutions:
        known = ", ".join(sorted(desk.categories.institutions))
        raise CaseInvalid(errors=[FieldError("institution", "unknown_institution", f"One of: {known}.")])
    now = clock.now()
    await make_step(session, principal, case, CaseAction.REFER, now, {"institution": order.institution})
    referral = CaseReferral(
        id=uuid7(),
        case_id=case.id,
        institution=order.institution,
        referred_by=principal.subject,
        referred_at=now,
    )
    await repository.add_referral(session, referral)
    await write_note(session, desk, principal.subject, case, order.note, Visibility.INTERNAL, now)
    await notifications.queue(session, case, Told.REFERRED, now)
    return case


async def return_case(
    session: AsyncSession, desk: Desk, clock: Clock, principal: Principal, case_id: UUID, version: int, said: ReturnCase
) -> Case:
    """Take a referred case back with what the institution answered. Raises what `take` and `make_step` raise."""
    case = await take(session, principal, case_id, version)
    now = clock.now()
    await make_step(session, principal, case, CaseAction.RETURN, now, {"answer": said.answer})
    await repository.end_referral(session, case.id, said.answer, now)
    await write_note(session, desk, principal.subject, case, said.note, Visibility.INTERNAL, now)
    await notifications.queue(session, case, Told.RETURNED, now)
    return case
