"""Reaction: eligibility told who takes part in a programme."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.insights.facts import repository
from services.insights.facts.model import EnrolmentFact, EnrolmentStart
from shared.consumer import Received
from shared.contracts.eligibility import (
    EnrolmentApproved,
    EnrolmentEnded,
    EnrolmentResumed,
    EnrolmentSuspended,
    EnrolmentWaitlisted,
)
from shared.service import Context

EnrolmentEvent = EnrolmentApproved | EnrolmentWaitlisted | EnrolmentSuspended | EnrolmentResumed | EnrolmentEnded
STATE: dict[type[EnrolmentEvent], str] = {
    EnrolmentApproved: "approved",
    EnrolmentWaitlisted: "waitlisted",
    EnrolmentSuspended: "suspended",
    EnrolmentResumed: "approved",
    EnrolmentEnded: "ended",
}


async def on_enrolment_changed(
    _context: Context, session: AsyncSession, events: Sequence[Received[EnrolmentEvent]]
) -> None:
    """Keep each enrolment as last told, and each beginning with its cause.

    An approval is told again when somebody moves: it names the same beginning.
    """
    payloads = [event.payload for event in events]
    await repository.record(session, EnrolmentFact, [_row(payload) for payload in payloads])
    starts = [_start(payload) for payload in payloads if isinstance(payload, EnrolmentApproved)]
    await repository.record(session, EnrolmentStart, starts)


async def forget_enrolments(_context: Context, session: AsyncSession) -> None:
    """Before a replay."""
    await repository.forget(session, EnrolmentFact, EnrolmentStart)


def _row(enrolment: EnrolmentEvent) -> dict[str, Any]:
    return {
        "enrolment_id": enrolment.enrolment_id,
        "version": enrolment.version,
        "state": STATE[type(enrolment)],
        "programme_code": enrolment.programme_code,
        "beneficiary_id": enrolment.beneficiary_id,
        "village_code": enrolment.village_code,
        "effective_on": enrolment.effective_on,
    }


def _start(approved: EnrolmentApproved) -> dict[str, Any]:
    return {
        "enrolment_id": approved.enrolment_id,
        "effective_on": approved.effective_on,
        "version": approved.version,
        "programme_code": approved.programme_code,
        "village_code": approved.village_code,
        "cause": approved.cause,
    }
