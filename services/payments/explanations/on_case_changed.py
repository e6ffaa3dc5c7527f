"""case.opened, .escalated, .resolved, .reopened, .closed: keep where each case stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.explanations.tables import grievance_case
from shared.consumer import Received
from shared.contracts.grievance import CaseClosed, CaseEscalated, CaseOpened, CaseReopened, CaseResolved
from shared.db import upsert_versioned
from shared.service import Context

_STATE: Final[dict[type, str]] = {
    CaseOpened: "opened",
    CaseEscalated: "escalated",
    CaseResolved: "resolved",
    CaseReopened: "reopened",
    CaseClosed: "closed",
}


async def on_case_changed(context: Context, session: AsyncSession, events: Sequence[Received[Any]]) -> None:
    """Project cases by id; the newest version wins."""
    await upsert_versioned(session, grievance_case, [_row(event.payload) for event in events], key=["id"])


def _row(payload: Any) -> dict[str, Any]:
    names = ("reference", "category", "subject_type", "subject_id", "place_code", "version")
    return {name: getattr(payload, name) for name in names} | {
        "id": payload.case_id,
        "state": _STATE[type(payload)],
        "outcome": getattr(payload, "outcome", None),
        "due_on": getattr(payload, "due_on", None),
    }
