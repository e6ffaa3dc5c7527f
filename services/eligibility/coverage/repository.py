"""SQL of the entitlement check: one look-up by key."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.model import AnyRow

_IN_FORCE = """
    SELECT f.* FROM household_fact f
    WHERE f.household_id = :household
    ORDER BY f.effective_on <= :day DESC, CASE WHEN f.effective_on <= :day THEN f.version ELSE -f.version END DESC
    LIMIT 1
"""
_HOUSEHOLD = text(_IN_FORCE.replace(":household", "resolved_identity(:household_id)")).columns(shocks=JSONB)
_REFERENCE = text(
    _IN_FORCE.replace(
        ":household",
        "(SELECT resolved_identity(household_id) FROM household_fact WHERE reference = :reference LIMIT 1)",
    )
).columns(shocks=JSONB)
_PERSON = text(
    """
    SELECT home.*
    FROM (SELECT resolved_identity(:person_id) AS id) person
    CROSS JOIN LATERAL (
      SELECT DISTINCT household_id FROM member_fact WHERE person_id = person.id) lived
    CROSS JOIN LATERAL (
      SELECT f.* FROM household_fact f
      WHERE f.household_id = lived.household_id
      ORDER BY f.effective_on <= :day DESC, CASE WHEN f.effective_on <= :day THEN f.version ELSE -f.version END DESC
      LIMIT 1) home
    JOIN member_fact m
      ON m.household_id = home.household_id AND m.version = home.version AND m.person_id = person.id
    WHERE NOT home.dissolved
    ORDER BY home.effective_on DESC, home.household_id
    LIMIT 1
    """
).columns(shocks=JSONB)


async def household_by_id(session: AsyncSession, household_id: UUID, day: date) -> AnyRow | None:
    """The version of a household in force on a day; None if unknown. A merged one is found as what it is now."""
    return (await session.execute(_HOUSEHOLD, {"household_id": household_id, "day": day})).one_or_none()


async def household_by_reference(session: AsyncSession, reference: str, day: date) -> AnyRow | None:
    """The same by the reference on the card."""
    return (await session.execute(_REFERENCE, {"reference": reference, "day": day})).one_or_none()


async def household_of_person(session: AsyncSession, person_id: UUID, day: date) -> AnyRow | None:
    """The household that a person belongs to on a day."""
    return (await session.execute(_PERSON, {"person_id": person_id, "day": day})).one_or_none()
