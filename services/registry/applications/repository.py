"""All SQL of applications, and of cards near their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    Numeric,
    Row,
    SmallInteger,
    Table,
    Text,
    Uuid,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.households.model import household
from shared.auth import Principal, in_area
from shared.db import new_metadata

application: Final = Table(
    "application",
    new_metadata(),
    Column("id", Uuid, primary_key=True),
    Column("reference", Text),
    Column("state", Text),
    Column("purpose", Text),
    Column("household_id", Uuid),
    Column("village_code", Text),
    Column("content_cipher", LargeBinary),
    Column("questionnaire", Text),
    Column("answers", JSONB(none_as_null=True)),
    Column("score", Numeric(8, 4)),
    Column("level", SmallInteger),
    Column("explanation", JSONB(none_as_null=True)),
    Column("conflict", Boolean),
    Column("conflict_reason", Text),
    Column("submitted_by", Text),
    Column("submitted_at", DateTime(timezone=True)),
    Column("verified_by", Text),
    Column("verified_at", DateTime(timezone=True)),
    Column("second_verified_by", Text),
    Column("second_verified_at", DateTime(timezone=True)),
    Column("decided_by", Text),
    Column("decided_at", DateTime(timezone=True)),
    Column("reasons", JSONB),
    Column("appeal_of", Uuid),
    Column("appeal_until", Date),
    Column("version", Integer),
)
_IS_MEMBER: Final = text("""
    SELECT EXISTS (SELECT FROM membership m
      WHERE m.household_id = :household AND m.person_id = :person AND NOT m.void AND m.valid_until IS NULL)""")


async def add(session: AsyncSession, values: Mapping[str, Any]) -> None:
    """Write a new application."""
    await session.execute(insert(application).values(**values))


async def find(session: AsyncSession, application_id: UUID, *, lock: bool = False) -> Row[Any] | None:
    """An application, locked against other writers if asked."""
    statement = select(application).where(application.c.id == application_id)
    return (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()


async def has_appeal(session: AsyncSession, application_id: UUID) -> bool:
    """Whether a refusal was appealed already."""
    return await session.scalar(select(application.c.id).where(application.c.appeal_of == application_id)) is not None


async def change(session: AsyncSession, application_id: UUID, **values: Any) -> int:
    """Write these columns and the next version. Returns the version."""
    statement = (
        update(application)
        .where(application.c.id == application_id)
        .values(**values, version=application.c.version + 1)
        .returning(application.c.version)
    )
    return int((await session.execute(statement)).scalar_one())


async def list_applications(
    session: AsyncSession, principal: Principal, state: str | None, place: str | None, after: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """Applications of the caller's area in order of their id."""
    statement = select(application).where(in_area(principal, application.c.village_code))
    if state is not None:
        statement = statement.where(application.c.state == state)
    if place is not None:
        statement = statement.where(application.c.village_code.startswith(place, autoescape=True))
    if after is not None:
        statement = statement.where(application.c.id > after)
    return (await session.execute(statement.order_by(application.c.id).limit(limit))).all()


async def is_member(session: AsyncSession, household_id: UUID, person_id: UUID) -> bool:
    """Whether a person is a present member of a household."""
    return bool(await session.scalar(_IS_MEMBER, {"household": household_id, "person": person_id}))


async def expiring_cards(
    session: AsyncSession,
    principal: Principal,
    first: date,
    last: date,
    place: str | None,
    after: tuple[date, UUID] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Households of the caller's area whose card ends between these days, soonest first."""
    card = household.c.card_valid_until
    names = ("id", "reference", "village_code", "household_ref", "poverty_level", "card_valid_until")
    columns: list[Any] = [household.c[name] for name in names]
    statement = select(*columns).where(
        in_area(principal, household.c.village_code),
        card.between(first, last),
        household.c.dissolved_on.is_(None),
    )
    if place is not None:
        statement = statement.where(household.c.village_code.startswith(place, autoescape=True))
    if after is not None:
        statement = statement.where((card > after[0]) | (card == after[0]) & (household.c.id > after[1]))
    return (await session.execute(statement.order_by(card, household.c.id).limit(limit))).all()
