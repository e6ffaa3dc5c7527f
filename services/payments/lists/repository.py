"""All SQL of payment lists. Lines are written and read set-wise, in chunks of payment ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.lists.model import ListStatus
from services.payments.lists.tables import payment_list, payment_list_line, payment_list_step
from services.payments.metadata import Record
from shared.auth import Principal, in_area

FIRST = UUID(int=0)

_ADD = text(
    """
    INSERT INTO payment_list (id, cycle_id, programme_code, period, fund_code, fund_codes, currency, status, built_by,
                              version)
    SELECT :id, c.id, c.programme_code, c.period, :fund, CAST(:funds AS text[]), c.currency, 'building', :actor,
           COALESCE((SELECT max(version) FROM payment_list WHERE cycle_id = c.id), 0) + 1
    FROM cycle c WHERE c.id = :cycle
    ON CONFLICT DO NOTHING
    RETURNING *
    """
)
_CHUNK_END = text(
    """
    SELECT payment_id FROM (
        SELECT payment_id FROM entitlement WHERE cycle_id = :cycle AND payment_id > :after
        ORDER BY payment_id LIMIT :size) AS chunk
    ORDER BY payment_id DESC LIMIT 1
    """
)
_WRITTEN = text(
    """
    SELECT (SELECT payment_id FROM payment_list_line WHERE payment_list_id = :list
            ORDER BY payment_id DESC LIMIT 1) AS last,
           (SELECT count(*) FROM payment_list_line WHERE payment_list_id = :list) AS written
    """
)
_HASH = text(
    """
    SELECT encode(sha256(COALESCE(string_agg(sha256(convert_to(concat_ws('|', payment_id, entitlement_id,
               beneficiary_id, component, trim_scale(amount), currency, account_id, account_version, rail, provider),
               'UTF8')), CAST('' AS bytea) ORDER BY payment_id), CAST('' AS bytea))), 'hex')
    FROM payment_list_line WHERE payment_list_id = :list AND status = 'ready'
    """
)
_COUNTS = text(
    """
    SELECT count(*) FILTER (WHERE status = 'ready') AS ready_count,
           COALESCE(sum(amount) FILTER (WHERE status = 'ready'), 0) AS ready_amount,
           count(*) FILTER (WHERE status = 'excluded') AS excluded_count,
           COALESCE(sum(amount) FILTER (WHERE status = 'excluded'), 0) AS excluded_amount,
           COALESCE(sum(deduction) FILTER (WHERE status <> 'split'), 0) AS deducted_amount
    FROM payment_list_line WHERE payment_list_id = :list
    """
)


async def add_list(
    session: AsyncSession, list_id: UUID, cycle_id: UUID, funds: Sequence[str], actor: str
) -> Record | None:
    """Open a list for a closed cycle; None when the cycle has one that was not rejected or refused (fault 10)."""
    parameters = {"id": list_id, "cycle": cycle_id, "fund": funds[0], "funds": list(funds), "actor": actor}
    return (await session.execute(_ADD, parameters)).one_or_none()


async def list_of_cycle(session: AsyncSession, cycle_id: UUID) -> Record | None:
    """The cycle's list that is not rejected or refused."""
    gone = (ListStatus.REJECTED.value, ListStatus.REFUSED.value)
    statement = select(payment_list).where(payment_list.c.cycle_id == cycle_id, payment_list.c.status.notin_(gone))
    return (await session.execute(statement)).one_or_none()


