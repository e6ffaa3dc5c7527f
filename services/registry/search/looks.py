"""Every look at a person is recorded: who looked, at whom, why (law 8). One statement, however many were seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.search import repository
from shared.auth import Principal
from shared.telemetry import current_traceparent


async def record_looks(
    session: AsyncSession, principal: Principal, people: Sequence[UUID], *, via: str, reason: str, **detail: Any
) -> None:
    """Record that the caller was shown personal data of these persons.

    Args:
        via: what showed it: `search`, `household`, `person`, `history`.
        reason: why, in the caller's words; a reason is not personal data of others.
        detail: ids and counts only.
    """
    if not people:
        return
    await repository.record_looks(
        session,
        actor=principal.subject,
        roles=sorted(principal.roles),
        areas=list(principal.areas),
        action="person.look",
        detail=orjson.dumps({"via": via, "reason": reason, **detail}, default=str).decode(),
        trace=current_traceparent(),
        ids=[str(person) for person in people],
    )
