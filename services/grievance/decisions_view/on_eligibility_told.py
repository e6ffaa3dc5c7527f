"""Reactions: eligibility told of decisions, of the words that explain them, and of who takes part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.decisions_view import repository
from shared.consumer import Received
from shared.contracts.eligibility import (
    DecisionMade,
    EnrolmentApproved,
    EnrolmentEnded,
    EnrolmentResumed,
    EnrolmentSuspended,
    EnrolmentWaitlisted,
    ProgrammePublished,
)
from shared.service import Context

EnrolmentEvent = EnrolmentApproved | EnrolmentSuspended | EnrolmentResumed | EnrolmentWaitlisted | EnrolmentEnded

STATUS: dict[type[EnrolmentEvent], str] = {
    EnrolmentApproved: "approved",
    EnrolmentSuspended: "suspended",
    EnrolmentResumed: "approved",
    EnrolmentWaitlisted: "waitlisted",
    EnrolmentEnded: "ended",
}


async def on_decision_made(_context: Context, session: AsyncSession, events: Sequence[Received[DecisionMade]]) -> None:
    """Keep each decision."""
    await repository.record_decisions(session, [_decision(event) for event in events])


async def on_programme_published(
    _context: Context, session: AsyncSession, events: Sequence[Received[ProgrammePublished]]
) -> None:
    """Keep the words of each programme version."""
    rows = [
        {
            "programme_code": event.payload.programme_code,
            "programme_version": event.payload.programme_version,
            "version": event.payload.version,
            "name_km": event.payload.name_km,
            "name_en": event.payload.name_en,
            "clauses": [clause.model_dump() for clause in event.payload.clauses],
        }
        for event in events
    ]
    await repository.record_programmes(session, rows)


async def on_enrolment_changed(
    _context: Context, session: AsyncSession, events: Sequence[Received[EnrolmentEvent]]
) -> None:
    """Keep the newest state of each enrolment."""
    await repository.record_enrolments(session, [_enrolment(event.payload) for event in events])


def _decision(event: Received[DecisionMade]) -> dict[str, Any]:
    decision = event.payload
    return {
        "decision_id": decision.decision_id,
        "version": decision.version,
        "programme_code": decision.programme_code,
        "programme_version": decision.programme_version,
        "beneficiary_id": decision.beneficiary_id,
        "village_code": decision.village_code,
        "decided_on": decision.decided_on,
        "eligible": decision.eligible,
        "failed_clauses": list(decision.failed_clauses),
        "facts": [fact.model_dump() for fact in decision.facts],
        "decided_by": decision.decided_by,
        "told_at": event.occurred_at,
    }


def _enrolment(enrolment: EnrolmentEvent) -> dict[str, Any]:
    ended = enrolment if isinstance(enrolment, EnrolmentEnded) else None
    paused = enrolment if isinstance(enrolment, EnrolmentSuspended) else None
    return {
        "enrolment_id": enrolment.enrolment_id,
        "version": enrolment.version,
        "status": STATUS[type(enrolment)],
        "programme_code": enrolment.programme_code,
        "programme_version": enrolment.programme_version,
        "beneficiary_id": enrolment.beneficiary_id,
        "village_code": enrolment.village_code,
        "effective_on": enrolment.effective_on,
        "cause": ended.cause if ended else (paused.cause if paused else None),
        "ended_by": ended.ended_by if ended else None,
    }
