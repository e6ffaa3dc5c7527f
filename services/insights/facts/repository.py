"""Writes to the fact tables: versioned upserts of whole batches, and the reset before a replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Table, delete
from sqlalchemy.ext.asyncio import AsyncSession

from services.insights.base import Base
from shared.db import upsert_versioned


async def record(session: AsyncSession, fact: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep the newest row of each aggregate.

    Args:
        fact: a fact table.
        rows: all with the table's columns.
    """
    table = cast(Table, fact.__table__)
    await upsert_versioned(session, table, rows, key=[column.name for column in table.primary_key.columns])


async def forget(session: AsyncSession, *facts: type[Base]) -> None:
    """Empty fact tables, before a replay of their whole topic builds them anew."""
    for fact in facts:
        await session.execute(delete(fact))
