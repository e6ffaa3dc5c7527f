"""All SQL of the projection of programmes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.metadata import Record
from services.payments.programmes.tables import programme_version
from shared.db import upsert_versioned


async def save_versions(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """What was told last of each programme version wins."""
    await upsert_versioned(session, programme_version, rows, key=["programme_code", "programme_version"])


async def forget_versions(session: AsyncSession) -> None:
    """Before a replay of the topic."""
    await session.execute(delete(programme_version))


async def programme_version_of(session: AsyncSession, programme_code: str, version: int) -> Record | None:
    """One version of a programme; None when its publication was not heard."""
    statement = select(programme_version).where(
        programme_version.c.programme_code == programme_code, programme_version.c.programme_version == version
    )
    return (await session.execute(statement)).one_or_none()
