"""What people decide on a hit: one clears it with a reason, another confirms; or it is upheld. The money waits."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.errors import HitNotFound, HitState, SamePerson
from services.payments.metadata import Record
from services.payments.sanctions import screening_repository as repository
from shared import audit
from shared.auth import Principal
from shared.etag import check_version


async def propose_clearing(
    session: AsyncSession, principal: Principal, hit_id: UUID, version: int, reason: str, now: datetime
) -> Record:
    """Say that it is somebody else, and why. Nothing is paid before another person confirms it.

    Raises:
        HitNotFound, HitState, PreconditionFailed.
    """
    await _locked(session, principal, hit_id, version, {"open", "upheld"})
    row = await repository.decide(
        session, hit_id, status="clearing", proposed_by=principal.subject, reason=reason, decided_by=None, at=now
    )
    return await _audited(session, principal, row, "propose_clearing")


async def confirm_clearing(
    session: AsyncSession, principal: Principal, hit_id: UUID, version: int, now: datetime
) -> Record:
    """Clear it: the pair hits no more until the entry, or what is known of the holder, changes.

    Raises:
        HitNotFound, HitState, PreconditionFailed.
        SamePerson: she proposed it herself.
    """
    before = await _locked(session, principal, hit_id, version, {"clearing"})
    if before.proposed_by == principal.subject:
        raise SamePerson("You proposed to clear it: somebody else must confirm.")
    row = await repository.decide(
        session,
        hit_id,
        status="cleared",
        proposed_by=before.proposed_by,
        reason=before.reason,
        decided_by=principal.subject,
        at=now,
    )
    return await _audited(session, principal, row, "confirm_clearing")


async def uphold_hit(
    session: AsyncSession, principal: Principal, hit_id: UUID, version: int, reason: str, now: datetime
) -> Record:
    """It is her, or it is not shown that it is somebody else: also the answer to a clearing that was proposed.

    Raises:
        HitNotFound, HitState, PreconditionFailed.
    """
    before = await _locked(session, principal, hit_id, version, {"open", "clearing", "cleared"})
    row = await repository.decide(
        session,
        hit_id,
        status="upheld",
        proposed_by=before.proposed_by,
        reason=reason,
        decided_by=principal.subject,
        at=now,
    )
    return await _audited(session, principal, row, "uphold")


async def visible_hit(session: AsyncSession, principal: Principal, hit_id: UUID, *, lock: bool = False) -> Any:
    """A hit in the caller's area.

    Raises:
        HitNotFound.
    """
    row = await repository.hit_by_id(session, hit_id, lock=lock)
    if row is None or not principal.covers(row.village_code):
        raise HitNotFound("Look at the hits in your area.")
    return row


async def _locked(session: AsyncSession, principal: Principal, hit_id: UUID, version: int, states: set[str]) -> Any:
    row = await visible_hit(session, principal, hit_id, lock=True)
    check_version(version, row.version)
    if row.status not in states:
        raise HitState(f"It is {row.status}.", hit_status=row.status)
    return row


async def _audited(session: AsyncSession, principal: Principal, row: Record, step: str) -> Record:
    detail = {"reference": row.reference, "account_id": str(row.account_id), "status": row.status, "reason": row.reason}
    await audit.record(session, principal, f"sanction_hit.{step}", "sanction_hit", str(row.id), detail)
    return row
