"""SQL of the GovStack edge."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_LOCK_COLLECTIONS = text(
    """
    SELECT c.reference FROM cash_collection c JOIN voucher v ON v.serial = c.reference
    WHERE v.source_code = :source AND v.serial = ANY(CAST(:serials AS text[]))
    ORDER BY c.reference FOR UPDATE OF c
    """
)


async def lock_collections(session: AsyncSession, source: str, serials: Sequence[str]) -> None:
    """Wait for the agents who are paying these vouchers out now, and keep others waiting.

    What is read of the vouchers afterwards holds: none is called cancelled whose money is being handed out.
    """
    await session.execute(_LOCK_COLLECTIONS, {"source": source, "serials": list(serials)})
