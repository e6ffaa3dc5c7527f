"""Use-case: take a complaint, give it a deadline, and give the complainant a receipt."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases import events, repository
from services.grievance.cases.categories import Category
from services.grievance.cases.deadlines import due_on
from services.grievance.cases.errors import CaseInvalid
from services.grievance.cases.model import Case, CaseStep
from services.grievance.cases.schemas import OpenCase
from services.grievance.cases.states import CaseAction, CaseState, SubjectType
from services.grievance.cases.work import contact_context, description_context, make_step
from services.grievance.decisions_view import repository as decisions_view
from services.grievance.notifications import repository as notifications
from services.grievance.notifications.model import Told
from services.grievance.payments_view import repository as payments_view
from services.grievance.people import repository as people
from services.grievance.receipts.codes import canonical, new_code
from services.grievance.resources import Desk
from services.grievance.sealing import open_seal, record_audit
from shared.auth import Principal, ensure_area
from shared.clock import Clock
from shared.errors import FieldError
from shared.ids import reference, uuid7


@dataclass(frozen=True)
class Opened:
    """A new case and its receipt code, which is kept nowhere else."""

    case: Case
    receipt_code: str


@dataclass(frozen=True)
class _About:
    """Where the subject of a complaint belongs, and for whom it is, as far as known here."""

    place_code: str | None = None
    beneficiary_id: UUID | None = None
    payment_version: int = 0


async def open_case(
    session: AsyncSession, desk: Desk, clock: Clock, principal: Principal, complaint: OpenCase
) -> Opened:
    """Open a case. One of a sealed category is hidden from its first moment, and told to nobody.

    Raises:
        CaseInvalid: unknown category, or one that is not about such a subject.
        OutsideArea: the place (of a known subject: its village) is outside the caller's area.
        SealingNotConfigured: the category is sealed, and there is no key for sealed cases.
    """
    category = category_of(desk, complaint)
    about = await _about(session, complaint)
    ensure_area(principal, about.place_code or complaint.place_code)
    code = new_code()
    case = _case(desk, clock, complaint, category, about, code)
    if case.sealed:
        await open_seal(session)
    await repository.add(session, case, _first_step(case, principal))
    await record_audit(session, principal, "case.open", case, {"category": case.category, "channel": case.channel})
    await events.tell_opened(session, case)
    await notifications.queue(session, case, Told.OPENED, case.opened_at)
    await _absorb_automatic(session, case)
    return Opened(case, code)


def category_of(desk: Desk, complaint: OpenCase) -> Category:
    """The configured category. Raises CaseInvalid: unknown, or not about such a subject."""
    category = desk.categories.categories.get(complaint.category)
    if category is None:
        known = ", ".join(sorted(desk.categories.categories))
        raise CaseInvalid(errors=[FieldError("category", "unknown_category", f"One of: {known}.")])
    if complaint.subject_type not in category.subjects:
        known = ", ".join(sorted(category.subjects))
        message = f"A complaint of this category is about one of: {known}."
        raise CaseInvalid(errors=[FieldError("subject_type", "subject_not_of_category", message)])
    return category


async def _about(session: AsyncSession, complaint: OpenCase) -> _About:
    subject = complaint.subject_id
    if subject is None:
        return _About()
    match complaint.subject_type:
        case SubjectType.PAYMENT:
            payment = await payments_view.find(session, subject)
            return _About(payment.village_code, payment.beneficiary_id, payment.version) if payment else _About()
        case SubjectType.DECISION:
            decision = await decisions_view.find_decision(session, subject)
            return _About(decision.village_code, decision.beneficiary_id) if decision else _About()
        case SubjectType.HOUSEHOLD:
            return _About(await people.village_of_household(session, subject))
        case SubjectType.PERSON:
            return _About(await people.village_of_person(session, subject))
        case _:
            return _About()


def _case(desk: Desk, clock: Clock, complaint: OpenCase, category: Category, about: _About, code: str) -> Case:
    case_id, now = uuid7(), clock.now()
    cipher = desk.cipher_for(category.sealed)
    contact = complaint.contact
    return Case(
        id=case_id,
        reference=reference("GR", case_id),
        version=1,
        category=complaint.category,
        route=category.route,
        priority=category.priority,
        subject_type=complaint.subject_type.value,
        subject_id=complaint.subject_id,
        beneficiary_id=about.beneficiary_id,
        payment_version=about.payment_version,
        channel=complaint.channel.value,
        language=complaint.language.value,
        place_code=about.place_code or complaint.place_code,
        complainant_person_id=complaint.complainant_person_id,
        state=CaseState.OPENED.value,
        level=desk.categories.start_level(category),
        opened_at=now,
        due_on=due_on(now, category.deadline_working_days, desk.calendar),
        changed_at=now,
        description_encrypted=cipher.encrypt(complaint.description, description_context(case_id)),
        receipt_hash=desk.receipts.digest(canonical(code) or code, "receipt"),
        sealed=category.sealed,
        sealed_at=now if category.sealed else None,
        contact_kind=contact.kind if contact else None,
        contact_encrypted=cipher.encrypt(contact.value, contact_context(case_id)) if contact else None,
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


async def _absorb_automatic(session: AsyncSession, case: Case) -> None:
    """The family's own complaint takes the place of the case that the platform opened for the same payment."""
    if case.sealed or case.subject_type != SubjectType.PAYMENT or case.subject_id is None:
        return
    automatic = await repository.lock_idle_automatic(session, case.subject_id)
    if automatic is None:
        return
    automatic.merged_into = case.id
    await make_step(session, "platform", automatic, CaseAction.MERGE, case.opened_at, {"into": str(case.id)})
    await events.tell_closed(session, automatic, "merged")
