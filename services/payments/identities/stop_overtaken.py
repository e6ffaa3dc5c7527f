"""A merge that comes after the release: what has not been handed to a rail yet, and would pay somebody twice, fails.

Two records of one beneficiary were on one list; both payments are instructed; then the registry finds that they are
one. Of the two, the one that a rail has already keeps its way (or, where none has been sent, the surviving record's),
and the other fails with `merged_identity` before any rail sees it: its money is back in the fund, and it cannot be
issued again while its twin is paid.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.days import local_day
from services.payments.instructions.outcomes import Outcome, apply_outcomes
from services.payments.lists.model import LineReason
from services.payments.rails import repository as batches

# Of two instructed payments of one benefit to one beneficiary: this one is stopped when the other has left, or goes
# first. A twin that failed, came back or expired is no twin: its money is in the fund.
_OVERTAKEN: Final = text(
    """
    SELECT a.id, a.batch_id
    FROM identity_member c
    JOIN identity_member m ON m.canonical_id = c.canonical_id
    JOIN payment p ON p.beneficiary_id = m.id AND p.status = 'instructed'
    JOIN payment_attempt a ON a.payment_id = p.id AND a.attempt = p.attempt AND a.state = 'queued'
    WHERE c.id = ANY(CAST(:ids AS uuid[])) AND EXISTS (
        SELECT FROM identity_member o
        JOIN payment q ON q.beneficiary_id = o.id AND q.status IN ('instructed', 'settled')
        JOIN payment_attempt b ON b.payment_id = q.id AND b.attempt = q.attempt
        WHERE o.canonical_id = m.canonical_id AND o.id <> m.id AND q.programme_code = p.programme_code
          AND q.period = p.period AND q.component = p.component
          AND (b.state <> 'queued' OR (o.id <> m.canonical_id, o.id) < (m.id <> m.canonical_id, m.id)))
    ORDER BY a.id
    """
)
_WAITING: Final = text(
    "SELECT id FROM payment_attempt WHERE id = ANY(CAST(:attempts AS uuid[])) AND state = 'queued' AND batch_id IS NULL"
    " ORDER BY id FOR NO KEY UPDATE"
)


async def stop_overtaken(session: AsyncSession, ids: Iterable[UUID], now: datetime) -> int:
    """Fail the queued payments that a merge of these records overtook.

    Those waiting for a batch are locked first (forming skips them); then each batch that has not left is locked and
    they are taken out of it. A batch that left in the meantime is the rail's: its payments are not touched.

    Args:
        ids: records that a merge concerns.

    Returns:
        How many.
    """
    wanted = {"ids": sorted(set(ids))}
    found = [row.id for row in await session.execute(_OVERTAKEN, wanted)]
    stopped = list((await session.scalars(_WAITING, {"attempts": found})).all()) if found else []
    in_batches: dict[UUID, set[UUID]] = {}
    for row in await session.execute(_OVERTAKEN, wanted):
        if row.batch_id is not None:
            in_batches.setdefault(row.batch_id, set()).add(row.id)
    for batch_id, leaving in sorted(in_batches.items()):
        batch = await batches.lock(session, batch_id)
        if batch is not None and batch.state == "formed" and batch.sent_on is None:
            await batches.leave_out(session, batch_id, sorted(leaving), now)
            stopped += leaving
    reason = "Records of the beneficiary were merged: the same benefit is paid under another."
    code = LineReason.MERGED_IDENTITY.value
    day = local_day(now)
    told = [Outcome(attempt, "failed", day, "identity", "merge", code, reason) for attempt in sorted(stopped)]
    return (await apply_outcomes(session, told)).applied
