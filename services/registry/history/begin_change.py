"""Say who changes the register and why: the first thing of every write to it (ADR 14)."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history.model import Origin
from shared.ids import uuid7

# One statement: the row, and the setting that every insert and every history trigger of this transaction reads.
_BEGIN: Final = text("""
    WITH begun AS (
      INSERT INTO register_change (id, kind, source, source_id, reason, recorded_by, recorded_at, effective_on)
      VALUES (:id, :kind, :source, :source_id, :reason, :by, :now, :effective_on) RETURNING id)
    SELECT set_config('samaki.change', id::text, true) FROM begun""")


async def begin_change(session: AsyncSession, origin: Origin, now: datetime) -> UUID:
    """Record a change and make it the one that what follows in this transaction belongs to.

    One change may cover one household or a chunk of thousands. Without one, the database refuses to write persons,
    households, memberships and identifiers. A second call in a transaction begins another change.

    Args:
        now: the clock's.

    Returns:
        The change's id.
    """
    change_id = uuid7()
    values = {
        "id": change_id,
        "kind": origin.kind.value,
        "source": origin.source.value,
        "source_id": origin.source_id,
        "reason": origin.reason,
        "by": origin.by,
        "now": now,
        "effective_on": origin.effective_on,
    }
    await session.execute(_BEGIN, values)
    return change_id
