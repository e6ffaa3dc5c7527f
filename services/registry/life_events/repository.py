"""All SQL of life events and of the feeds that bring them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.auth import Principal

_INSERT: Final = text("""
    INSERT INTO life_event (id, kind, person_id, household_id, occurred_on, source, feed, feed_id, detail, undo,
      recorded_by, recorded_at)
    SELECT id, :kind, person_id, :household_id, :occurred_on, :source, :feed, :feed_id, CAST(:detail AS jsonb),
      CAST(:undo AS jsonb), :recorded_by, :recorded_at
    FROM unnest(CAST(:ids AS uuid[]), CAST(:people AS uuid[])) AS given (id, person_id)""")
_FIND: Final = text(
    "SELECT e.*, g.village_code FROM life_event e JOIN household g ON g.id = e.household_id WHERE e.id = :id"
)
_LOCK: Final = text("SELECT id FROM life_event WHERE id = :id FOR UPDATE")
_LIST: Final = text("""
    SELECT e.*, g.village_code FROM life_event e JOIN household g ON g.id = e.household_id
    WHERE (CAST(:person AS uuid) IS NULL OR e.person_id = :person)
      AND (CAST(:household AS uuid) IS NULL OR e.household_id = :household)
      AND (CAST(:after AS uuid) IS NULL OR e.id > :after)
      AND EXISTS (SELECT FROM unnest(CAST(:areas AS text[])) area WHERE area = '*' OR starts_with(g.village_code, area))
    ORDER BY e.id LIMIT :limit""")
_WITHDRAW: Final = text("""
    UPDATE life_event SET withdrawn_at = :now, withdrawn_by = :by, withdrawn_cause = :cause, version = version + 1
    WHERE id = :id RETURNING version""")
_ENDED_AFTER: Final = text("""
    SELECT min(occurred_on) FROM life_event
    WHERE withdrawn_at IS NULL AND occurred_on >= :day AND occurred_on < CAST(:day AS date) + 310
      AND (kind = 'pregnancy_ended' AND person_id = :person
        OR kind = 'birth' AND detail ->> 'mother_person_id' = CAST(:person AS text))""")
# By the household first: what its index finds is little, whoever the mother is.
_BIRTHS_RECORDED: Final = text("""
    SELECT DISTINCT given.household
    FROM unnest(CAST(:mothers AS uuid[]), CAST(:households AS uuid[]), CAST(:days AS date[]))
      AS given (mother, household, day)
    CROSS JOIN LATERAL (
      SELECT given.household AS id UNION
      SELECT m.household_id FROM every_membership m WHERE m.person_id = given.mother) AS home
    JOIN life_event e ON e.household_id = home.id AND e.occurred_on = given.day
    WHERE e.kind = 'birth' AND e.withdrawn_at IS NULL
      AND (e.household_id = given.household OR e.detail ->> 'mother_person_id' = CAST(given.mother AS text))""")
_OTHERS_BORN: Final = text("""
    WITH born AS (
      SELECT m.person_id AS id FROM membership home
      JOIN membership m ON m.household_id = home.household_id AND m.valid_until IS NULL
      JOIN person p ON p.id = m.person_id AND p.birth_date = :day
      WHERE home.person_id = :mother AND home.valid_until IS NULL
      UNION
      SELECT e.person_id FROM every_membership home
      JOIN life_event e ON e.household_id = home.household_id AND e.occurred_on = :day
      WHERE home.person_id = :mother AND e.kind = 'birth' AND e.withdrawn_at IS NULL)
    SELECT coalesce(bool_and((p.name_km, p.name_en) <> (:name_km, :name_en) AND EXISTS (
      SELECT FROM identifier i
      WHERE i.owner_id = p.id AND i.type = 'birth_certificate' AND i.withdrawn_at IS NULL)), false)
    FROM born JOIN person p USING (id)""")
_MARRIAGES_RECORDED: Final = text("""
    SELECT DISTINCT given.person
    FROM unnest(CAST(:people AS uuid[]), CAST(:spouses AS uuid[]), CAST(:days AS date[])) AS given (person, spouse, day)
    CROSS JOIN LATERAL (VALUES (given.person, given.spouse), (given.spouse, given.person)) AS couple (one, other)
    JOIN life_event e ON e.person_id = couple.one AND e.occurred_on BETWEEN given.day - 366 AND given.day + 366
    WHERE e.kind = 'marriage' AND e.withdrawn_at IS NULL
      AND e.detail ->> 'spouse_person_id' = CAST(couple.other AS text)""")
_PLACE_ON: Final = text("""
    SELECT m.id, m.household_id, m.valid_until FROM membership m
    WHERE m.person_id = :person AND NOT m.void AND m.valid_from <= :day AND m.valid_until >= :day
    ORDER BY m.valid_from DESC LIMIT 1""")
_CUT: Final = text("UPDATE membership SET valid_until = CAST(:day AS date) - 1 WHERE id = :id AND valid_from < :day")
_VOID: Final = text("UPDATE membership SET void = true WHERE id = :id AND valid_from >= :day")
_STAYED: Final = text("""
    INSERT INTO membership (household_id, person_id, person_ref, relationship, valid_from, valid_until)
    VALUES (:household, :person, :ref, :relationship, :day, :until)""")
_REVIVE: Final = text("UPDATE person SET alive = true, died_on = NULL WHERE id = :person AND NOT alive")
_RETURN: Final = text("""
    UPDATE membership SET valid_until = NULL, relationship = :relationship
    WHERE id = (SELECT m.id FROM every_membership m WHERE m.person_id = :person AND m.household_id = :household
      AND NOT m.void ORDER BY m.valid_until DESC NULLS FIRST, m.id DESC LIMIT 1)""")
_STEP_BACK: Final = text("""
    UPDATE membership SET relationship = :relationship
    WHERE household_id = :household AND person_id = :person AND valid_until IS NULL AND relationship = 'head'""")
_REOPEN: Final = text("""
    UPDATE household AS g SET dissolved_on = NULL, dissolved_cause = NULL, successor_household_id = NULL,
      head_person_id = (SELECT m.person_id FROM membership m WHERE m.household_id = g.id AND m.valid_until IS NULL
        AND m.relationship = 'head'), version = version + 1, updated_at = :now
    WHERE id = :household""")


async def add_events(session: AsyncSession, ids: Sequence[UUID], people: Sequence[UUID], **values: Any) -> None:
    """Write one event for each person it happened to."""
    values["detail"] = orjson.dumps(values["detail"], default=str).decode()
    values["undo"] = orjson.dumps(values["undo"], default=str).decode()
    await session.execute(_INSERT, {"ids": list(ids), "people": list(people), **values})


async def find_event(session: AsyncSession, event_id: UUID, *, lock: bool = False) -> Row[Any] | None:
    """A life event with the village of its household."""
    if lock:
        await session.execute(_LOCK, {"id": event_id})
    return (await session.execute(_FIND, {"id": event_id})).one_or_none()


async def list_events(
    session: AsyncSession,
    principal: Principal,
    person: UUID | None,
    household: UUID | None,
    after: UUID | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Life events of the caller's area in order of their id."""
    values = {"person": person, "household": household, "after": after, "limit": limit}
    return (await session.execute(_LIST, {"areas": list(principal.areas), **values})).all()


