"""Use-case: say what a case is really about, so that the right desk answers it within the right time."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases import events, repository
from services.grievance.cases.categories import Category
from services.grievance.cases.deadlines import due_on
from services.grievance.cases.errors import CaseInvalid
from services.grievance.cases.model import Case
from services.grievance.cases.schemas import TriageCase
from services.grievance.cases.states import CaseAction, SubjectType
from services.grievance.cases.work import (
    contact_context,
    description_context,
    make_step,
    note_context,
    take,
)
from services.grievance.notifications import repository as notifications
from services.grievance.notifications.model import Told
from services.grievance.resources import Desk
from services.grievance.sealing import open_seal
from shared.auth import Principal, ensure_area
from shared.clock import Clock
from shared.errors import FieldError


async def triage_case(
    session: AsyncSession, desk: Desk, clock: Clock, principal: Principal, case_id: UUID, version: int, said: TriageCase
) -> Case:
    """Change category, priority or place.

    A new category brings its route, priority and a deadline counted from the day of complaint (never a later one than
    the day it would have had). Into a sealed category: from now on the case is hidden, its words are put under the
    sealed key, it belongs to nobody, and receivers of its events are told that it is closed (`transferred`).

    Raises:
        CaseInvalid: unknown category, one not about such a subject, or a sealed case would be unsealed or has
            attachments under the other key.
        OutsideArea: the new place is outside the caller's area. Also what `take` and `make_step` raise.
    """
    case = await take(session, principal, case_id, version)
    detail: dict[str, str] = {}
    if said.place_code is not None:
        ensure_area(principal, said.place_code)
        case.place_code = detail["place_code"] = said.place_code
    if said.category is not None:
        category = _category(desk, case, said.category)
        case.category, case.route, case.priority = said.category, category.route, category.priority
        case.due_on = due_on(case.opened_at, category.deadline_working_days, desk.calendar)
        detail["due_on"] = case.due_on.isoformat()
        if category.sealed and not case.sealed:
            await _seal(session, desk, clock, principal, case)
            return case
        detail["category"] = said.category
    if said.priority is not None:
        case.priority = detail["priority"] = said.priority
    now = clock.now()
    await make_step(session, principal, case, CaseAction.TRIAGE, now, detail)
    if said.category is not None or said.place_code is not None:  # another desk, perhaps another day: she is told
        await notifications.queue(session, case, Told.TRIAGED, now)
    return case


def _category(desk: Desk, case: Case, code: str) -> Category:
    category = desk.categories.categories.get(code)
    if category is None:
        known = ", ".join(sorted(desk.categories.categories))
        raise CaseInvalid(errors=[FieldError("category", "unknown_category", f"One of: {known}.")])
    if SubjectType(case.subject_type) not in category.subjects:
        message = "Such a complaint is not about the subject of this case: open a new one."
        raise CaseInvalid(errors=[FieldError("category", "subject_not_of_category", message)])
    if case.sealed and not category.sealed:
        message = "A sealed case stays sealed: open a new one for what may be seen."
        raise CaseInvalid(errors=[FieldError("category", "stays_sealed", message)])
    return category


async def _seal(session: AsyncSession, desk: Desk, clock: Clock, principal: Principal, case: Case) -> None:
    """Hide a case that had been open to see. Its audit entries and events until now cannot be unsaid."""
    if await repository.has_attachments(session, case.id):
        message = "Its attachments are not under the sealed key: open a new, sealed case and hand them in there."
        raise CaseInvalid(errors=[FieldError("category", "has_attachments", message)])
    now = clock.now()
    await make_step(session, principal, case, CaseAction.TRIAGE, now, {"transferred": "yes"})
    await events.tell_closed(session, case, "transferred")
    notes = await repository.notes(session, case.id)
    await open_seal(session)
    old, new = desk.cipher, desk.cipher_for(sealed=True)
    for note in notes:
        context = note_context(case.id)
        note.text_encrypted = new.encrypt(old.decrypt(note.text_encrypted, context), context)
    if case.description_encrypted is not None:
        context = description_context(case.id)
        case.description_encrypted = new.encrypt(old.decrypt(case.description_encrypted, context), context)
    if case.contact_encrypted is not None:
        context = contact_context(case.id)
        case.contact_encrypted = new.encrypt(old.decrypt(case.contact_encrypted, context), context)
    case.assigned_to = None
    case.state = "opened"
    case.sealed, case.sealed_at = True, now
    await repository.flush(session)
