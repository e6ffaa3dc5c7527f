"""life_event.recorded and .withdrawn (deaths), household.dissolved: keep whom a payment list must leave out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Boolean, Column, Date, Integer, Table, Text
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.metadata import metadata
from shared.consumer import Received
from shared.contracts.registry import HouseholdDissolved, LifeEventRecorded
from shared.db import upsert_versioned
from shared.service import Context

death = Table(
    "death",
    metadata,
    Column("life_event_id", UUID, primary_key=True),
    Column("person_id", UUID, nullable=False),
    Column("household_id", UUID, nullable=False),
    Column("living_members", Integer, nullable=False),
    Column("occurred_on", Date),
    Column("withdrawn", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
)
"""`living_members`: of the household after it; at 0 the household is paid nothing more."""

dissolved_household = Table(
    "dissolved_household",
    metadata,
    Column("household_id", UUID, primary_key=True),
    Column("cause", Text, nullable=False),
    Column("effective_on", Date, nullable=False),
    Column("version", Integer, nullable=False),
)


async def on_life_event(context: Context, session: AsyncSession, events: Sequence[Received[Any]]) -> None:
    """Project deaths by life event; the newest version wins, so one that was withdrawn counts no more."""
    deaths = [event.payload for event in events if event.payload.kind == "death"]
    await upsert_versioned(session, death, [_death(payload) for payload in deaths], key=["life_event_id"])


async def on_household_dissolved(
    context: Context, session: AsyncSession, events: Sequence[Received[HouseholdDissolved]]
) -> None:
    """Project households that are no more."""
    names = ("household_id", "cause", "effective_on", "version")
    rows = [{name: getattr(event.payload, name) for name in names} for event in events]
    await upsert_versioned(session, dissolved_household, rows, key=["household_id"])


def _death(payload: Any) -> dict[str, Any]:
    recorded = isinstance(payload, LifeEventRecorded)
    return {
        "life_event_id": payload.life_event_id,
        "person_id": payload.person_id,
        "household_id": payload.household_id,
        "living_members": payload.living_members if recorded else 1,
        "occurred_on": payload.occurred_on if recorded else None,
        "withdrawn": not recorded,
        "version": payload.version,
    }
