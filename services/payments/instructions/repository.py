"""All SQL of payments and attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, delete, exists, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.instructions.model import REISSUABLE, AttemptState, PaymentStatus
from services.payments.instructions.tables import payment, payment_attempt, payment_outcome, unpaid_payment
from services.payments.lists.model import LineStatus, ListStatus
from services.payments.lists.tables import payment_list, payment_list_line
from services.payments.metadata import Record
from shared.auth import Principal, in_area

# --- outcomes --------------------------------------------------------------------------------------------------------

_LOCK_ATTEMPTS = text(
    "SELECT id, state FROM payment_attempt WHERE id = ANY(CAST(:attempts AS uuid[])) ORDER BY id FOR NO KEY UPDATE"
)


async def lock_attempts(session: AsyncSession, attempt_ids: Sequence[UUID]) -> dict[UUID, AttemptState]:
    """States of these attempts, their rows locked in id order until the transaction ends."""
    rows = await session.execute(_LOCK_ATTEMPTS, {"attempts": list(attempt_ids)})
    return {row.id: AttemptState(row.state) for row in rows}


# --- reading ---------------------------------------------------------------------------------------------------------


async def payment_by_id(session: AsyncSession, payment_id: UUID, *, lock: bool = False) -> Record | None:
    """One payment, locked on request."""
    statement = select(payment).where(payment.c.id == payment_id)
    return (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()


async def attempts_of(session: AsyncSession, payment_id: UUID) -> Sequence[Record]:
    """Every attempt at a payment, in order."""
    statement = (
        select(payment_attempt).where(payment_attempt.c.payment_id == payment_id).order_by(payment_attempt.c.attempt)
    )
    return (await session.execute(statement)).all()


async def outcomes_of(session: AsyncSession, attempt_ids: Sequence[UUID]) -> Sequence[Record]:
    """What rails said of these attempts, in the order it was applied."""
    statement = (
        select(payment_outcome).where(payment_outcome.c.attempt_id.in_(attempt_ids)).order_by(payment_outcome.c.id)
    )
    return (await session.execute(statement)).all()


async def payments_where(
    session: AsyncSession,
    principal: Principal,
    filters: Mapping[str, Any],
    after: UUID | None,
    limit: int,
) -> Sequence[Record]:
    """Payments in the caller's area, by id. `filters`: column name to wanted value."""
    statement = select(payment).where(in_area(principal, payment.c.village_code))
    for name, wanted in filters.items():
        statement = statement.where(payment.c[name] == wanted)
    if filters.get("status") in REISSUABLE:  # few, and listed apart: no index holds the status of every payment
        statement = statement.where(payment.c.id.in_(select(unpaid_payment.c.payment_id)))
    if after is not None:
        statement = statement.where(payment.c.id > after)
    return (await session.execute(statement.order_by(payment.c.id).limit(limit))).all()


async def sums_by_status(session: AsyncSession, principal: Principal) -> Sequence[Record]:
    """(status, currency, count, amount) of payments in the caller's area."""
    statement = (
        select(
            payment.c.status,
            payment.c.currency,
            func.count().label("count"),
            func.sum(payment.c.amount).label("amount"),
        )
        .where(in_area(principal, payment.c.village_code))
        .group_by(payment.c.status, payment.c.currency)
    )
    return (await session.execute(statement)).all()


async def sums_of_lines(session: AsyncSession, principal: Principal) -> Sequence[Record]:
    """(status, currency, count, amount) of lines that are no payment: excluded, listed, or approved and waiting."""
    line, owner = payment_list_line.c, payment_list.c
    status = case(
        (line.status == LineStatus.EXCLUDED, PaymentStatus.EXCLUDED.value),
        (owner.status.in_([ListStatus.APPROVED, ListStatus.DISBURSING]), PaymentStatus.APPROVED.value),
        else_=PaymentStatus.LISTED.value,
    ).label("status")
    live = owner.status.notin_([ListStatus.REJECTED, ListStatus.REFUSED])
    paid = exists().where(payment.c.id == line.payment_id, payment.c.payment_list_id == line.payment_list_id)
    waiting = or_(line.status == LineStatus.EXCLUDED, and_(owner.status != ListStatus.DISBURSED, ~paid))
    statement = (
        select(status, line.currency, func.count().label("count"), func.sum(line.amount).label("amount"))
        .join(payment_list, owner.id == line.payment_list_id)
        .where(live, waiting, line.status != LineStatus.SPLIT, in_area(principal, line.village_code))
        .group_by(status, line.currency)
    )
    return (await session.execute(statement)).all()


_ASKED_BY = text("SELECT requested_by FROM remedy WHERE payment_id = :payment AND outcome = 'waiting'")


async def remedies_asked_by(session: AsyncSession, payment_id: UUID) -> Sequence[str]:
    """Who asked, in cases, for a payment to be issued again and still waits for it."""
    return (await session.scalars(_ASKED_BY, {"payment": payment_id})).all()


_UNEXPLAINED = text(
    """
    SELECT b.id FROM payment_attempt a JOIN reconciliation_break b ON b.attempt_id = a.id
    WHERE a.payment_id = :payment AND b.status <> 'resolved'
      AND (b.suspended > 0 OR (b.offered = 'settled' AND b.kind IN ('contradiction', 'payee_mismatch')))
    ORDER BY b.id LIMIT 1
    """
)


async def unexplained_money(session: AsyncSession, payment_id: UUID) -> UUID | None:
    """The oldest unresolved break by which money may have gone out for this payment; nothing when there is none."""
    return (await session.execute(_UNEXPLAINED, {"payment": payment_id})).scalar_one_or_none()


async def add_attempt(session: AsyncSession, row: Record, attempt_id: UUID, account: Any) -> Record:
    """Store attempt n + 1 of a locked payment, queued, and move the payment back to `instructed`."""
    statement = (
        update(payment)
        .where(payment.c.id == row.id)
        .values(
            status=PaymentStatus.INSTRUCTED,
            attempt=row.attempt + 1,
            version=payment.c.version + 1,
            updated_at=func.now(),
        )
        .returning(payment)
    )
    changed = (await session.execute(statement)).one()
    await session.execute(delete(unpaid_payment).where(unpaid_payment.c.payment_id == row.id))
    await session.execute(
        insert(payment_attempt).values(
            id=attempt_id,
            payment_id=row.id,
            attempt=changed.attempt,
            rail=account.rail,
            provider=account.provider,
            account_id=account.id,
            account_version=account.version,
            account_token=account.token,
            end_to_end_id=attempt_id.hex,
            state=AttemptState.QUEUED,
            amount=row.amount,
            currency=row.currency,
        )
    )
    return changed
