"""What the planner must know for bulk work: statistics, and what a chunk of a large table costs.

A list is often built minutes after its entitlements arrived, before autovacuum has looked at them; without statistics
the planner takes a full table for an empty one and a chunk of ten thousand costs half a minute instead of one second.
ANALYZE samples: it costs some tenths of a second, whatever the table's size. Of wide tables only the columns are
sampled that the work joins and filters by: half the cost.
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
        "ANALYZE entitlement (cycle_id, payment_id, beneficiary_id, programme_code), "
        "account (id, beneficiary_id, purpose, status, number_hash), hold (payment_id, released), "
        "payment (id, beneficiary_id, programme_code, period, component), death, dissolved_household, "
        "sanction_hit (account_id), sanction_screen (account_id), emergency_stop, claim"
    ),
    Bulk.DISBURSE: text(
        "ANALYZE payment_list_line (payment_list_id, payment_id, account_id, status, priority), account (id), "
        "payment (id, payment_list_id, beneficiary_id), payment_attempt (id, payment_id)"
    ),
    Bulk.IMPORT: text("ANALYZE account_import_row, account_import_finding, account, enrolment, entitlement"),
}
_CHUNKED = text("SELECT set_config('random_page_cost', '1.1', true), set_config('work_mem', '32MB', true)")


async def refresh(session: AsyncSession, work: Bulk) -> None:
    """Let the planner see the tables of this work as they are now."""
    await session.execute(_ANALYZE[work])


async def expect_chunk(session: AsyncSession) -> None:
    """Have this transaction's statements planned for ten thousand rows of tables of millions.

    By the server's defaults ten thousand index look-ups cost more than reading a million rows from end to end, so that
    each chunk would read its tables whole: the cost of a list would grow with the square of its length. And what a
    chunk sorts and hashes (some megabytes) stays in memory.
    """
    await session.execute(_CHUNKED)
