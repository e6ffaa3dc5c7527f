"""enrolment.approved, .suspended, .resumed, .waitlisted, .ended: keep where a beneficiary lives and how she stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.entitlements import repository
from shared.consumer import Received
from shared.contracts.eligibility import (
    EnrolmentApproved,
    EnrolmentEnded,
    EnrolmentResumed,
    EnrolmentSuspended,
    EnrolmentWaitlisted,
)
from shared.service import Context

_STATUS: dict[type, str] = {
    EnrolmentApproved: "approved",
    EnrolmentSuspended: "suspended",
    EnrolmentResumed: "approved",
    EnrolmentWaitlisted: "waitlisted",
    EnrolmentEnded: "ended",
}


async def on_enrolment_changed(context: Context, session: AsyncSession, events: Sequence[Received[Any]]) -> None:
    """Project the newest state of each enrolment."""
    rows = [
        {
            "id": event.payload.enrolment_id,
            "programme_code": event.payload.programme_code,
            "beneficiary_id": event.payload.beneficiary_id,
            "beneficiary_reference": event.payload.beneficiary_reference,
            "village_code": event.payload.village_code,
            "effective_on": event.payload.effective_on,
            "status": _STATUS[type(event.payload)],
            "cause": getattr(event.payload, "cause", None),
            "version": event.payload.version,
        }
        for event in events
    ]
    await repository.save_enrolments(session, rows)
