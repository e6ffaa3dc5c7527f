"""SQL of enrolments: finding, listing, counting, ending. Populations are in enrolling_sql.py and reassessing_sql.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.enrolments.life import EnrolmentState
from services.eligibility.enrolments.model import EnrolmentChangeRow, EnrolmentRow
from services.eligibility.facts.model import HouseholdFactRow, MemberFactRow
from services.eligibility.model import AnyRow
from shared.auth import Principal, in_area

E, H, F, M = EnrolmentRow, EnrolmentChangeRow, HouseholdFactRow, MemberFactRow
_COLUMNS = (
    E.id,
    E.version,
    E.programme_code,
    E.programme_version,
    E.state,
    E.cause,
    E.approved_cause,
    E.beneficiary_id,
    E.household_id,
    E.beneficiary_reference,
    E.village_code,
    E.effective_on,
    E.changed_on,
    E.ended_on,
    E.suspended_until,
    E.recertified_on,
    E.card_valid_until,
    E.rank,
    E.expected_amount,
    E.appeal_hold,
    E.decision_id,
)


async def find(session: AsyncSession, enrolment_id: UUID, *, lock: bool = False) -> AnyRow | None:
    """One enrolment, or None; with `lock` it is held until the transaction ends."""
    statement = select(*_COLUMNS).where(E.id == enrolment_id)
    return (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()


async def lock_many(session: AsyncSession, code: str, ids: Sequence[UUID]) -> Sequence[AnyRow]:
    """Those of these enrolments that are in the programme, held until the transaction ends."""
    wanted = func.any(bindparam("ids", list(ids), type_=ARRAY(PG_UUID)))
    statement = select(*_COLUMNS).where(E.programme_code == code, E.id == wanted).order_by(E.id).with_for_update()
    return (await session.execute(statement)).all()


def chosen(ids: Sequence[UUID], **constants: Any) -> Select[Any]:
    """A select of these enrolments for `transitions.move`, with constants such as `cause`."""
    wanted = func.any(bindparam("ids", list(ids), type_=ARRAY(PG_UUID)))
    return select(E.id, *(value.label(name) for name, value in constants.items())).where(E.id == wanted)


def running_of_beneficiaries(ids: Sequence[UUID], **constants: Any) -> Select[Any]:
    """A select of every running enrolment of these beneficiaries or their households' members."""
    wanted = func.any(bindparam("ids", list(ids), type_=ARRAY(PG_UUID)))
    running = [state.value for state in EnrolmentState if state.running]
    return select(E.id, *(value.label(name) for name, value in constants.items())).where(
        E.beneficiary_id == wanted, E.state.in_(running)
    )


async def is_member(session: AsyncSession, person_id: UUID, household_ids: Sequence[UUID]) -> bool:
    """Whether a person is, in the newest facts, a member of one of these households."""
    wanted = func.any(bindparam("ids", list(household_ids), type_=ARRAY(PG_UUID)))
    newest = select(func.max(F.version)).where(F.household_id == M.household_id).scalar_subquery()
    statement = select(M.household_id).where(M.person_id == person_id, M.household_id == wanted, M.version == newest)
    return (await session.execute(statement.limit(1))).first() is not None


async def history(session: AsyncSession, enrolment_id: UUID) -> Sequence[AnyRow]:
    """The last 200 changes of an enrolment, newest first."""
    columns = (H.version, H.action, H.state, H.cause, H.effective_on, H.decision_id, H.made_by, H.made_at)
    statement = select(*columns).where(H.enrolment_id == enrolment_id).order_by(H.version.desc()).limit(200)
    return (await session.execute(statement)).all()


async def waiting_list(
    session: AsyncSession, principal: Principal, code: str, after: tuple[int, UUID] | None, limit: int
) -> Sequence[AnyRow]:
    """Who waits, in the order of the ranks, in the caller's area."""
    statement = (
        select(*_COLUMNS)
        .where(E.programme_code == code, E.state == EnrolmentState.WAITLISTED, in_area(principal, E.village_code))
        .where(E.rank.is_not(None))
        .order_by(E.rank, E.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(E.rank, E.id) > after)
    return (await session.execute(statement)).all()


async def warnings(
    session: AsyncSession, principal: Principal, code: str, until: date, after: tuple[date, UUID] | None, limit: int
) -> Sequence[AnyRow]:
    """Running enrolments whose card ends by a day, or has ended and is in its grace, the soonest first."""
    running = [EnrolmentState.APPROVED.value, EnrolmentState.SUSPENDED.value]
    statement = (
        select(*_COLUMNS)
        .where(E.programme_code == code, E.state.in_(running), in_area(principal, E.village_code))
        .where(E.card_valid_until <= until)
        .order_by(E.card_valid_until, E.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(E.card_valid_until, E.id) > after)
    return (await session.execute(statement)).all()


async def list_enrolments(
    session: AsyncSession, principal: Principal, code: str, after: UUID | None, limit: int
) -> Sequence[AnyRow]:
    """Enrolments of a programme in the caller's area, oldest first."""
    statement = (
        select(*_COLUMNS)
        .where(E.programme_code == code, in_area(principal, E.village_code))
        .order_by(E.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(E.id > after)
    return (await session.execute(statement)).all()


async def count_by_state(session: AsyncSession, principal: Principal, code: str) -> dict[str, int]:
    """Enrolments of a programme in the caller's area, by state."""
    statement = (
        select(E.state, func.count())
        .where(E.programme_code == code, in_area(principal, E.village_code))
        .group_by(E.state)
    )
    return {row[0]: row[1] for row in await session.execute(statement)}
