"""The append-only audit record: who did what to which thing, when (law 8)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.auth import Principal
from shared.tables import audit_entry
from shared.telemetry import current_traceparent


async def record(
    session: AsyncSession,
    principal: Principal | str,
    action: str,
    object_type: str,
    object_id: object,
    detail: dict[str, Any] | None = None,
) -> None:
    """Write one audit entry in this transaction.

    Args:
        principal: who; a plain string names a part of the platform itself, e.g. `worker`.
        action: what, e.g. `payment_list.approve`.
        object_type: the kind of thing.
        object_id: which one.
        detail: ids, versions, counts and reasons. Never personal data.
    """
    await session.execute(
        insert(audit_entry).values(
            actor=principal.subject if isinstance(principal, Principal) else f"system:{principal}",
            roles=sorted(principal.roles) if isinstance(principal, Principal) else [],
            areas=list(principal.areas) if isinstance(principal, Principal) else [],
            action=action,
            object_type=object_type,
            object_id=str(object_id),
            detail=detail or {},
            traceparent=current_traceparent(),
        )
    )
