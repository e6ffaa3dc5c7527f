"""Ask for the self-check."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared import audit
from shared.auth import Principal
from shared.jobs import enqueue

JOB = "self_check_money"


async def start_self_check(session: AsyncSession, principal: Principal) -> UUID:
    """Queue it; one runs at a time.

    Returns:
        The job's id.
    """
    await audit.record(session, principal, "ledger.self_check", "ledger", "all")
    return await enqueue(session, JOB, {}, key=JOB)
