"""Use-case: compare a computed cycle with the closed one before it: new, gone, more, less, the same; and why.

The comparison is made with each computation. Its hash covers the content hash too: an officer who closes with this
hash has
seen this difference of exactly this content.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.cycles import comparison_sql, repository
from services.eligibility.cycles.repository import Totals
from services.eligibility.model import AnyRow


async def compare_cycles(session: AsyncSession, cycle: AnyRow, totals: Totals) -> tuple[dict[str, Any], str]:
    """The comparison of a cycle with the one before, and its hash.

    Returns:
        {"previous_cycle_id", "previous_period", "groups": [{"change", "cause", "province_code", "beneficiaries",
        "amount_before", "amount_after"}]}, amounts as decimal text; the hash as hexadecimal SHA-256.
    """
    previous = await repository.previous_cycle(session, cycle.programme_code, cycle.period)
    groups = await comparison_sql.groups(session, cycle, previous)
    comparison = {
        "previous_cycle_id": str(previous.id) if previous is not None else None,
        "previous_period": previous.period if previous is not None else None,
        "groups": [
            {
                "change": row.change,
                "cause": row.cause,
                "province_code": row.province_code,
                "beneficiaries": row.beneficiaries,
                "amount_before": str(row.amount_before),
                "amount_after": str(row.amount_after),
            }
            for row in groups
        ],
    }
    covered = orjson.dumps({**comparison, "content_hash": totals.content_hash}, option=orjson.OPT_SORT_KEYS)
    return comparison, hashlib.sha256(covered).hexdigest()