async def list_by_id(session: AsyncSession, list_id: UUID, *, lock: bool = False) -> Record | None:
    """One list, locked on request."""
    statement = select(payment_list).where(payment_list.c.id == list_id)
    return (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()


async def change_list(session: AsyncSession, list_id: UUID, **values: Any) -> Record:
    """Change a list whose row is locked; its version goes up."""
    statement = (
        update(payment_list)
        .where(payment_list.c.id == list_id)
        .values(**values, version=payment_list.c.version + 1, updated_at=func.now())
        .returning(payment_list)
    )
    return (await session.execute(statement)).one()


async def add_step(
    session: AsyncSession,
    list_id: UUID,
    action: str,
    actor: str,
    *,
    content_hash: str | None,
    reason: str | None = None,
) -> None:
    """Keep who did what to the list, and the hash it had."""
    await session.execute(
        insert(payment_list_step).values(
            payment_list_id=list_id, action=action, actor=actor, content_hash=content_hash, reason=reason
        )
    )


async def steps_of(session: AsyncSession, list_id: UUID) -> Sequence[Record]:
    """What was done to a list, in order."""
    statement = (
        select(payment_list_step).where(payment_list_step.c.payment_list_id == list_id).order_by(payment_list_step.c.id)
    )
    return (await session.execute(statement)).all()


async def chunk_end(session: AsyncSession, cycle_id: UUID, after: UUID, size: int) -> UUID | None:
    """The last payment id of the next chunk of a cycle's entitlements; None at the end."""
    parameters = {"cycle": cycle_id, "after": after, "size": size}
    last: UUID | None = await session.scalar(_CHUNK_END, parameters)
    return last


async def written_so_far(session: AsyncSession, list_id: UUID) -> tuple[UUID, int]:
    """The last payment whose line is written (`FIRST`: none), and how many lines are."""
    row = (await session.execute(_WRITTEN, {"list": list_id})).one()
    return row.last or FIRST, row.written


async def hash_of(session: AsyncSession, list_id: UUID) -> str:
    """The content hash of the ready lines as they are stored now: `model.content_hash`, computed by the database."""
    return str((await session.execute(_HASH, {"list": list_id})).scalar_one())


async def counts_of(session: AsyncSession, list_id: UUID) -> Record:
    """ready_count, ready_amount, excluded_count, excluded_amount."""
    return (await session.execute(_COUNTS, {"list": list_id})).one()


async def reasons_of(session: AsyncSession, list_id: UUID) -> Sequence[Record]:
    """(reason, count, amount) of what is left out; a line with two reasons counts under both."""
    reason = func.unnest(payment_list_line.c.reasons).label("reason")
    exploded = (
        select(reason, payment_list_line.c.amount).where(payment_list_line.c.payment_list_id == list_id).subquery()
    )
    statement = (
        select(exploded.c.reason, func.count().label("count"), func.sum(exploded.c.amount).label("amount"))
        .group_by(exploded.c.reason)
        .order_by(exploded.c.reason)
    )
    return (await session.execute(statement)).all()


async def ready_totals(session: AsyncSession, list_id: UUID) -> Sequence[Record]:
    """(component, province_code, count, amount) of the ready lines: the control totals handed on."""
    line = payment_list_line.c
    province = func.left(line.village_code, 2).label("province_code")
    statement = (
        select(line.component, province, func.count().label("count"), func.sum(line.amount).label("amount"))
        .where(line.payment_list_id == list_id, line.status == "ready")
        .group_by(line.component, province)
        .order_by(line.component, province)
    )
    return (await session.execute(statement)).all()


async def lines_of(
    session: AsyncSession, principal: Principal, list_id: UUID, status: str | None, after: UUID | None, limit: int
) -> Sequence[Record]:
    """Lines in the caller's area, by payment id."""
    line = payment_list_line.c
    condition = and_(line.payment_list_id == list_id, in_area(principal, line.village_code))
    if status is not None:
        condition = and_(condition, line.status == status)
    if after is not None:
        condition = and_(condition, line.payment_id > after)
    statement = select(payment_list_line).where(condition).order_by(line.payment_id).limit(limit)
    return (await session.execute(statement)).all()


async def line_of_payment(session: AsyncSession, payment_id: UUID) -> Record | None:
    """The line of a payment on its cycle's newest list, with that list's state."""
    statement = (
        select(
            payment_list_line,
            payment_list.c.status.label("list_status"),
            payment_list.c.programme_code,
            payment_list.c.period,
            payment_list.c.cycle_id,
            payment_list.c.fund_code,
            payment_list.c.created_at.label("list_created_at"),
        )
        .join(payment_list, payment_list.c.id == payment_list_line.c.payment_list_id)
        .where(payment_list_line.c.payment_id == payment_id)
        .order_by(payment_list.c.id.desc())
        .limit(1)
    )
    return (await session.execute(statement)).one_or_none()
