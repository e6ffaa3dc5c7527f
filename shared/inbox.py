"""The inbox: which events a service has taken, so that each has its effects once (law 4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus.port import Delivery
from shared.service import Context
from shared.tables import inbox_consumed

PRUNED_AT_ONCE: Final = 50_000

_CLAIM: Final = text(
    # Sorted, so that two consumers with overlapping batches cannot deadlock. Answers with the ids that were claimed
    # before: mostly none, so nothing is fetched for the new ones.
    "WITH incoming AS MATERIALIZED ("
    "  SELECT unnest(CAST(string_to_array(:ids, ',') AS uuid[])) AS event_id),"
    " claimed AS ("
    "  INSERT INTO inbox (event_id, topic) SELECT event_id, :topic FROM incoming ORDER BY event_id"
    "  ON CONFLICT DO NOTHING RETURNING event_id)"
    " SELECT event_id FROM incoming EXCEPT SELECT event_id FROM claimed"
)


async def claim(session: AsyncSession, deliveries: Sequence[Delivery]) -> set[UUID]:
    """Claim these event ids; the ones that were not claimed before."""
    by_topic: dict[str, set[UUID]] = {}
    for delivery in deliveries:
        if delivery.event:
            by_topic.setdefault(delivery.topic, set()).add(delivery.event.id)
    fresh: set[UUID] = set()
    for topic, ids in sorted(by_topic.items()):
        # One text, taken apart by the database: the driver looks at each element of an array several times.
        known = await session.execute(_CLAIM, {"ids": ",".join(map(str, ids)), "topic": topic})
        fresh |= ids.difference(known.scalars())
    return fresh


async def count(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
    """Add to the number of distinct events consumed, by topic."""
    totals: dict[str, int] = {}
    for delivery in deliveries:
        totals[delivery.topic] = totals.get(delivery.topic, 0) + 1
    if not totals:
        return
    statement = pg_insert(inbox_consumed).values([{"topic": t, "count": n} for t, n in sorted(totals.items())])
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["topic"], set_={"count": inbox_consumed.c.count + statement.excluded.count}
        )
    )


async def prune_inbox(context: Context) -> None:
    """Forget event ids older than the retention, in bounded steps."""
    limit = context.clock.now() - timedelta(days=context.settings.inbox_retention_days)
    statement = text(
        "DELETE FROM inbox WHERE event_id IN (SELECT event_id FROM inbox WHERE claimed_at < :limit LIMIT :rows)"
    )
    while True:
        async with context.database.session() as session:
            result: Any = await session.execute(statement, {"limit": limit, "rows": PRUNED_AT_ONCE})
        if result.rowcount < PRUNED_AT_ONCE:
            return
