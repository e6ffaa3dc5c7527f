"""All SQL of the projections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.entitlements.tables import cycle, enrolment, entitlement, hold
from services.payments.metadata import Record
from shared.db import upsert_versioned

Rows = Sequence[Mapping[str, Any]]

_REVOKE = text(
    """
    UPDATE entitlement AS e SET revoked_cause = s.cause, version = s.version
    FROM unnest(CAST(:ids AS uuid[]), CAST(:causes AS text[]), CAST(:versions AS integer[])) AS s(id, cause, version)
    WHERE e.id = s.id AND e.version < s.version
    """
)
_RELEASE = text(
    """
    INSERT INTO hold (id, payment_id, case_id, reason, owner, until, released, cause, version)
    SELECT s.id, s.payment_id, s.case_id, '', '', NULL, true, s.cause, s.version
    FROM unnest(CAST(:ids AS uuid[]), CAST(:payments AS uuid[]), CAST(:cases AS uuid[]), CAST(:causes AS text[]),
                CAST(:versions AS integer[])) AS s(id, payment_id, case_id, cause, version)
    ON CONFLICT (id) DO UPDATE SET released = true, cause = excluded.cause, version = excluded.version
    WHERE hold.version < excluded.version
    """
)


_MOVE_ACCOUNTS = text(
    """
    UPDATE account AS a SET village_code = e.village_code
    FROM enrolment e
    WHERE e.id = ANY(CAST(:enrolments AS uuid[])) AND e.status = 'approved'
      AND a.beneficiary_id = e.beneficiary_id AND a.village_code <> e.village_code
    """
)


async def save_enrolments(session: AsyncSession, rows: Rows) -> None:
    """Newest version of each enrolment wins; accounts follow their beneficiary to a new village (area rights)."""
    changed = await upsert_versioned(session, enrolment, rows, key=["id"])
    if changed:
        await session.execute(_MOVE_ACCOUNTS, {"enrolments": [key for (key,) in changed]})


async def save_entitlements(session: AsyncSession, rows: Rows) -> None:
    """Newest version of each entitlement wins."""
    await upsert_versioned(session, entitlement, rows, key=["id"])


async def revoke_entitlements(session: AsyncSession, revoked: Sequence[tuple[UUID, str, int]]) -> None:
    """Mark entitlements (id, cause, version) as withdrawn; they stay, so that control totals still add up."""
    ids, causes, versions = zip(*revoked, strict=True)
    await session.execute(_REVOKE, {"ids": list(ids), "causes": list(causes), "versions": list(versions)})


async def save_cycles(session: AsyncSession, rows: Rows) -> None:
    """Newest version of each closed cycle wins."""
    await upsert_versioned(session, cycle, rows, key=["id"])


async def save_holds(session: AsyncSession, rows: Rows) -> None:
    """Newest version of each hold wins."""
    await upsert_versioned(session, hold, rows, key=["id"])


async def release_holds(session: AsyncSession, released: Sequence[tuple[UUID, UUID, UUID | None, str, int]]) -> None:
    """End holds (id, payment, case, cause, version); one never heard of is kept as ended, so a late placing is old."""
    ids, payments, cases, causes, versions = zip(*released, strict=True)
    await session.execute(
        _RELEASE,
        {
            "ids": list(ids),
            "payments": list(payments),
            "cases": list(cases),
            "causes": list(causes),
            "versions": list(versions),
        },
    )


async def cycle_by_id(session: AsyncSession, cycle_id: UUID) -> Record | None:
    """A closed cycle, if its closing was heard."""
    return (await session.execute(select(cycle).where(cycle.c.id == cycle_id))).one_or_none()


async def count_entitlements(session: AsyncSession, cycle_id: UUID) -> int:
    """How many entitlements of this cycle arrived, revoked ones included."""
    statement = select(func.count()).select_from(entitlement).where(entitlement.c.cycle_id == cycle_id)
    return (await session.execute(statement)).scalar_one()


async def totals_of_cycle(session: AsyncSession, cycle_id: UUID) -> Sequence[Record]:
    """Count and sum of what arrived, by component and province: (component, province_code, count, amount)."""
    province = func.left(entitlement.c.village_code, 2).label("province_code")
    statement = (
        select(
            entitlement.c.component,
            province,
            func.count().label("count"),
            func.sum(entitlement.c.amount).label("amount"),
        )
        .where(entitlement.c.cycle_id == cycle_id)
        .group_by(entitlement.c.component, province)
    )
    return (await session.execute(statement)).all()


async def entitlement_of_payment(session: AsyncSession, payment_id: UUID) -> Record | None:
    """The entitlement that a payment honours."""
    return (await session.execute(select(entitlement).where(entitlement.c.payment_id == payment_id))).one_or_none()


async def holds_of_payment(session: AsyncSession, payment_id: UUID) -> Sequence[Record]:
    """Every hold ever placed on a payment."""
    return (await session.execute(select(hold).where(hold.c.payment_id == payment_id).order_by(hold.c.id))).all()


async def is_held(session: AsyncSession, payment_id: UUID, today: date) -> bool:
    """Whether a hold on this payment is in force."""
    in_force = and_(
        hold.c.payment_id == payment_id, hold.c.released.is_(False), or_(hold.c.until.is_(None), hold.c.until >= today)
    )
    return (await session.execute(select(hold.c.id).where(in_force).limit(1))).first() is not None


_VILLAGE = text(
    """
    SELECT village_code FROM (
        SELECT village_code, effective_on AS known_on, version FROM enrolment WHERE beneficiary_id = :beneficiary
        UNION ALL
        SELECT e.village_code, c.reference_date, e.version FROM entitlement e JOIN cycle c ON c.id = e.cycle_id
        WHERE e.beneficiary_id = :beneficiary
    ) AS known ORDER BY known_on DESC, version DESC LIMIT 1
    """
)


async def village_of(session: AsyncSession, beneficiary_id: UUID) -> str | None:
    """The village a beneficiary lives in, by the newest enrolment or entitlement; None: never heard of."""
    return (await session.execute(_VILLAGE, {"beneficiary": beneficiary_id})).scalar_one_or_none()
