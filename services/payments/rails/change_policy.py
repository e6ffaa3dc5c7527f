"""Change how a rail is used: as a whole, by one officer at a time, on record."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.rails import health_repository, repository
from services.payments.rails.catalogue import BY_NAME
from services.payments.rails.errors import RailNotFound
from services.payments.rails.policy import RailPolicy
from shared import audit
from shared.auth import Principal
from shared.errors import PreconditionFailed
from shared.etag import check_version


async def change_policy(
    session: AsyncSession, principal: Principal, rail: str, policy: RailPolicy, *, expected: int, now: datetime
) -> int:
    """Store the policy; batches that waited for the old one look again.

    Returns:
        The new version.

    Raises:
        RailNotFound, PreconditionFailed.
    """
    if rail not in BY_NAME:
        raise RailNotFound(rail)
    row = await health_repository.policy_row(session, rail, lock=True)
    check_version(expected, row.version if row is not None else 0)
    kept = await health_repository.keep_policy(
        session, rail, policy, version=expected + 1, changed_by=principal.subject, now=now
    )
    if not kept:
        raise PreconditionFailed("Read it again, look at what changed, and repeat your change.")
    await repository.look_again(session, rail, now)
    detail = {"version": expected + 1, "policy": policy.model_dump(mode="json")}
    await audit.record(session, principal, "rail.policy", "rail", rail, detail)
    return expected + 1