async def withdraw(session: AsyncSession, event_id: UUID, by: str, cause: str, now: datetime) -> int:
    """Mark an event withdrawn. Returns its version."""
    values = {"id": event_id, "by": by, "cause": cause, "now": now}
    return int((await session.execute(_WITHDRAW, values)).scalar_one())


async def pregnancy_end_after(session: AsyncSession, person_id: UUID, day: date) -> date | None:
    """When a pregnancy known on this day is recorded to have ended."""
    found: date | None = await session.scalar(_ENDED_AFTER, {"person": person_id, "day": day})
    return found


async def births_recorded(session: AsyncSession, told: Sequence[tuple[UUID | None, UUID, date]]) -> set[UUID]:
    """Households of which a birth of this day is recorded, or of whose mother: even if the child is gone since.

    Args:
        told: (mother or None, household, day).
    """
    mothers, households, days = _columns(told, 3)
    values = {"mothers": mothers, "households": households, "days": days}
    return set(await session.scalars(_BIRTHS_RECORDED, values)) if told else set()


async def others_were_born(session: AsyncSession, mother: UUID, day: date, names: tuple[str, str]) -> bool:
    """Whether somebody was born to her household that day, and all who were have a certificate and other names."""
    values = {"mother": mother, "day": day, "name_km": names[0], "name_en": names[1]}
    return bool(await session.scalar(_OTHERS_BORN, values))


async def marriages_recorded(session: AsyncSession, told: Sequence[tuple[UUID, UUID, date]]) -> set[UUID]:
    """Those who join a spouse, of whose marriage to her one is recorded within a year: whoever of them moved.

    Args:
        told: (who joins, spouse, day).
    """
    people, spouses, days = _columns(told, 3)
    values = {"people": people, "spouses": spouses, "days": days}
    return set(await session.scalars(_MARRIAGES_RECORDED, values)) if told else set()


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[place] for row in rows] for place in range(width)]


async def past_membership(session: AsyncSession, person_id: UUID, day: date) -> Row[Any] | None:
    """The ended membership that covers this day."""
    return (await session.execute(_PLACE_ON, {"person": person_id, "day": day})).one_or_none()


async def insert_past_stay(session: AsyncSession, covering: Row[Any], day: date, **values: Any) -> None:
    """From this day until the covering membership's end the person was elsewhere: cut that one, add this one."""
    await session.execute(_VOID, {"id": covering.id, "day": day})
    await session.execute(_CUT, {"id": covering.id, "day": day})
    await session.execute(_STAYED, {"day": day, "until": covering.valid_until, **values})


async def bring_back(
    session: AsyncSession, household_id: UUID, person_id: UUID, undo: dict[str, Any], now: datetime
) -> None:
    """A death did not happen: the person lives and is a member again; her successor as head steps back."""
    await session.execute(_REVIVE, {"person": person_id})
    if undo.get("successor"):
        step = {"household": household_id, "person": undo["successor"], "relationship": undo["successor_relationship"]}
        await session.execute(_STEP_BACK, step)
    back = {"household": household_id, "person": person_id, "relationship": undo["relationship"]}
    await session.execute(_RETURN, back)
    await session.execute(_REOPEN, {"household": household_id, "now": now})
