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
from services.grievance.cases.states import CaseAction, IllegalTransition, follow
from services.grievance.resources import Desk
from shared import audit
from shared.auth import Principal, ensure_area
from shared.etag import check_version


def authorise(principal: Principal, case: Case | None) -> Case:
    """The case, when the caller may deal with it.

    Raises:
        CaseNotFound: there is none.
        OutsideArea: it belongs elsewhere, or to no place and the caller is not national.
        OwnCase: it is about the caller, or hers.
    """
    if case is None:
        raise CaseNotFound("Look it up by its reference in the list of cases.")
    ensure_area(principal, case.place_code)
    if case.concerns(principal.subject):
        raise OwnCase("Leave it to a colleague.")
    return case


async def take(session: AsyncSession, principal: Principal, case_id: UUID, expected_version: int) -> Case:
    """Lock a case for one action.

    Raises:
        PreconditionFailed: somebody changed it since the caller read it. Also everything `authorise` raises.
    """
    case = authorise(principal, await repository.lock(session, case_id))
    check_version(expected_version, case.version)
    return case


async def make_step(
    session: AsyncSession,
    principal: Principal,
    case: Case,
    action: CaseAction,
    at: datetime,
    detail: dict[str, Any] | None = None,
) -> None:
    """Move a taken case on by one action: state, version, history and audit record.

    Args:
        detail: codes, dates and subjects of tokens; never what people wrote.

    Raises:
        CaseStateConflict: the action is not legal now.
    """
    try:
        case.state = follow(case.present_state, action).value
    except IllegalTransition as illegal:
        raise CaseStateConflict.of(illegal) from illegal
    case.version += 1
    case.changed_at = at
    step = CaseStep(
        case_id=case.id,
        version=case.version,
        action=action.value,
        state=case.state,
        actor=principal.subject,
        at=at,
        detail=detail or {},
    )
    await repository.save(session, step)
    facts = {"version": case.version, "state": case.state, **(detail or {})}
    await audit.record(session, principal, f"case.{action.value}", "case", str(case.id), facts)


async def write_note(
    session: AsyncSession,
    desk: Desk,
    principal: Principal,
    case: Case,
    text: str,
    visibility: Visibility,
    at: datetime,
) -> CaseNote:
    """Append a note, encrypted and bound to its case."""
    note = CaseNote(
        case_id=case.id,
        visibility=visibility.value,
        author=principal.subject,
        at=at,
        text_encrypted=desk.cipher.encrypt(text, note_context(case.id)),
    )
    await repository.add_note(session, note)
    return note


def description_context(case_id: UUID) -> str:
    """What a description's ciphertext is bound to: moved to another case it does not decrypt."""
    return f"case.description:{case_id}"


def note_context(case_id: UUID) -> str:
    """What a note's ciphertext is bound to."""
    return f"case.note:{case_id}"
