"""All SQL of who is who: the projection, its groups, and the small questions asked of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.identities.tables import identity_alias, identity_member
from services.payments.metadata import Record
from shared.db import upsert_versioned

# Merges of one group may come on different partitions: each must see what the other wrote.
_ONE_AT_A_TIME: Final = text("LOCK TABLE identity_member IN SHARE ROW EXCLUSIVE MODE")
# A group is what merges link, in either direction. Each record is retired at most once, so a group has at most one that
# is not: it survives. (Events that crossed may make a ring for a moment: then the least id stands for it.)
_REGROUP: Final = text(
    """
    WITH RECURSIVE seed(id) AS (
        SELECT unnest(CAST(:ids AS uuid[]))
        UNION
        SELECT m.id FROM identity_member o JOIN identity_member m ON m.canonical_id = o.canonical_id
        WHERE o.id = ANY(CAST(:ids AS uuid[]))
    ), linked(start, id) AS (
        SELECT id, id FROM seed
        UNION
        SELECT l.start, n.other
        FROM linked l
        CROSS JOIN LATERAL (
            SELECT a.surviving_id AS other FROM identity_alias a WHERE a.active AND a.retired_id = l.id
            UNION ALL
            SELECT a.retired_id FROM identity_alias a WHERE a.active AND a.surviving_id = l.id) AS n
    ), grouped AS MATERIALIZED (
        SELECT l.start AS id, count(*) AS size,
               (array_agg(l.id ORDER BY EXISTS (SELECT FROM identity_alias a WHERE a.active AND a.retired_id = l.id),
                          l.id))[1] AS canonical_id
        FROM linked l GROUP BY l.start
    ), alone AS (
        DELETE FROM identity_member WHERE id IN (SELECT id FROM grouped WHERE size = 1)
    )
    INSERT INTO identity_member (id, canonical_id) SELECT id, canonical_id FROM grouped WHERE size > 1
    ON CONFLICT (id) DO UPDATE SET canonical_id = excluded.canonical_id
    WHERE identity_member.canonical_id <> excluded.canonical_id
    """
)
_SAME: Final = text(
    """
    SELECT m.id FROM identity_member o JOIN identity_member m ON m.canonical_id = o.canonical_id
    WHERE o.id = :id ORDER BY m.id <> m.canonical_id, m.id
    """
)
_PAID_AS_ANOTHER: Final = text(
    """
    SELECT p.id FROM identity_member o JOIN identity_member m ON m.canonical_id = o.canonical_id AND m.id <> o.id
    JOIN payment p ON p.beneficiary_id = m.id
    WHERE o.id = :beneficiary AND p.programme_code = :programme AND p.period = :period AND p.component = :component
      AND p.status NOT IN ('failed', 'returned', 'expired')
    ORDER BY p.id LIMIT 1
    """
)


async def save_aliases(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Newest version of each retired record wins; the groups it concerns are made anew, set-wise."""
    await session.execute(_ONE_AT_A_TIME)
    await upsert_versioned(session, identity_alias, rows, key=["retired_id"])
    ids = {row[name] for row in rows for name in ("retired_id", "surviving_id")}
    await session.execute(_REGROUP, {"ids": sorted(ids)})


async def forget(session: AsyncSession) -> None:
    """Empty the projection."""
    await session.execute(delete(identity_member))
    await session.execute(delete(identity_alias))


async def same_as(session: AsyncSession, beneficiary: UUID) -> list[UUID]:
    """Every id of a beneficiary, the surviving one first; hers alone when she was never merged."""
    return list((await session.scalars(_SAME, {"id": beneficiary})).all()) or [beneficiary]


async def paid_as_another(session: AsyncSession, payment: Record) -> UUID | None:
    """A payment of the same benefit to another record of the same beneficiary that was, or may still be, paid."""
    names = {"programme": "programme_code", "period": "period", "component": "component"}
    values = {name: getattr(payment, attribute) for name, attribute in names.items()}
    found: UUID | None = await session.scalar(_PAID_AS_ANOTHER, values | {"beneficiary": payment.beneficiary_id})
    return found
