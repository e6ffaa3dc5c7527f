"""Use-case: take a complaint, give it a deadline, and give the complainant a receipt."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases import events, repository
from services.grievance.cases.categories import Category
from services.grievance.cases.deadlines import due_on
from services.grievance.cases.errors import CaseInvalid
from services.grievance.cases.model import Case, CaseStep
from services.grievance.cases.schemas import OpenCase
from services.grievance.cases.states import CaseState, SubjectType
from services.grievance.cases.work import description_context
from services.grievance.payments_view import repository as payments_view
from services.grievance.receipts.codes import canonical, new_code
from services.grievance.resources import Desk
from shared import audit
from shared.auth import Principal, ensure_area
from shared.clock import Clock
from shared.errors import FieldError
from shared.ids import reference, uuid7
from shared.outbox import publish


@dataclass(frozen=True)
class Opened:
    """A new case and its receipt code, which is kept nowhere else."""

    case: Case
    receipt_code: str


async def open_case(
    session: AsyncSession, desk: Desk, clock: Clock, principal: Principal, complaint: OpenCase
) -> Opened:
    """Open a case.

    Raises:
        CaseInvalid: unknown category, or one that is not about such a subject.
        OutsideArea: the place (of a known payment: its village) is outside the caller's area.
    """
    category = _category(desk, complaint)
    place_code = await _place(session, complaint)
    ensure_area(principal, place_code)
    code = new_code()
    case = _case(desk, clock, complaint, category, place_code, code)
    await repository.add(session, case, _first_step(case, principal))
    await audit.record(
        session, principal, "case.open", "case", str(case.id), {"category": case.category, "channel": case.channel}
    )
    await publish(session, [events.opened(case)])
    return Opened(case, code)


def _category(desk: Desk, complaint: OpenCase) -> Category:
    category = desk.categories.categories.get(complaint.category)
    if category is None:
        known = ", ".join(sorted(desk.categories.categories))
        raise CaseInvalid(errors=[FieldError("category", "unknown_category", f"One of: {known}.")])
    if complaint.subject_type not in category.subjects:
        known = ", ".join(sorted(category.subjects))
        message = f"A complaint of this category is about one of: {known}."
        raise CaseInvalid(errors=[FieldError("subject_type", "subject_not_of_category", message)])
    return category


async def _place(session: AsyncSession, complaint: OpenCase) -> str | None:
    if complaint.subject_type is SubjectType.PAYMENT and complaint.subject_id is not None:
        village = await payments_view.village_of(session, complaint.subject_id)
        if village is not None:
            return village
    return complaint.place_code


def _case(desk: Desk, clock: Clock, complaint: OpenCase, category: Category, place_code: str | None, code: str) -> Case:
    case_id, now = uuid7(), clock.now()
    return Case(
        id=case_id,
        reference=reference("GR", case_id),
        version=1,
        category=complaint.category,
        route=category.route,
        priority=category.priority,
        subject_type=complaint.subject_type.value,
        subject_id=complaint.subject_id,
        channel=complaint.channel.value,
        language=complaint.language.value,
        place_code=place_code,
        complainant_person_id=complaint.complainant_person_id,
        state=CaseState.OPENED.value,
        opened_at=now,
        due_on=due_on(now, category.deadline_working_days, desk.calendar),
        changed_at=now,
        description_encrypted=desk.cipher.encrypt(complaint.description, description_context(case_id)),
        receipt_hash=desk.receipts.digest(canonical(code) or code, "receipt"),
    )


def _first_step(case: Case, principal: Principal) -> CaseStep:
    return CaseStep(
        case_id=case.id,
        version=case.version,
        action="open",
        state=case.state,
        actor=principal.subject,
        at=case.opened_at,
        detail={"channel": case.channel},
    )
