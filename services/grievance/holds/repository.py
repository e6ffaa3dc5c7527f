"""All SQL on holds. Expiry is set-wise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.holds.model import EXPIRED_CAUSE, Hold, HoldReason, HoldState, ReleaseCause
from services.grievance.payments_view.model import PaymentView
from shared.auth import Principal, in_area


@dataclass(frozen=True)
class NewHold:
    """A hold to be placed."""

    id: UUID
    payment_id: UUID
    case_id: UUID | None
    reason: HoldReason
    owner: str
    place_code: str | None
    until: date
    placed_at: datetime


async def place(session: AsyncSession, new: NewHold) -> Hold | None:
    """Write a hold; None when the payment is held already.

    Earlier holds of the payment are locked first, so that the version read next is final: a release that commits
    meanwhile cannot take the same number.
    """
    await session.execute(select(Hold.id).where(Hold.payment_id == new.payment_id).order_by(Hold.id).with_for_update())
    next_version = select(func.coalesce(func.max(Hold.version), 0) + 1).where(Hold.payment_id == new.payment_id)
    statement = (
        insert(Hold)
        .values(
            id=new.id,
            version=next_version.scalar_subquery(),
            payment_id=new.payment_id,
            case_id=new.case_id,
            reason=new.reason.value,
            owner=new.owner,
            place_code=new.place_code,
            until=new.until,
            state=HoldState.ACTIVE.value,
            placed_at=new.placed_at,
        )
        .on_conflict_do_nothing(
            index_elements=[Hold.payment_id], index_where=Hold.state == literal("active", literal_execute=True)
        )
        .returning(Hold)
    )
    return (await session.scalars(statement)).one_or_none()


async def find(session: AsyncSession, hold_id: UUID) -> Hold | None:
    """One hold, whoever asks: the use-case authorises."""
    return await session.get(Hold, hold_id)


async def lock(session: AsyncSession, hold_id: UUID) -> Hold | None:
    """One hold, locked until the transaction ends."""
    statement = select(Hold).where(Hold.id == hold_id).with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(statement)).one_or_none()


async def save(session: AsyncSession) -> None:
    """Write the changes of a locked hold."""
    await session.flush()


async def page(
    session: AsyncSession,
    principal: Principal,
    people: frozenset[UUID],
    *,
    payment_id: UUID | None,
    state: HoldState | None,
    after: UUID | None,
    fetch: int,
) -> Sequence[Hold]:
    """Holds in the caller's area, oldest first; none of a payment that is known to be for one of `people`."""
    statement = select(Hold).where(in_area(principal, Hold.place_code))
    if people:
        own = select(PaymentView.payment_id).where(PaymentView.beneficiary_id.in_(people))
        statement = statement.where(Hold.payment_id.not_in(own))
    if payment_id is not None:
        statement = statement.where(Hold.payment_id == payment_id)
    if state is not None:
        statement = statement.where(Hold.state == state.value)
    if after is not None:
        statement = statement.where(Hold.id > after)
    return (await session.scalars(statement.order_by(Hold.id).limit(fetch))).all()


async def end_of_cases(session: AsyncSession, cases: Sequence[UUID], now: datetime) -> Sequence[Hold]:
    """End every hold in force that was placed because of one of these cases."""
    statement = (
        update(Hold)
        .where(Hold.case_id == func.any(list(cases)), Hold.state == HoldState.ACTIVE.value)
        .values(
            state=HoldState.RELEASED.value, cause=ReleaseCause.RESOLVED.value, ended_at=now, version=Hold.version + 1
        )
        .returning(Hold)
    )
    options = {"synchronize_session": False, "populate_existing": True}
    return (await session.scalars(statement, execution_options=options)).all()


async def unpaid_payments(session: AsyncSession, beneficiary_id: UUID, programme_code: str) -> Sequence[UUID]:
    """Payments of one beneficiary in one programme that are not settled and not held, as far as told; at most 24."""
    held = select(Hold.payment_id).where(Hold.state == HoldState.ACTIVE.value)
    statement = (
        select(PaymentView.payment_id)
        .where(
            PaymentView.beneficiary_id == beneficiary_id,
            PaymentView.programme_code == programme_code,
            PaymentView.status != "settled",
            PaymentView.payment_id.not_in(held),
        )
        .order_by(PaymentView.payment_id)
        .limit(24)
    )
    return (await session.scalars(statement)).all()


async def expire(session: AsyncSession, today: date, now: datetime, limit: int) -> Sequence[Hold]:
    """End up to `limit` holds whose last day is before `today` (local), in one statement.

    Rows that an officer is releasing at this moment are left to her.
    """
    over = (
        select(Hold.id)
        .where(Hold.state == HoldState.ACTIVE.value, Hold.until < today)
        .order_by(Hold.until, Hold.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("over")
    )
    statement = (
        update(Hold)
        .where(Hold.id == over.c.id)
        .values(state=HoldState.EXPIRED.value, cause=EXPIRED_CAUSE, ended_at=now, version=Hold.version + 1)
        .returning(Hold)
    )
    return (await session.scalars(statement, execution_options={"synchronize_session": False})).all()
