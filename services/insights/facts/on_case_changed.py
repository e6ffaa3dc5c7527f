"""Reaction: grievance told of cases. Nothing of a sealed case is ever told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.insights.facts import repository
from services.insights.facts.model import CaseFact
from shared.consumer import Received
from shared.contracts.grievance import CaseClosed, CaseEscalated, CaseOpened, CaseReopened, CaseResolved
from shared.service import Context

CaseEvent = CaseOpened | CaseEscalated | CaseResolved | CaseReopened | CaseClosed
STATE: dict[type[CaseEvent], str] = {
    CaseOpened: "opened",
    CaseEscalated: "escalated",
    CaseResolved: "resolved",
    CaseReopened: "reopened",
    CaseClosed: "closed",
}


async def on_case_changed(_context: Context, session: AsyncSession, events: Sequence[Received[CaseEvent]]) -> None:
    """Keep each case as last told."""
    await repository.record(session, CaseFact, [_row(event.payload) for event in events])


async def forget_cases(_context: Context, session: AsyncSession) -> None:
    """Before a replay."""
    await repository.forget(session, CaseFact)


def _row(case: CaseEvent) -> dict[str, Any]:
    return {
        "case_id": case.case_id,
        "version": case.version,
        "state": STATE[type(case)],
        "category": case.category,
        "subject_type": case.subject_type,
        "place_code": case.place_code,
        "outcome": case.outcome if isinstance(case, CaseResolved) else None,
    }
