"""Put every queued attempt into a batch, and queue the dispatch of each batch."""

from __future__ import annotations

from datetime import UTC
from typing import Final

from services.payments.rails import repository
from shared.jobs import JobRun, enqueue
from shared.service import Context

FORM: Final = "form_batches"
DISPATCH: Final = "dispatch_batch"
CHUNK: Final = 100_000
"""Attempts placed per transaction: a multiple of every batch size that divides it, so batches come out full."""
MOST_DUE: Final = 500


async def form_batches(context: Context) -> int:
    """Form batches until no attempt is queued; each transaction also queues what it formed.

    Returns:
        How many attempts were placed.
    """
    settings, clock = context.settings, context.clock
    placed = 0
    while True:
        async with context.database.session() as session:
            now = clock.now()
            formed = await repository.form(
                session,
                bank_size=settings.bank_batch_size,
                mobile_money_size=settings.mobile_money_batch_size,
                now=now,
                today=now.astimezone(UTC).date(),
                most=CHUNK,
            )
            for batch_id in await repository.due(session, now, MOST_DUE):
                await enqueue(session, DISPATCH, {"batch_id": str(batch_id)}, key=str(batch_id))
        placed += formed
        if formed < CHUNK:
            return placed


async def run_form_batches(run: JobRun) -> dict[str, int]:
    """The job."""
    return {"placed": await form_batches(run.context)}
