"""Use-case: approve exactly the difference that was looked at; and the rule that publishing may need it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.programmes import repository as programmes
from services.eligibility.rehearsal import repository
from services.eligibility.rehearsal.errors import (
    OwnRehearsal,
    RehearsalNeeded,
    RehearsalNotFinished,
    RehearsalUnknown,
    ResultDiffers,
)
from services.eligibility.rehearsal.model import RehearsalState
from shared import audit
from shared.auth import Principal
from shared.clock import Clock


async def approve_rehearsal(
    session: AsyncSession, clock: Clock, principal: Principal, rehearsal_id: UUID, seen_hash: str
) -> None:
    """Approve a finished rehearsal. Approving it again changes nothing.

    Args:
        seen_hash: of the result that the officer has looked at.

    Raises:
        RehearsalUnknown, RehearsalNotFinished, ResultDiffers.
        OwnRehearsal: she asked for it herself: four eyes see what a change of rules does.
    """
    row = await repository.find(session, rehearsal_id, lock=True)
    if row is None:
        raise RehearsalUnknown("Look at the programme's rehearsals for the id.")
    if row.state == RehearsalState.RUNNING:
        raise RehearsalNotFinished("Wait for its job to end.")
    if row.result_hash != seen_hash:
        raise ResultDiffers("Look at the rehearsal again and send the hash that it shows.")
    if row.requested_by == principal.subject:
        raise OwnRehearsal("Ask another programme officer to look at the result and approve it.")
    if row.state == RehearsalState.APPROVED:
        return
    await repository.approve(session, rehearsal_id, principal.subject, clock.now())
    await audit.record(
        session, principal, "rehearsal.approve", "rehearsal", rehearsal_id,
        {"programme_code": row.programme_code, "version": row.version, "result_hash": row.result_hash},
    )  # fmt: skip


async def ensure_rehearsed(session: AsyncSession, code: str, version: int) -> None:
    """Raise unless the version has an approved rehearsal against what is in force now.

    Raises:
        RehearsalNeeded: it has none, or another version was published since.
    """
    row = await repository.approved_of(session, code, version)
    if row is None:
        raise RehearsalNeeded(f"Rehearse version {version} of {code} and have the result approved.")
    stored = await programmes.find_version(session, code, version)
    if stored is None:
        return
    present = await programmes.version_in_force(session, code, stored.valid_from)
    if (present.version if present is not None else None) != row.baseline_version:
        raise RehearsalNeeded("Another version was published since it was rehearsed: rehearse it again.")
