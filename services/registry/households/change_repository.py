"""The writes of one changed household. History is kept by the database as they happen (ADR 14)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, bindparam, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.households.model import household, identifier, membership, person
from services.registry.households.state import Leaving, Member
from services.registry.sealing import Sealed

_LOCK: Final = text(
    "SELECT id FROM household WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE"  # one order: no deadlock
)
_KNOWN: Final = text("""
    SELECT p.*, m.household_id, g.village_code,
      (SELECT max(o.valid_until) FROM membership o
        WHERE o.person_id = p.id AND o.valid_until IS NOT NULL AND NOT o.void) AS last_left
    FROM person p
    LEFT JOIN membership m ON m.person_id = p.id AND m.valid_until IS NULL
    LEFT JOIN household g ON g.id = m.household_id
    WHERE p.id = ANY (CAST(:ids AS uuid[]))""")
_VILLAGES: Final = text("""
    SELECT p.code FROM place p WHERE p.level = 'village' AND p.closed_on IS NULL
      AND p.code = ANY (CAST(:codes AS text[]))""")
_CLASS: Final = text("""
    SELECT location_class FROM place_class WHERE place_code = :code AND valid_from <= :today
    ORDER BY valid_from DESC LIMIT 1""")
_EMPLOYERS: Final = text("SELECT id FROM employer WHERE id = ANY (CAST(:ids AS uuid[]))")
_WITHDRAW: Final = text(
    "UPDATE identifier SET withdrawn_at = :now WHERE owner_id = :owner AND type = :type AND withdrawn_at IS NULL"
)
_END: Final = text("""
    UPDATE membership SET valid_until = greatest(valid_from, CAST(:until AS date)), void = :void
    WHERE household_id = :household AND person_id = :person AND valid_until IS NULL""")
_RELATE: Final = (
    update(membership)
    .where(
        membership.c.household_id == bindparam("in_household"),
        membership.c.person_id == bindparam("of_person"),
        membership.c.valid_until.is_(None),
    )
    .values(relationship=bindparam("as_relationship"), person_ref=bindparam("as_ref"))
)


async def lock_households(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """Lock these households against other writers, in one order."""
    await session.execute(_LOCK, {"ids": list(ids)})


async def known_people(session: AsyncSession, ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Persons with the household each is a present member of."""
    return (await session.execute(_KNOWN, {"ids": list(ids)})).all() if ids else []


async def open_villages(session: AsyncSession, codes: Sequence[str]) -> frozenset[str]:
    """Which of these are villages of today."""
    return frozenset(await session.scalars(_VILLAGES, {"codes": list(codes)})) if codes else frozenset()


async def class_of(session: AsyncSession, village_code: str, today: date) -> str | None:
    """The village's location class today."""
    found: str | None = await session.scalar(_CLASS, {"code": village_code, "today": today})
    return found


async def known_employers(session: AsyncSession, ids: Sequence[UUID]) -> frozenset[UUID]:
    """Which of these are employers."""
    return frozenset(await session.scalars(_EMPLOYERS, {"ids": list(ids)})) if ids else frozenset()


async def insert_people(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write new persons; all rows have the same columns."""
    if rows:
        await session.execute(insert(person), list(rows))


async def update_person(session: AsyncSession, person_id: UUID, values: Mapping[str, Any]) -> None:
    """Write these columns of a person."""
    if values:
        await session.execute(update(person).where(person.c.id == person_id).values(**values))


async def end_memberships(session: AsyncSession, household_id: UUID, leaving: Sequence[Leaving]) -> None:
    """End present memberships of a household."""
    rows = [
        {"household": household_id, "person": item.person_id, "until": item.until, "void": item.void}
        for item in leaving
    ]
    if rows:
        await session.execute(_END, rows)


async def join(session: AsyncSession, household_id: UUID, members: Sequence[Member]) -> None:
    """Write new memberships."""
    rows = [
        {
            "household_id": household_id,
            "person_id": member.person_id,
            "person_ref": member.person_ref,
            "relationship": member.relationship,
            "valid_from": member.since,
        }
        for member in members
    ]
    if rows:
        await session.execute(insert(membership), rows)


async def relate(session: AsyncSession, household_id: UUID, members: Sequence[Member]) -> None:
    """Write present members' relationships and numbers; a former head gives way before the new one is written."""
    rows = [
        {
            "in_household": household_id,
            "of_person": member.person_id,
            "as_relationship": member.relationship,
            "as_ref": member.person_ref,
        }
        for member in sorted(members, key=lambda member: member.relationship == "head")
    ]
    connection = await session.connection()
    for row in rows:
        await connection.execute(_RELATE, row)


async def insert_household(session: AsyncSession, values: Mapping[str, Any]) -> None:
    """Write a new household."""
    await session.execute(insert(household).values(**values))


async def update_household(session: AsyncSession, household_id: UUID, values: Mapping[str, Any]) -> int:
    """Write these columns and the next version. Returns the version."""
    statement = (
        update(household)
        .where(household.c.id == household_id)
        .values({**values, "version": household.c.version + 1})
        .returning(household.c.version)
    )
    return int((await session.execute(statement)).scalar_one())


async def identifier_owner(session: AsyncSession, kind: str, digest: bytes) -> UUID | None:
    """Whose number this is now."""
    present = (identifier.c.type == kind, identifier.c.hash == digest, identifier.c.withdrawn_at.is_(None))
    owner: UUID | None = await session.scalar(select(identifier.c.owner_id).where(*present))
    return owner


async def withdraw_identifier(session: AsyncSession, owner_id: UUID, kind: str, now: datetime) -> None:
    """Take the owner's present number of a kind back: it stays on record, and is free."""
    await session.execute(_WITHDRAW, {"owner": owner_id, "type": kind, "now": now})


async def give_identifier(session: AsyncSession, owner_id: UUID, kind: str, sealed: Sealed, **values: Any) -> None:
    """Give an owner a number. `values`: issuer, valid_from, valid_until."""
    row = {"type": kind, "hash": sealed.hash, "owner_id": owner_id, "cipher": sealed.cipher, **values}
    await session.execute(insert(identifier).values(**row))
