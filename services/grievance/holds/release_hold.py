"""Use-case: end a hold before its last day."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases.work import ensure_not_own_payment, people_of
from services.grievance.holds import events, repository
from services.grievance.holds.errors import HoldEnded, HoldNotFound
from services.grievance.holds.model import Hold, HoldState
from services.grievance.holds.schemas import ReleaseHold
from shared import audit
from shared.auth import Principal, ensure_area
from shared.clock import Clock
from shared.etag import check_version
from shared.outbox import publish


async def release_hold(
    session: AsyncSession, clock: Clock, principal: Principal, hold_id: UUID, version: int, order: ReleaseHold
) -> Hold:
    """Release a hold.

    Raises:
        HoldNotFound, OutsideArea: there is none, or it is elsewhere.
        OwnCase: the payment is for the caller's household.
        HoldEnded: it was released or has expired.
        PreconditionFailed: somebody changed it since the caller read it.
    """
    hold = await repository.lock(session, hold_id)
    if hold is None:
        raise HoldNotFound("Look it up in the list of holds.")
    ensure_area(principal, hold.place_code)
    await ensure_not_own_payment(session, await people_of(session, principal), hold.payment_id)
    if hold.state != HoldState.ACTIVE:
        raise HoldEnded(f"It is {hold.state}.", state=hold.state)
    check_version(version, hold.version)
    hold.state = HoldState.RELEASED.value
    hold.cause = order.cause.value
    hold.ended_at = clock.now()
    hold.version += 1
    await repository.save(session)
    detail = {"payment": str(hold.payment_id), "cause": hold.cause}
    await audit.record(session, principal, "hold.release", "hold", str(hold.id), detail)
    await publish(session, [events.released(hold)])
    return hold
