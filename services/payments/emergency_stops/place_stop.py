"""Place an emergency stop at once; lift it only by another person."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.emergency_stops.tables import emergency_stop
from services.payments.entitlements.repository import village_of
from services.payments.errors import SamePerson, StopExists, StopNotFound, UnknownBeneficiary
from services.payments.metadata import Record
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import FieldError, Invalid


async def place_stop(session: AsyncSession, principal: Principal, scope: str, target: str, reason: str) -> Record:
    """Stop a programme, rail, fund or person: nothing more is approved, disbursed or sent. One person is enough.

    Raises:
        OutsideArea: a person of another area; everything else is national.
        StopExists: it is stopped already. UnknownBeneficiary, Invalid: no such person.
    """
    ensure_area(principal, await _village(session, target) if scope == "person" else None)
    values = {"scope": scope, "target": target, "reason": reason, "placed_by": principal.subject}
    insertion = pg_insert(emergency_stop).values(**values).on_conflict_do_nothing().returning(emergency_stop)
    row = (await session.execute(insertion)).one_or_none()
    if row is None:
        raise StopExists(f"This {scope} is stopped already.")
    await audit.record(session, principal, "emergency_stop.place", scope, target, {"reason": reason})
    return row


async def lift_stop(session: AsyncSession, principal: Principal, stop_id: UUID, reason: str) -> Record:
    """Lift a stop.

    Raises:
        StopNotFound: none such in force. OutsideArea.
        SamePerson: she placed it herself.
    """
    wanted = select(emergency_stop).where(emergency_stop.c.id == stop_id, emergency_stop.c.released_at.is_(None))
    row: Any = (await session.execute(wanted.with_for_update())).one_or_none()
    if row is None:
        raise StopNotFound("Look at the stops in force.")
    ensure_area(principal, await _village(session, row.target) if row.scope == "person" else None)
    if row.placed_by == principal.subject:
        raise SamePerson("You placed this stop: somebody else must lift it.")
    lifted = (
        update(emergency_stop)
        .where(emergency_stop.c.id == stop_id)
        .values(released_by=principal.subject, released_at=func.now(), release_reason=reason)
        .returning(emergency_stop)
    )
    changed = (await session.execute(lifted)).one()
    await audit.record(session, principal, "emergency_stop.lift", row.scope, row.target, {"reason": reason})
    return changed


async def _village(session: AsyncSession, target: str) -> str:
    try:
        village = await village_of(session, UUID(target))
    except ValueError:
        message = "Of a person, give the beneficiary's id."
        raise Invalid("Correct the target.", errors=[FieldError("target", "bad_id", message)]) from None
    if village is None:
        raise UnknownBeneficiary("No enrolment or entitlement of this beneficiary is known.")
    return village
