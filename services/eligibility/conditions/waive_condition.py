"""Use-cases: waive a condition for a person, or for a place without the service; withdraw a waiver."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.conditions import repository
from services.eligibility.conditions.errors import KindUnknown, PersonUnknown, WaiverUnknown
from services.eligibility.conditions.model import ConditionWaiverRow, ServiceGapRow
from shared import audit
from shared.auth import Principal, ensure_area
from shared.clock import Clock
from shared.ids import uuid7


async def waive_condition(
    session: AsyncSession,
    clock: Clock,
    granted_by: Principal | str,
    person_id: UUID,
    kind: str,
    valid_from: date,
    valid_until: date,
    reason_code: str,
    case_id: UUID | None = None,
) -> UUID:
    """Let a person's conditions of a kind count as met for some days.

    Args:
        granted_by: the officer; or the part of the platform that acts for one, e.g. `grievance`.
        reason_code: stable, e.g. `service_not_available`. No personal data.
        case_id: the grievance that asked for it.

    Returns:
        The waiver's id.

    Raises:
        PersonUnknown, KindUnknown: there is none.
        OutsideArea: she lives outside the officer's area.
    """
    if kind not in await repository.read_kinds(session):
        raise KindUnknown("Look at the list of condition kinds for its code.")
    person = (await repository.find_persons(session, [person_id])).get(person_id)
    if person is None:
        raise PersonUnknown("Take the person's id from the registry.")
    if isinstance(granted_by, Principal):
        ensure_area(granted_by, person.village_code)
    waiver_id = uuid7()
    await session.execute(
        insert(ConditionWaiverRow).values(
            id=waiver_id,
            person_id=person_id,
            subject_id=person.subject_id,
            kind=kind,
            valid_from=valid_from,
            valid_until=valid_until,
            reason_code=reason_code,
            case_id=case_id,
            granted_by=granted_by.subject if isinstance(granted_by, Principal) else granted_by,
            granted_at=clock.now(),
        )
    )
    detail = {"kind": kind, "from": valid_from.isoformat(), "until": valid_until.isoformat(), "reason": reason_code}
    await audit.record(session, granted_by, "condition.waive", "condition_waiver", waiver_id, detail)
    return waiver_id


async def withdraw_waiver(session: AsyncSession, clock: Clock, principal: Principal, waiver_id: UUID) -> None:
    """Withdraw a waiver: from now on it counts no more. What closed cycles paid stays.

    Raises:
        WaiverUnknown: there is none that stands.
    """
    waiver = ConditionWaiverRow
    subject = await session.scalar(
        select(waiver.subject_id).where(waiver.id == waiver_id, waiver.withdrawn_at.is_(None))
    )
    if subject is None:
        raise WaiverUnknown("It was withdrawn before, or never granted.")
    person = (await repository.find_persons(session, [subject])).get(subject)
    ensure_area(principal, person.village_code if person else None)
    await session.execute(update(waiver).where(waiver.id == waiver_id).values(withdrawn_at=clock.now()))
    await audit.record(session, principal, "condition.withdraw_waiver", "condition_waiver", waiver_id)


async def record_service_gap(
    session: AsyncSession,
    clock: Clock,
    principal: Principal,
    place_code: str,
    kind: str,
    valid_from: date,
    valid_until: date,
    reason_code: str,
) -> UUID:
    """Say that the service of a kind was not available in a place: whoever lives there need not meet its conditions.

    Raises:
        KindUnknown, OutsideArea.
    """
    if kind not in await repository.read_kinds(session):
        raise KindUnknown("Look at the list of condition kinds for its code.")
    ensure_area(principal, place_code)
    gap_id = uuid7()
    await session.execute(
        insert(ServiceGapRow).values(
            id=gap_id,
            place_code=place_code,
            kind=kind,
            valid_from=valid_from,
            valid_until=valid_until,
            reason_code=reason_code,
            granted_by=principal.subject,
            granted_at=clock.now(),
        )
    )
    detail = {"kind": kind, "place_code": place_code, "from": valid_from.isoformat(), "until": valid_until.isoformat()}
    await audit.record(session, principal, "condition.service_gap", "service_gap", gap_id, detail)
    return gap_id
