"""All SQL of sync: operations that were applied, ids that tablets gave, and what changed since a cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.sync.cursor import Cursor
from services.registry.sync.three_way import Touch
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


_SINCE: Final = text("""
    WITH since AS (
      SELECT v.change_id FROM household_version v WHERE v.household_id = :household AND v.version > :version
    ), own AS (
      SELECT m.id, m.person_id, m.change_id FROM every_membership m WHERE m.household_id = :household
    )
    SELECT f.subject_type, coalesce(o.person_id, f.subject_id) AS subject_id, f.field
    FROM fact_change f JOIN since USING (change_id) LEFT JOIN own o ON o.id = f.subject_id
    WHERE f.subject_id = :household OR f.subject_id IN (SELECT id FROM own UNION SELECT person_id FROM own)
    UNION
    SELECT 'membership', o.person_id, 'joined' FROM own o JOIN since USING (change_id)
    UNION
    SELECT 'number', i.owner_id, i.type FROM identifier i
    WHERE i.owner_id IN (SELECT CAST(:household AS uuid) UNION SELECT person_id FROM own)
      AND (i.change_id IN (SELECT change_id FROM since) OR i.withdrawn_at >= (
        SELECT min(c.recorded_at) FROM register_change c WHERE c.id IN (SELECT change_id FROM since)))""")
_COUNT_SINCE: Final = text("""
    SELECT count(*) FROM household_version WHERE household_id = :household AND version > :version""")


async def touched_since(session: AsyncSession, household_id: UUID, version: int, now: int) -> set[Touch] | None:
    """What was changed about a household after a version; None where that is not on record for each version until now.

    The household is to be locked by the caller.
    """
    values = {"household": household_id, "version": version}
    if int(await session.scalar(_COUNT_SINCE, values) or 0) != now - version:
        return None
    rows = await session.execute(_SINCE, values)
    return {(row.subject_type, row.subject_id, row.field) for row in rows}


async def call(session: AsyncSession, client_id: UUID, household_id: UUID, subject: str) -> None:
    """Remember what a tablet calls a household."""
    await session.execute(_CALL, {"client_id": client_id, "household_id": household_id, "subject": subject})


_SETTLED: Final = text("SELECT settled_sync_place()")
_CHANGES: Final = text("""
    WITH area AS (SELECT prefix FROM unnest(CAST(:areas AS text[])) AS prefix)
    SELECT id, written_in, here FROM (
      SELECT g.id, g.written_in, true AS here FROM household g
      WHERE (g.written_in, g.id) > (CAST(:written_in AS bigint), :household_id)
        AND g.written_in <= :settled
        AND EXISTS (SELECT FROM area WHERE prefix = '*' OR starts_with(g.village_code, prefix))
      UNION
      SELECT d.household_id, d.written_in, false FROM sync_departure d JOIN household g ON g.id = d.household_id
      WHERE (d.written_in, d.household_id) > (CAST(:written_in AS bigint), :household_id)
        AND d.written_in <= :settled
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
    settled = await session.scalar(_SETTLED)  # before the rows are read, by a statement of its own: they are all there
    values: dict[str, Any] = {"written_in": cursor.written_in, "household_id": cursor.household_id, "settled": settled}
    values |= {"areas": list(principal.areas), "limit": limit}
    return (await session.execute(_CHANGES, values)).all()


async def read_many(session: AsyncSession, ids: Sequence[UUID]) -> tuple[dict[UUID, Row[Any]], Sequence[Row[Any]]]:
    """Households by their id, and all their present members."""
    households = {row.id: row for row in await session.execute(_HOUSEHOLDS, {"ids": list(ids)})}
    return households, (await session.execute(_MEMBERS, {"ids": list(ids)})).all()
