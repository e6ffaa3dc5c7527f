"""All SQL of single households. Many at once: `imports.loading` writes them, `publish` tells of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.households.model import household, identifier, membership, person
from services.registry.sealing import EQUITY_CARD, NATIONAL_ID, Sealed
from shared.auth import Principal, in_area


async def list_households(
    session: AsyncSession,
    principal: Principal,
    *,
    place: str | None,
    reference: str | None,
    after: UUID | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Households of the caller's area in order of their id."""
    statement = select(household).where(in_area(principal, household.c.village_code))
    if place is not None:
        statement = statement.where(household.c.village_code.startswith(place, autoescape=True))
    if reference is not None:
        statement = statement.where(household.c.reference == reference)
    if after is not None:
        statement = statement.where(household.c.id > after)
    return (await session.execute(statement.order_by(household.c.id).limit(limit))).all()


async def find_household(session: AsyncSession, household_id: UUID, *, lock: bool = False) -> Row[Any] | None:
    """A household, locked against other writers if asked."""
    statement = select(household).where(household.c.id == household_id)
    if lock:
        statement = statement.with_for_update()
    return (await session.execute(statement)).one_or_none()


async def find_by_ref(session: AsyncSession, village_code: str, household_ref: str) -> Row[Any] | None:
    """A household by its village and the commune's number."""
    key = (household.c.village_code == village_code, household.c.household_ref == household_ref)
    return (await session.execute(select(household).where(*key))).one_or_none()


async def has_card(session: AsyncSession, household_id: UUID) -> bool:
    """Whether a card number is recorded."""
    found = select(exists().where(identifier.c.owner_id == household_id, identifier.c.type == EQUITY_CARD))
    return bool(await session.scalar(found))


async def present_members(session: AsyncSession, household_id: UUID) -> Sequence[Row[Any]]:
    """Present members, head first."""
    with_id = exists().where(identifier.c.owner_id == person.c.id, identifier.c.type == NATIONAL_ID)
    statement = (
        select(
            person,
            membership.c.person_ref,
            membership.c.relationship,
            membership.c.valid_from.label("member_since"),
            with_id.label("has_national_id"),
        )
        .join(membership, membership.c.person_id == person.c.id)
        .where(membership.c.household_id == household_id, membership.c.valid_until.is_(None))
        .order_by(membership.c.relationship != "head", membership.c.person_ref)
    )
    return (await session.execute(statement)).all()


async def change_household(session: AsyncSession, household_id: UUID, values: Mapping[str, Any]) -> int:
    """Write these columns and the next version. Returns the version."""
    statement = (
        update(household)
        .where(household.c.id == household_id)
        .values({**values, "version": household.c.version + 1})
        .returning(household.c.version)
    )
    return int((await session.execute(statement)).scalar_one())


async def change_person(session: AsyncSession, person_id: UUID, values: Mapping[str, Any]) -> None:
    """Write these columns of a person."""
    if values:
        await session.execute(update(person).where(person.c.id == person_id).values(**values))


async def change_relationships(session: AsyncSession, household_id: UUID, relationships: Mapping[UUID, str]) -> None:
    """Write members' relationships; a former head gives way before the new one is written."""
    ordered = sorted(relationships.items(), key=lambda item: item[1] == "head")
    for person_id, relationship in ordered:
        await session.execute(
            update(membership)
            .where(
                membership.c.household_id == household_id,
                membership.c.person_id == person_id,
                membership.c.valid_until.is_(None),
            )
            .values(relationship=relationship)
        )


async def identifier_owner(session: AsyncSession, kind: str, digest: bytes) -> UUID | None:
    """Whose number this is."""
    statement = select(identifier.c.owner_id).where(identifier.c.type == kind, identifier.c.hash == digest)
    owner: UUID | None = await session.scalar(statement)
    return owner


async def set_identifier(session: AsyncSession, owner_id: UUID, kind: str, sealed: Sealed | None) -> None:
    """Give an owner this number of a kind in place of the one before; None takes it away."""
    await session.execute(delete(identifier).where(identifier.c.owner_id == owner_id, identifier.c.type == kind))
    if sealed is not None:
        values = {"type": kind, "hash": sealed.hash, "owner_id": owner_id, "cipher": sealed.cipher}
        await session.execute(insert(identifier).values(**values))
