"""The events of a case, from its row: codes and ids, never what people wrote. Of a sealed case there is none."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases.model import Case
from shared.contracts.grievance import CaseClosed, CaseOpened, CaseReopened, CaseResolved
from shared.outbox import publish


async def tell_opened(session: AsyncSession, case: Case) -> None:
    """`case.opened`."""
    if not case.sealed:
        await publish(session, [CaseOpened(**_common(case), channel=case.channel, due_on=case.due_on)])


async def tell_reopened(session: AsyncSession, case: Case) -> None:
    """`case.reopened`, with its new deadline."""
    if not case.sealed:
        await publish(session, [CaseReopened(**_common(case), due_on=case.due_on)])


async def tell_resolved(session: AsyncSession, case: Case) -> None:
    """`case.resolved`. Raises ValueError for a case without outcome."""
    if case.outcome is None:
        raise ValueError("a case without outcome is not resolved")
    if not case.sealed:
        await publish(session, [CaseResolved(**_common(case), outcome=case.outcome)])


async def tell_closed(session: AsyncSession, case: Case, cause: str) -> None:
    """`case.closed`; `cause` is a code: answered, merged, paid, transferred."""
    if not case.sealed:
        await publish(session, [CaseClosed(**_common(case), cause=cause)])


def _common(case: Case) -> dict[str, Any]:
    return {
        "version": case.version,
        "case_id": case.id,
        "reference": case.reference,
        "category": case.category,
        "subject_type": case.subject_type,
        "subject_id": case.subject_id,
        "place_code": case.place_code,
    }
