"""What every action on a case has in common: take it, check who and which version, make one step."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases import repository
from services.grievance.cases.errors import CaseNotFound, CaseStateConflict, OwnCase
from services.grievance.cases.model import Case, CaseNote, CaseStep
from services.grievance.cases.schemas import Visibility
from services.grievance.cases.states import CaseAction, IllegalTransition, SubjectType, follow
from services.grievance.officers import repository as officers
from services.grievance.payments_view import repository as payments_view
from services.grievance.people import repository as people_view
from services.grievance.resources import Desk
from services.grievance.sealing import SEALED_ROLE, record_audit
from shared.auth import Principal, ensure_area
from shared.etag import check_version
from shared.ids import uuid7

SEES_CASES = ("grievance_officer", "case_supervisor", "auditor")
"""Roles that see cases which are not sealed."""


async def people_of(session: AsyncSession, principal: Principal) -> frozenset[UUID]:
    """Ids of the caller, her household and everybody in it: she deals with no case of theirs.

    Her own record is named by the token's `person_id`; a token subject that is a UUID counts as one too.
    """
    own = {principal.person_id} if principal.person_id is not None else set()
    if (subject := as_uuid(principal.subject)) is not None:
        own.add(subject)
    return await people_view.near(session, sorted(own)) | own if own else frozenset()


async def concerns(session: AsyncSession, case: Case, people: frozenset[UUID]) -> bool:
    """Whether a case is about or from one of these people, or about a payment for one of them."""
    if not people:
        return False
    concerned = case.concerned_ids()
    if case.beneficiary_id is None and case.subject_type == SubjectType.PAYMENT and case.subject_id is not None:
        payment = await payments_view.find(session, case.subject_id)
        concerned |= {payment.beneficiary_id} if payment is not None else frozenset()
    return not concerned.isdisjoint(people)


async def ensure_not_own_payment(session: AsyncSession, people: frozenset[UUID], payment_id: UUID) -> None:
    """Raise OwnCase when a payment is known to be for one of these people."""
    payment = await payments_view.find(session, payment_id) if people else None
    if payment is not None and payment.beneficiary_id in people:
        raise OwnCase("Leave it to a colleague.")


async def people_of_officer(session: AsyncSession, subject: str) -> frozenset[UUID]:
    """Like `people_of`, of somebody named by the subject of her token: as far as the list of officers knows her."""
    officer = await officers.find(session, subject)
    own = {found for found in (as_uuid(subject), officer.person_id if officer else None) if found is not None}
    return await people_view.near(session, sorted(own)) | own if own else frozenset()


async def authorise(session: AsyncSession, principal: Principal, case: Case | None) -> Case:
    """The case, when the caller may deal with it. Of a sealed case, every refusal says that there is none.

    Raises:
        CaseNotFound: there is none, or it is sealed and not for her.
        OutsideArea: it belongs elsewhere, or to no place and the caller is not national.
        OwnCase: it is about or from the caller or her household.
    """
    if case is None or not principal.has(*((SEALED_ROLE,) if case.sealed else SEES_CASES)):
        raise CaseNotFound("Look it up by its reference in the list of cases.")
    own = await concerns(session, case, await people_of(session, principal))
    if case.sealed and (own or not principal.covers(case.place_code)):
        raise CaseNotFound("Look it up by its reference in the list of cases.")
    ensure_area(principal, case.place_code)
    if own:
        raise OwnCase("Leave it to a colleague.")
    return case


async def take(session: AsyncSession, principal: Principal, case_id: UUID, expected_version: int) -> Case:
    """Lock a case for one action.

    Raises:
        PreconditionFailed: somebody changed it since the caller read it. Also everything `authorise` raises.
    """
    case = await authorise(session, principal, await repository.lock(session, case_id))
    check_version(expected_version, case.version)
    return case


async def make_step(
    session: AsyncSession,
    principal: Principal | str,
    case: Case,
    action: CaseAction,
    at: datetime,
    detail: dict[str, Any] | None = None,
) -> None:
    """Move a taken case on by one action: state, version, history and audit record.

    Args:
        principal: who; a plain string names a part of the platform.
        detail: codes, dates and subjects of tokens; never what people wrote.

    Raises:
        CaseStateConflict: the action is not legal now.
    """
    try:
        case.state = follow(case.present_state, action).value
    except IllegalTransition as illegal:
        raise CaseStateConflict.of(illegal) from illegal
    await write_step(session, principal, case, action.value, at, detail)


async def write_step(
    session: AsyncSession,
    principal: Principal | str,
    case: Case,
    action: str,
    at: datetime,
    detail: dict[str, Any] | None = None,
) -> None:
    """Record a step of a taken case, with its next version; the state is what the caller made it."""
    case.version += 1
    case.changed_at = at
    actor = principal.subject if isinstance(principal, Principal) else f"system:{principal}"
    step = CaseStep(
        case_id=case.id,
        version=case.version,
        action=action,
        state=case.state,
        actor=actor,
        at=at,
        detail=detail or {},
    )
    await repository.save(session, step)
    facts = {"version": case.version, "state": case.state, **(detail or {})}
    await record_audit(session, principal, f"case.{action}", case, facts)


async def write_note(
    session: AsyncSession,
    desk: Desk,
    author: str,
    case: Case,
    text: str,
    visibility: Visibility,
    at: datetime,
) -> CaseNote:
    """Append a note, encrypted and bound to its case."""
    note = CaseNote(
        id=uuid7(),
        case_id=case.id,
        visibility=visibility.value,
        author=author,
        at=at,
        text_encrypted=desk.cipher_for(case.sealed).encrypt(text, note_context(case.id)),
    )
    await repository.add_note(session, note)
    return note


def as_uuid(value: str) -> UUID | None:
    """The UUID that a text is, if it is one."""
    try:
        return UUID(value)
    except ValueError:
        return None


def description_context(case_id: UUID) -> str:
    """What a description's ciphertext is bound to: moved to another case it does not decrypt."""
    return f"case.description:{case_id}"


def note_context(case_id: UUID) -> str:
    """What a note's ciphertext is bound to."""
    return f"case.note:{case_id}"


def contact_context(case_id: UUID) -> str:
    """What a contact's ciphertext is bound to."""
    return f"case.contact:{case_id}"
