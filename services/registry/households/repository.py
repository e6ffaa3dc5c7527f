"""Reading single households. `change_repository` writes one, `imports.loading` many; `publish` tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Row, Uuid, any_, exists, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.households.model import household, identifier, membership, person
from services.registry.sealing import EQUITY_CARD, NATIONAL_ID
from shared.auth import Principal, in_area

_WITH_ID: Final = exists().where(
    identifier.c.owner_id == person.c.id, identifier.c.type == NATIONAL_ID, identifier.c.withdrawn_at.is_(None)
)
_MEMBERS: Final = select(
    person,
    membership.c.person_ref,
    membership.c.relationship,
    membership.c.valid_from.label("member_since"),
    _WITH_ID.label("has_national_id"),
).join(membership, membership.c.person_id == person.c.id)
_HEAD_FIRST: Final = (membership.c.relationship != "head", membership.c.person_ref)


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


async def find_households(session: AsyncSession, household_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Those of these households that are there."""
    statement = select(household).where(household.c.id == any_(literal(list(household_ids), ARRAY(Uuid))))
    return (await session.execute(statement)).all()


async def find_by_ref(session: AsyncSession, village_code: str, household_ref: str) -> Row[Any] | None:
    """A household by its village and the commune's number."""
    key = (household.c.village_code == village_code, household.c.household_ref == household_ref)
    return (await session.execute(select(household).where(*key))).one_or_none()


async def find_with_card(session: AsyncSession, household_id: UUID) -> Row[Any] | None:
    """A household, and whether a card number is recorded: one question for a read."""
    card = (
        identifier.c.owner_id == household.c.id,
        identifier.c.type == EQUITY_CARD,
        identifier.c.withdrawn_at.is_(None),
    )
    statement = select(household, exists().where(*card).label("has_card")).where(household.c.id == household_id)
    return (await session.execute(statement)).one_or_none()


async def has_card(session: AsyncSession, household_id: UUID) -> bool:
    """Whether a card number is recorded."""
    card = (
        identifier.c.owner_id == household_id,
        identifier.c.type == EQUITY_CARD,
        identifier.c.withdrawn_at.is_(None),
    )
    found = select(exists().where(*card))
    return bool(await session.scalar(found))


async def present_members(session: AsyncSession, household_id: UUID) -> Sequence[Row[Any]]:
    """Present members, head first."""
    statement = _MEMBERS.where(membership.c.household_id == household_id, membership.c.valid_until.is_(None))
    return (await session.execute(statement.order_by(*_HEAD_FIRST))).all()


async def members_of(session: AsyncSession, household_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Present members of these households, those of one head first, each with her `household_id`."""
    one_of = membership.c.household_id == any_(literal(list(household_ids), ARRAY(Uuid)))
    statement = _MEMBERS.add_columns(membership.c.household_id).where(one_of, membership.c.valid_until.is_(None))
    return (await session.execute(statement.order_by(*_HEAD_FIRST))).all()
