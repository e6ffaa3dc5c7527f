"""Use-case: one case in full, with what happened to its payment."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.appeals import repository as appeals
from services.grievance.attachments import repository as attachments
from services.grievance.cases import repository
from services.grievance.cases.deadlines import is_overdue
from services.grievance.cases.model import Case, CaseNote
from services.grievance.cases.schemas import (
    CaseAttachment,
    CaseDetail,
    CaseHold,
    CaseMessage,
    CasePattern,
    CaseRemedy,
    Note,
    Referral,
    Step,
)
from services.grievance.cases.states import OPEN_STATES, SubjectType, legal_actions
from services.grievance.cases.work import authorise, description_context, note_context
from services.grievance.notifications import repository as notifications
from services.grievance.patterns import repository as patterns
from services.grievance.payments_view import repository as payments_view
from services.grievance.payments_view.schemas import PaymentStory, PaymentStoryStep
from services.grievance.remedies import repository as remedies
from services.grievance.resources import Desk
from shared.auth import Principal
from shared.clock import Clock

READS_WORDS = ("grievance_officer", "case_supervisor", "sealed_case_officer")
"""The roles that may read what people wrote; others see the case without it (law 8)."""


async def show_case(session: AsyncSession, desk: Desk, clock: Clock, principal: Principal, case_id: UUID) -> CaseDetail:
    """A case in full. Raises what `authorise` raises."""
    case = await authorise(session, principal, await repository.find(session, case_id))
    reads_words = principal.has(*READS_WORDS)
    notes = await repository.notes(session, case.id) if reads_words else []
    appeal = await appeals.of_case(session, case.id)
    return CaseDetail.model_validate(
        {
            **summary_fields(case),
            "sealed": case.sealed,
            "rating": case.rating,
            "has_contact": case.contact_kind is not None,
            "appeal_id": appeal.id if appeal is not None else None,
            "overdue": case.present_state in OPEN_STATES and is_overdue(case.due_on, clock.now(), desk.calendar),
            "due_on_confirmed": due_on_confirmed(desk, case),
            "possible": sorted(action.value for action in legal_actions(case.present_state)),
            "description": _description(desk, case) if reads_words else None,
            "notes": [_note(desk, case, note) for note in notes],
            "payment": await _payment(session, principal, case),
            **await _record(session, case),
        }
    )


async def _record(session: AsyncSession, case: Case) -> dict[str, object]:
    """What was done about a case."""
    return {
        "history": [Step.model_validate(step) for step in await repository.history(session, case.id)],
        "holds": [CaseHold.model_validate(hold) for hold in await repository.holds(session, case.id)],
        "referrals": [Referral.model_validate(row) for row in await repository.referrals(session, case.id)],
        "remedies": [CaseRemedy.model_validate(row) for row in await remedies.of_case(session, case.id)],
        "attachments": [CaseAttachment.model_validate(row) for row in await attachments.of_case(session, case.id)],
        "messages": [CaseMessage.model_validate(row) for row in await notifications.of_case(session, case.id)],
        "patterns": [CasePattern.model_validate(row) for row in await patterns.of_case(session, case.id)],
    }


def summary_fields(case: Case | Row[Any]) -> dict[str, object]:
    """The fields of `CaseSummary`, from a case or a row of `repository.SUMMARY`."""
    return {
        "id": case.id,
        "reference": case.reference,
        "version": case.version,
        "state": case.state,
        "level": case.level,
        "category": case.category,
        "route": case.route,
        "priority": case.priority,
        "subject_type": case.subject_type,
        "subject_id": case.subject_id,
        "channel": case.channel,
        "place_code": case.place_code,
        "assigned_to": case.assigned_to,
        "outcome": case.outcome,
        "opened_at": case.opened_at,
        "due_on": case.due_on,
        "anonymous": case.complainant_person_id is None,
        "merged_into": case.merged_into,
    }


def due_on_confirmed(desk: Desk, case: Case) -> bool:
    """Whether the holidays behind the deadline are all known and confirmed."""
    return desk.calendar.vouches_for(desk.calendar.local_date(case.opened_at), case.due_on)


def _description(desk: Desk, case: Case) -> str | None:
    if case.description_encrypted is None:
        return None
    return desk.cipher_for(case.sealed).decrypt(case.description_encrypted, description_context(case.id))


def _note(desk: Desk, case: Case, note: CaseNote) -> Note:
    return Note.model_validate(
        {
            "id": note.id,
            "visibility": note.visibility,
            "author": note.author,
            "at": note.at,
            "text": desk.cipher_for(case.sealed).decrypt(note.text_encrypted, note_context(note.case_id)),
        }
    )


async def _payment(session: AsyncSession, principal: Principal, case: Case) -> PaymentStory | None:
    """The payment's story, unless its village turns out to be outside the caller's area."""
    if case.subject_type != SubjectType.PAYMENT or case.subject_id is None:
        return None
    view = await payments_view.find(session, case.subject_id)
    if view is None or not principal.covers(view.village_code):
        return None
    steps = await payments_view.steps(session, case.subject_id)
    fields = {name: getattr(view, name) for name in PaymentStory.model_fields if name != "history"}
    return PaymentStory.model_validate({**fields, "history": [PaymentStoryStep.model_validate(step) for step in steps]})
