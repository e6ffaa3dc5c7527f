"""Planner statistics for bulk work.

A list is often built minutes after its entitlements arrived, before autovacuum has looked at them; without statistics
the planner takes a full table for an empty one and a chunk of ten thousand costs half a minute instead of one second.
ANALYZE samples: it costs some tenths of a second, whatever the table's size.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


class Bulk(StrEnum):
    """Kinds of bulk work, by the tables they read."""

    BUILD = "build"
    DISBURSE = "disburse"
    IMPORT = "import"


_ANALYZE = {
    Bulk.BUILD: text(
        "ANALYZE entitlement, account, hold, payment, death, dissolved_household, sanction_name, emergency_stop, claim"
    ),
    Bulk.DISBURSE: text("ANALYZE payment_list_line, account, payment, payment_attempt, movement, journal"),
    Bulk.IMPORT: text("ANALYZE account_import_row, account_import_finding, account, enrolment, entitlement"),
}


async def refresh(session: AsyncSession, work: Bulk) -> None:
    """Let the planner see the tables of this work as they are now."""
    await session.execute(_ANALYZE[work])
