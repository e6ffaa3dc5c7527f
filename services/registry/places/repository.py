"""All SQL of places."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Row, Text, func, or_, select, text
from sqlalchemy import cast as sql_cast
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.places.gazetteer import PlaceRow
from services.registry.places.model import place, place_class_period

_UPSERT: Final = text("""
    INSERT INTO place AS p (code, level, parent_code, name_km, name_en, path, source_code)
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS given (
      code text, level text, parent_code text, name_km text, name_en text, path text, source_code text)
    ON CONFLICT (code) DO UPDATE SET name_km = excluded.name_km, name_en = excluded.name_en, path = excluded.path,
      source_code = excluded.source_code
    WHERE (p.name_km, p.name_en, p.path, p.source_code)
      IS DISTINCT FROM (excluded.name_km, excluded.name_en, excluded.path, excluded.source_code)
    RETURNING (xmax = 0) AS inserted""")

_SET_RULE_CLASSES: Final = text("""
    INSERT INTO place_class AS k (place_code, valid_from, location_class, source)
    SELECT code, :valid_from, class, 'rule'
    FROM unnest(CAST(:codes AS text[]), CAST(:classes AS text[])) AS given (code, class)
    ON CONFLICT (place_code, valid_from) DO UPDATE SET location_class = excluded.location_class
    WHERE k.source = 'rule' AND k.location_class <> excluded.location_class""")

_SET_CLASS: Final = text("""
    INSERT INTO place_class (place_code, valid_from, location_class, source)
    VALUES (:code, :valid_from, :location_class, 'officer')
    ON CONFLICT (place_code, valid_from) DO UPDATE
    SET location_class = excluded.location_class, source = excluded.source""")

_NOT_LISTED: Final = text("SELECT count(*) FROM place WHERE NOT code = ANY (CAST(:codes AS text[]))")

_RECLASS: Final = text("""
    UPDATE household AS g
    SET location_class = due.location_class, effective_on = due.valid_from, version = g.version + 1, updated_at = :now
    FROM (
      SELECT h.id, k.location_class, k.valid_from
      FROM household h
      JOIN LATERAL (
        SELECT c.location_class, c.valid_from FROM place_class c
        WHERE c.place_code = h.village_code AND c.valid_from <= :today
        ORDER BY c.valid_from DESC LIMIT 1) AS k ON true
      WHERE h.location_class <> k.location_class
      ORDER BY h.id LIMIT :households FOR UPDATE OF h) AS due
    WHERE g.id = due.id
    RETURNING g.id""")


async def upsert_places(session: AsyncSession, places: Sequence[PlaceRow]) -> tuple[int, int]:
    """Write places, parents first. Returns how many are new, and how many changed."""
    columns = ("code", "level", "parent_code", "name_km", "name_en", "path", "source_code")
    rows = [{name: getattr(row, name) for name in columns} for row in places]
    inserted = list(await session.scalars(_UPSERT, {"rows": orjson.dumps(rows).decode()}))
    return sum(inserted), len(inserted) - sum(inserted)


async def set_rule_classes(session: AsyncSession, classes: dict[str, str], valid_from: date) -> int:
    """Write the classes that the rules give, village code -> class. What an officer set on that day stays."""
    values = {"codes": list(classes), "classes": list(classes.values()), "valid_from": valid_from}
    result: Any = await session.execute(_SET_RULE_CLASSES, values)
    return int(result.rowcount)


async def set_class(session: AsyncSession, code: str, location_class: str, valid_from: date) -> None:
    """A village's class from this day on, by an officer."""
    await session.execute(_SET_CLASS, {"code": code, "location_class": location_class, "valid_from": valid_from})


async def count_not_listed(session: AsyncSession, codes: Sequence[str]) -> int:
    """How many places are stored that the list given does not have."""
    return int(await session.scalar(_NOT_LISTED, {"codes": list(codes)}) or 0)


async def reclass_households(session: AsyncSession, today: date, now: datetime, households: int) -> list[UUID]:
    """Give up to so many households the class their village has today. Returns those that changed."""
    return list(await session.scalars(_RECLASS, {"today": today, "now": now, "households": households}))


async def find_place(session: AsyncSession, code: str) -> Row[Any] | None:
    """A place by its code."""
    return (await session.execute(select(place).where(place.c.code == code))).one_or_none()


async def class_periods(session: AsyncSession, code: str) -> Sequence[Row[Any]]:
    """Every class a village had or will have, in order."""
    view = place_class_period
    statement = select(view).where(view.c.place_code == code).order_by(view.c.valid_from)
    return (await session.execute(statement)).all()


async def list_places(
    session: AsyncSession, *, parent: str | None, level: str | None, query: str | None, after: str | None, limit: int
) -> Sequence[Row[Any]]:
    """Places in order of their code. `query`: a code, or the beginning of a name in either script."""
    statement = select(place).order_by(place.c.code).limit(limit)
    if parent is not None:
        statement = statement.where(place.c.parent_code == parent)
    if level is not None:
        statement = statement.where(place.c.level == level)
    if query is not None:
        statement = statement.where(
            or_(
                place.c.code == query,
                func.lower(place.c.name_en).startswith(query.lower(), autoescape=True),
                place.c.name_km.startswith(query, autoescape=True),
            )
        )
    if after is not None:
        statement = statement.where(place.c.code > sql_cast(after, Text))
    return (await session.execute(statement)).all()


async def count_by_level(session: AsyncSession) -> dict[str, int]:
    """Places of each level."""
    rows = await session.execute(select(place.c.level, func.count()).group_by(place.c.level))
    return {row[0]: row[1] for row in rows}


async def count_by_class(session: AsyncSession, on: date) -> dict[str, int]:
    """Villages of each class on a day."""
    view = place_class_period
    holds = (view.c.valid_from <= on) & or_(view.c.valid_until.is_(None), view.c.valid_until >= on)
    statement = select(view.c.location_class, func.count()).where(holds).group_by(view.c.location_class)
    rows = await session.execute(statement.order_by(view.c.location_class))
    return {row[0]: row[1] for row in rows}
