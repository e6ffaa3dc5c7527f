"""All SQL of changing place codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

_CREATE: Final = text("""
    INSERT INTO place (code, level, parent_code, name_km, name_en, path)
    SELECT given.code, (ARRAY['province', 'district', 'commune', 'village'])[length(given.code) / 2],
      nullif(left(given.code, -2), ''), given.name_km, given.name_en, concat_ws(', ', above.path, given.name_en)
    FROM json_to_recordset(CAST(:rows AS json)) AS given (code text, name_km text, name_en text)
    LEFT JOIN place above ON above.code = left(given.code, -2)
    ORDER BY given.code""")
_RECORD: Final = text("""
    INSERT INTO place_code_change (old_code, new_code, kind, effective_on, recorded_by, recorded_at)
    SELECT old, new, :kind, :effective_on, :by, :now
    FROM unnest(CAST(:old AS text[]), CAST(:new AS text[])) AS given (old, new)
    ON CONFLICT (old_code, new_code) DO NOTHING""")
# A new village begins with the class that the old one has: an officer changes it if it differs.
_CLASSES: Final = text("""
    INSERT INTO place_class (place_code, valid_from, location_class, source)
    SELECT DISTINCT ON (given.new) given.new, :effective_on, k.location_class, 'officer'
    FROM unnest(CAST(:old AS text[]), CAST(:new AS text[])) AS given (old, new)
    JOIN place_class k ON k.place_code = given.old AND k.valid_from <= :effective_on
    WHERE NOT EXISTS (SELECT FROM place_class n WHERE n.place_code = given.new)
    ORDER BY given.new, k.valid_from DESC""")
_CLOSE: Final = text(
    "UPDATE place SET closed_on = :effective_on WHERE code = ANY (CAST(:codes AS text[])) AND closed_on IS NULL"
)
# The commune's number goes along; where the village has that number already, the old village's code is put before it.
_MOVE: Final = text("""
    UPDATE household AS g
    SET village_code = due.new_code, location_class = coalesce(due.location_class, g.location_class),
      household_ref = due.household_ref, effective_on = :today, version = g.version + 1, updated_at = :now
    FROM (
      SELECT h.id, one.new_code, k.location_class,
        CASE WHEN EXISTS (SELECT FROM household o WHERE o.village_code = one.new_code
            AND o.household_ref = h.household_ref)
          OR EXISTS (SELECT FROM household o JOIN place_code_change also
              ON also.old_code = o.village_code AND also.new_code = one.new_code
            WHERE o.household_ref = h.household_ref AND o.id < h.id)
        THEN right(h.village_code || '.' || h.household_ref, 32) ELSE h.household_ref END AS household_ref
      FROM household h
      JOIN place p ON p.code = h.village_code AND p.closed_on <= :today
      JOIN LATERAL (
        SELECT coalesce(
          (SELECT l.new_code FROM place_placement l
            WHERE l.old_code = h.village_code AND l.household_ref IN (h.household_ref, '')
            ORDER BY l.household_ref = '' LIMIT 1),
          (SELECT min(c.new_code) FROM place_code_change c WHERE c.old_code = h.village_code HAVING count(*) = 1)
        ) AS new_code) AS one ON one.new_code IS NOT NULL
      LEFT JOIN LATERAL (
        SELECT c.location_class FROM place_class c WHERE c.place_code = one.new_code AND c.valid_from <= :today
        ORDER BY c.valid_from DESC LIMIT 1) AS k ON true
      ORDER BY h.id LIMIT :households FOR UPDATE OF h) AS due
    WHERE g.id = due.id RETURNING g.id""")
_PLACE: Final = text("""
    INSERT INTO place_placement (old_code, household_ref, new_code)
    SELECT :old_code, ref, new_code FROM unnest(CAST(:refs AS text[]), CAST(:codes AS text[])) AS given (ref, new_code)
    ON CONFLICT (old_code, household_ref) DO UPDATE SET new_code = excluded.new_code""")
_LIST_UNPLACED: Final = text("""
    SELECT h.id, h.reference, h.household_ref, h.village_code,
      (SELECT coalesce(array_agg(c.new_code ORDER BY c.new_code), '{}') FROM place_code_change c
        WHERE c.old_code = h.village_code) AS became
    FROM place p JOIN household h ON h.village_code = p.code
    WHERE p.closed_on IS NOT NULL AND p.level = 'village' AND h.dissolved_on IS NULL
      AND EXISTS (SELECT FROM unnest(CAST(:areas AS text[])) area WHERE area = '*' OR starts_with(h.village_code, area))
      AND (CAST(:after AS uuid) IS NULL OR h.id > :after)
    ORDER BY h.id LIMIT :limit""")
_UNPLACED: Final = text("""
    SELECT count(*) FROM household h JOIN place p ON p.code = h.village_code
    WHERE p.closed_on IS NOT NULL AND h.dissolved_on IS NULL""")


async def create_places(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write new places: code, name_km, name_en."""
    if rows:
        await session.execute(_CREATE, {"rows": orjson.dumps(list(rows)).decode()})


async def record_changes(
    session: AsyncSession, pairs: Sequence[tuple[str, str]], kind: str, effective_on: date, by: str, now: datetime
) -> None:
    """Record which codes took the place of which; new villages get the class of the old."""
    codes = {"old": [old for old, _ in pairs], "new": [new for _, new in pairs], "effective_on": effective_on}
    await session.execute(_RECORD, {**codes, "kind": kind, "by": by, "now": now})
    await session.execute(_CLASSES, codes)


async def record_placements(
    session: AsyncSession, old_code: str, placed: Sequence[tuple[str, str]], others: str | None
) -> None:
    """Record in which part of a split village these households live, and in which all others do, if that is known."""
    rows = [*placed, *([("", others)] if others is not None else ())]
    if rows:
        refs, codes = zip(*rows, strict=True)
        await session.execute(_PLACE, {"old_code": old_code, "refs": list(refs), "codes": list(codes)})


async def list_unplaced(
    session: AsyncSession, areas: Sequence[str], after: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """Households of these areas that stand under a closed code, in order of their id."""
    return (await session.execute(_LIST_UNPLACED, {"areas": list(areas), "after": after, "limit": limit})).all()


async def close_places(session: AsyncSession, codes: Sequence[str], effective_on: date) -> None:
    """Close these places."""
    await session.execute(_CLOSE, {"codes": list(codes), "effective_on": effective_on})


async def move_households(session: AsyncSession, today: date, now: datetime, households: int) -> list[UUID]:
    """Move up to so many households out of closed villages, where it is known which village is theirs now."""
    return list(await session.scalars(_MOVE, {"today": today, "now": now, "households": households}))


async def count_unplaced(session: AsyncSession) -> int:
    """Households still under a closed code: an officer must say where they live now."""
    return int(await session.scalar(_UNPLACED) or 0)
