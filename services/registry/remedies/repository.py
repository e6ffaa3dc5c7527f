"""All SQL of remedies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.auth import Principal

# Once per remedy, whatever is delivered twice under other event ids.
_TAKE: Final = text("""
    INSERT INTO remedy (remedy_id, case_id, household_id, state, corrections, requested_by, received_at)
    SELECT remedy_id, case_id, household_id, 'waiting', corrections, requested_by, :now
    FROM json_to_recordset(CAST(:rows AS json)) AS given (
      remedy_id uuid, case_id uuid, household_id uuid, corrections jsonb, requested_by text)
    ON CONFLICT (remedy_id) DO NOTHING RETURNING remedy_id""")
_HOUSEHOLDS_OF: Final = text("""
    SELECT person_id, household_id FROM membership
    WHERE valid_until IS NULL AND person_id = ANY (CAST(:people AS uuid[]))""")
_ANSWER: Final = text("""
    UPDATE remedy SET state = :state, reason_code = :code, household_id = coalesce(household_id, :household),
      answered_at = :now, answered_by = :by, version = version + 1
    WHERE remedy_id = :id RETURNING version""")
_FIND: Final = text("""
    SELECT r.*, g.village_code FROM remedy r LEFT JOIN household g ON g.id = r.household_id
    WHERE r.remedy_id = :id FOR UPDATE OF r""")
_WAITING: Final = text("""
    SELECT r.*, g.village_code FROM remedy r JOIN household g ON g.id = r.household_id
    WHERE r.state = 'waiting' AND (CAST(:after AS uuid) IS NULL OR r.remedy_id > :after)
      AND EXISTS (SELECT FROM unnest(CAST(:areas AS text[])) area WHERE area = '*' OR starts_with(g.village_code, area))
    ORDER BY r.remedy_id LIMIT :limit""")


async def take(session: AsyncSession, rows: Sequence[dict[str, Any]], now: datetime) -> set[UUID]:
    """Note remedies. Returns the ids of those that are new."""
    values = {"rows": orjson.dumps(list(rows), default=str).decode(), "now": now}
    return set(await session.scalars(_TAKE, values))


async def households_of(session: AsyncSession, people: Sequence[UUID]) -> dict[UUID, UUID]:
    """The household that each person is a present member of."""
    return {row[0]: row[1] for row in await session.execute(_HOUSEHOLDS_OF, {"people": list(people)})}


async def answer(
    session: AsyncSession, remedy_id: UUID, state: str, code: str, household: UUID | None, by: str, now: datetime
) -> int:
    """Record what became of a remedy. Returns its version."""
    values = {"id": remedy_id, "state": state, "code": code, "household": household, "by": by, "now": now}
    return int((await session.execute(_ANSWER, values)).scalar_one())


async def find(session: AsyncSession, remedy_id: UUID) -> Row[Any] | None:
    """A remedy, locked, with the village of its household."""
    return (await session.execute(_FIND, {"id": remedy_id})).one_or_none()


async def waiting(session: AsyncSession, principal: Principal, after: UUID | None, limit: int) -> Sequence[Row[Any]]:
    """Remedies of the caller's area that wait for an officer."""
    return (await session.execute(_WAITING, {"areas": list(principal.areas), "after": after, "limit": limit})).all()
