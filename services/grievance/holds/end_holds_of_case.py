"""What cases do to the holds that were placed because of them, when they are answered: they end by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.holds import events, repository
from shared import audit
from shared.auth import Principal
from shared.outbox import publish


async def end_holds_of_case(session: AsyncSession, principal: Principal | str, case_id: UUID, now: datetime) -> None:
    """Release every hold in force of a case, with its events, in one statement."""
    holds = await repository.end_of_cases(session, [case_id], now)
    if holds:
        await publish(session, [events.released(hold) for hold in holds])
        await audit.record(session, principal, "hold.release", "case", str(case_id), {"count": len(holds)})


async def end_holds_of_settled_cases(session: AsyncSession, cases: Sequence[UUID], now: datetime) -> None:
    """Release the holds of cases that closed by themselves, all in one statement."""
    holds = await repository.end_of_cases(session, cases, now) if cases else []
    if holds:
        await publish(session, [events.released(hold) for hold in holds])
        await audit.record(session, "payments", "hold.release", "hold", "batch", {"count": len(holds)})
