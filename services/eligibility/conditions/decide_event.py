"""Use-cases: approve, refuse or withdraw a reported event."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.conditions import repository
from services.eligibility.conditions.errors import EventNotPending, EventNotStanding, EventSettled, EventUnknown
from services.eligibility.conditions.model import EventState
from services.eligibility.model import AnyRow
from shared import audit
from shared.auth import Principal, ensure_area
from shared.clock import Clock
from shared.errors import Forbidden
from shared.etag import check_version


async def decide_event(
    session: AsyncSession,
    clock: Clock,
    principal: Principal,
    event_id: UUID,
    version: int,
    *,
    approve: bool,
    cause: str,
) -> None:
    """Approve or refuse an event that waits: somebody else than who reported it.

    Raises:
        EventUnknown, EventNotPending, OutsideArea, PreconditionFailed, Forbidden.
    """
    event = await _load(session, principal, event_id, version)
    if event.state != EventState.PENDING:
        raise EventNotPending(f"It is {event.state}.")
    if event.recorded_by == principal.subject:
        raise Forbidden("Another officer decides on what you reported.")
    state = EventState.ACCEPTED if approve else EventState.REFUSED
    await repository.set_event_state(
        session, event_id, state=state, decided_by=principal.subject, decided_at=clock.now(), cause=cause
    )
    await audit.record(session, principal, "condition_event.decide", "condition_event", event_id, {"state": state})


async def withdraw_event(
    session: AsyncSession, clock: Clock, principal: Principal, event_id: UUID, version: int, cause: str
) -> None:
    """Withdraw a report that was a mistake. It then frees its place: the right one can be reported.

    Raises:
        EventUnknown, EventNotStanding, OutsideArea, PreconditionFailed.
        EventSettled: its money is granted: an overpayment is recovered by payments.
        Forbidden: somebody else reported it, and the caller is no programme officer.
    """
    event = await _load(session, principal, event_id, version)
    if event.state not in (EventState.PENDING, EventState.ACCEPTED):
        raise EventNotStanding(f"It is {event.state}.")
    if event.recorded_by != principal.subject and not principal.has("programme_officer"):
        raise Forbidden("Who reported it withdraws it, or a programme officer.")
    if await repository.is_settled(session, event_id):
        raise EventSettled("What was paid for it is recovered as an overpayment: ask a payment officer.")
    await repository.set_event_state(
        session, event_id, state=EventState.WITHDRAWN, withdrawn_at=clock.now(), cause=cause
    )
    await audit.record(session, principal, "condition_event.withdraw", "condition_event", event_id, {"cause": cause})


async def _load(session: AsyncSession, principal: Principal, event_id: UUID, version: int) -> AnyRow:
    event = await repository.find_event(session, event_id, lock=True)
    if event is None:
        raise EventUnknown("Look at the person's events for the id.")
    ensure_area(principal, event.village_code)
    check_version(version, event.version)
    return event
