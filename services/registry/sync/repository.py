"""All SQL of sync: operations that were applied, ids that tablets gave, and what changed since a cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.sync.cursor import Cursor
from shared.auth import Principal

_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtext('sync:' || :device))")
_APPLIED: Final = text("""
    SELECT id, request_hash, household_id, version FROM sync_operation WHERE id = ANY (CAST(:ids AS uuid[]))""")
_ADD_OPERATION: Final = text("""
    INSERT INTO sync_operation (id, device, subject, request_hash, household_id, version, applied_at)
    VALUES (:id, :device, :subject, :request_hash, :household_id, :version, :applied_at)""")
_KNOWN_AS: Final = text("""
    SELECT client_id, household_id FROM sync_household WHERE client_id = ANY (CAST(:ids AS uuid[]))""")
_CALL: Final = text("""
    INSERT INTO sync_household (client_id, household_id, subject) VALUES (:client_id, :household_id, :subject)""")


async def one_at_a_time(session: AsyncSession, device: str) -> None:
    """Wait for this tablet's batch before, if it is still being applied."""
    await session.execute(_ONE_AT_A_TIME, {"device": device})


async def applied(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Those of these operations that were applied."""
    return {row.id: row for row in await session.execute(_APPLIED, {"ids": list(ids)})}


async def add_operation(session: AsyncSession, **values: Any) -> None:
    """Record that an operation was applied: in the transaction that applies it."""
    await session.execute(_ADD_OPERATION, values)


async def known_as(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The register's ids of households that tablets registered, by the ids that tablets gave."""
    rows = await session.execute(_KNOWN_AS, {"ids": list(ids)})
    return {row.client_id: row.household_id for row in rows}


async def call(session: AsyncSession, client_id: UUID, household_id: UUID, subject: str) -> None:
    """Remember what a tablet calls a household."""
    await session.execute(_CALL, {"client_id": client_id, "household_id": household_id, "subject": subject})


_CHANGES: Final = text("""
    WITH area AS (SELECT prefix FROM unnest(CAST(:areas AS text[])) AS prefix)
    SELECT id, written_in::text AS written_in, here FROM (
      SELECT g.id, g.written_in, true AS here FROM household g
      WHERE (g.written_in, g.id) > (CAST(CAST(:written_in AS text) AS xid8), :household_id)
        AND g.written_in < pg_snapshot_xmin(pg_current_snapshot())
        AND EXISTS (SELECT FROM area WHERE prefix = '*' OR starts_with(g.village_code, prefix))
      UNION
      SELECT d.household_id, d.written_in, false FROM sync_departure d JOIN household g ON g.id = d.household_id
      WHERE (d.written_in, d.household_id) > (CAST(CAST(:written_in AS text) AS xid8), :household_id)
        AND d.written_in < pg_snapshot_xmin(pg_current_snapshot())
        AND EXISTS (SELECT FROM area WHERE prefix = '*' OR starts_with(d.village_code, prefix))
        AND NOT EXISTS (SELECT FROM area WHERE prefix = '*' OR starts_with(g.village_code, prefix))) AS changed
    ORDER BY changed.written_in, changed.id LIMIT :limit""")
_HOUSEHOLDS: Final = text("""
    SELECT g.*, EXISTS (SELECT FROM identifier i WHERE i.owner_id = g.id AND i.type = 'equity_card'
      AND i.withdrawn_at IS NULL) AS has_card
    FROM household g WHERE g.id = ANY (CAST(:ids AS uuid[]))""")
_MEMBERS: Final = text("""
    SELECT p.*, m.household_id, m.person_ref, m.relationship, m.valid_from AS member_since,
      EXISTS (SELECT FROM identifier i WHERE i.owner_id = p.id AND i.type = 'national_id' AND i.withdrawn_at IS NULL)
        AS has_national_id
    FROM membership m JOIN person p ON p.id = m.person_id
    WHERE m.household_id = ANY (CAST(:ids AS uuid[])) AND m.valid_until IS NULL
    ORDER BY m.household_id, m.relationship <> 'head', m.person_ref""")


async def changed_since(session: AsyncSession, principal: Principal, cursor: Cursor, limit: int) -> Sequence[Row[Any]]:
    """Households of the caller's area (`here`), and those that left it, in the order in which they were written."""
    values: dict[str, Any] = {"written_in": str(cursor.written_in), "household_id": cursor.household_id}
    values |= {"areas": list(principal.areas), "limit": limit}
    return (await session.execute(_CHANGES, values)).all()


async def read_many(session: AsyncSession, ids: Sequence[UUID]) -> tuple[dict[UUID, Row[Any]], Sequence[Row[Any]]]:
    """Households by their id, and all their present members."""
    households = {row.id: row for row in await session.execute(_HOUSEHOLDS, {"ids": list(ids)})}
    return households, (await session.execute(_MEMBERS, {"ids": list(ids)})).all()
