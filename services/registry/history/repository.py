"""All SQL of history: reading it, and the one thing triggers cannot see, a value that held in the past only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

_FACTS: Final = text("""
    SELECT f.id, f.subject_id, f.subject_type, f.field, f.before, f.after, c.id AS change_id, c.kind, c.effective_on,
           c.recorded_at
    FROM fact_change f JOIN register_change c ON c.id = f.change_id
    WHERE f.subject_id = ANY (CAST(:subjects AS uuid[]))
    ORDER BY f.id""")

_BEGUN_SINCE: Final = text("""
    SELECT EXISTS (
      SELECT FROM fact_change f JOIN register_change c ON c.id = f.change_id
      WHERE f.subject_id = ANY (CAST(:subjects AS uuid[])) AND c.effective_on > :day)""")

_PAST: Final = text("""
    INSERT INTO fact_change (change_id, subject_type, subject_id, field, before, after)
    SELECT current_change(), subject_type, subject_id, field, before, after
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
      subject_type text, subject_id uuid, field text, before jsonb, after jsonb)""")

_MEMBERSHIPS: Final = text("""
    SELECT m.id, m.household_id, m.person_id, c.recorded_at, to_jsonb(m) AS facts
    FROM every_membership m JOIN register_change c ON c.id = m.change_id
    WHERE m.household_id = :household ORDER BY m.id""")

_SUBJECTS: Final = {
    "household": text("""
        SELECT t.id, c.recorded_at, to_jsonb(t) AS facts FROM household t JOIN register_change c ON c.id = t.change_id
        WHERE t.id = ANY (CAST(:ids AS uuid[]))"""),
    "person": text("""
        SELECT t.id, c.recorded_at, to_jsonb(t) AS facts FROM person t JOIN register_change c ON c.id = t.change_id
        WHERE t.id = ANY (CAST(:ids AS uuid[]))"""),
}

# A household's changes: those of itself, of its memberships, and of its people while they were members.
_HISTORY: Final = text("""
    WITH own AS (
      SELECT m.id AS membership_id, m.person_id, m.change_id, m.valid_from, m.valid_until FROM every_membership m
      WHERE m.household_id = :household
    ), subjects AS (
      SELECT CAST(:household AS uuid) AS id UNION SELECT membership_id FROM own UNION SELECT person_id FROM own
    ), changes AS (
      SELECT g.change_id AS id FROM household g WHERE g.id = :household
      UNION SELECT change_id FROM own
      UNION SELECT f.change_id FROM fact_change f JOIN subjects s ON s.id = f.subject_id
    )
    SELECT c.id, c.seq, c.kind, c.source, c.source_id, c.reason, c.recorded_by, c.recorded_at, c.effective_on,
      (SELECT json_agg(json_build_object('subject_type', f.subject_type, 'subject_id', f.subject_id,
         'person_id', coalesce(o.person_id, CASE WHEN f.subject_type = 'person' THEN f.subject_id END),
         'field', f.field, 'before', f.before, 'after', f.after) ORDER BY f.id)
       FROM fact_change f JOIN subjects s ON s.id = f.subject_id LEFT JOIN own o ON o.membership_id = f.subject_id
       WHERE f.change_id = c.id) AS facts,
      (SELECT json_agg(json_build_object('person_id', o.person_id, 'since', o.valid_from))
       FROM own o WHERE o.change_id = c.id) AS joined
    FROM register_change c JOIN changes USING (id)
    WHERE c.seq < :before
    ORDER BY c.seq DESC LIMIT :limit""")


async def facts_of(session: AsyncSession, subjects: Sequence[UUID]) -> dict[UUID, list[Row[Any]]]:
    """Every recorded change of these subjects, in the order of recording."""
    found: dict[UUID, list[Row[Any]]] = {}
    for row in await session.execute(_FACTS, {"subjects": list(subjects)}):
        found.setdefault(row.subject_id, []).append(row)
    return found


async def begun_since(session: AsyncSession, subjects: Sequence[UUID], day: date) -> bool:
    """Whether anything recorded of these subjects began after this day."""
    return bool(await session.scalar(_BEGUN_SINCE, {"subjects": list(subjects), "day": day}))


async def record_past(session: AsyncSession, rows: Sequence[Mapping[str, Any]], dumps: Any) -> None:
    """Record values that held in the past and hold no more: the register's present rows do not show them.

    Args:
        rows: subject_type, subject_id, field, before, after.
        dumps: JSON encoder that knows dates and ids.
    """
    await session.execute(_PAST, {"rows": dumps(list(rows))})


async def memberships_of(session: AsyncSession, household_id: UUID) -> Sequence[Row[Any]]:
    """Every membership the household ever had, with when it was recorded."""
    return (await session.execute(_MEMBERSHIPS, {"household": household_id})).all()


async def subjects(session: AsyncSession, kind: str, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Households or persons as JSON, with when each was registered."""
    return {row.id: row for row in await session.execute(_SUBJECTS[kind], {"ids": list(ids)})}


async def changes_of(session: AsyncSession, household_id: UUID, before: int, limit: int) -> Sequence[Row[Any]]:
    """Changes of a household and its people, latest first, older than this `seq`."""
    values = {"household": household_id, "before": before, "limit": limit}
    return (await session.execute(_HISTORY, values)).all()
