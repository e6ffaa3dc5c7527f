"""All SQL on what the registry told of households. Set-wise in, one statement out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Table, delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.people.model import HouseholdView, IdentityAlias
from shared.db import upsert_versioned
from shared.service import Context

_NEAR: Final = text(
    """
    WITH me(id) AS (
      SELECT unnest(CAST(:people AS uuid[]))
      UNION SELECT a.surviving_id FROM identity_alias a
        WHERE a.retired_id = ANY(CAST(:people AS uuid[])) AND a.surviving_id IS NOT NULL
    ), home AS (
      SELECT h.household_id, h.member_ids FROM me JOIN household_view h ON h.member_ids @> ARRAY[me.id]
    ), near(id) AS (
      SELECT id FROM me UNION SELECT household_id FROM home UNION SELECT unnest(member_ids) FROM home
    )
    SELECT id FROM near
    UNION SELECT a.retired_id FROM identity_alias a JOIN near ON a.surviving_id = near.id
    """
)


_NEAR_EACH: Final = text(
    """
    WITH person(id) AS (SELECT unnest(CAST(:people AS uuid[]))),
    me(person, id) AS (
      SELECT id, id FROM person
      UNION SELECT p.id, a.surviving_id FROM person p JOIN identity_alias a ON a.retired_id = p.id
        WHERE a.surviving_id IS NOT NULL
    ), home AS (
      SELECT me.person, h.household_id, h.member_ids FROM me JOIN household_view h ON h.member_ids @> ARRAY[me.id]
    ), near(person, id) AS (
      SELECT person, id FROM me UNION SELECT person, household_id FROM home
      UNION SELECT person, unnest(member_ids) FROM home
    ), every(person, id) AS (
      SELECT person, id FROM near
      UNION SELECT near.person, a.retired_id FROM identity_alias a JOIN near ON a.surviving_id = near.id
    )
    SELECT person, array_agg(id) AS ids FROM every GROUP BY person
    """
)


async def near_each(session: AsyncSession, people: Sequence[UUID]) -> dict[UUID, frozenset[UUID]]:
    """`near` of each of these people, in one statement."""
    rows = await session.execute(_NEAR_EACH, {"people": list(people)})
    return {row.person: frozenset(row.ids) for row in rows}


async def record_households(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep the newest state of each household; rows with the columns of `household_view`."""
    await upsert_versioned(session, cast(Table, HouseholdView.__table__), rows, key=["household_id"])


async def record_aliases(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep the newest word on each retired id; rows with the columns of `identity_alias`."""
    await upsert_versioned(session, cast(Table, IdentityAlias.__table__), rows, key=["retired_id"])


async def near(session: AsyncSession, people: Sequence[UUID]) -> frozenset[UUID]:
    """These people, their households, everybody who lives there, and all ids that those were known under before."""
    if not people:
        return frozenset()
    found = await session.execute(_NEAR, {"people": list(people)})
    return frozenset(found.scalars())


async def village_of_household(session: AsyncSession, household_id: UUID) -> str | None:
    """Where a household lives; None when nothing was told of it."""
    return await session.scalar(select(HouseholdView.village_code).where(HouseholdView.household_id == household_id))


async def village_of_person(session: AsyncSession, person_id: UUID) -> str | None:
    """Where a person's household lives; None when nothing was told of her."""
    statement = select(HouseholdView.village_code).where(HouseholdView.member_ids.contains([person_id])).limit(1)
    return await session.scalar(statement)


async def forget_households(_context: Context, session: AsyncSession) -> None:
    """Empty the projection, before a replay of the whole topic builds it anew."""
    await session.execute(delete(HouseholdView))


async def forget_aliases(_context: Context, session: AsyncSession) -> None:
    """Empty the projection, before a replay of the whole topic builds it anew."""
    await session.execute(delete(IdentityAlias))
