"""Apply the callbacks that were kept: in the order they came, some hundreds in one transaction, as one document.

The job is queued with the first that waits, and begins at once. A callback that comes in the moment between the job's
last look and its end is found by a schedule, two seconds later.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from services.payments.rails import callback_repository
from services.payments.rails.clients import clients_of
from services.payments.rails.mobile_money import SOURCE
from services.payments.rails.port import Document, Media
from services.payments.rails.receive_callback import APPLY, BODY_CONTEXT, TOGETHER
from services.payments.reconciliation.gsma import CALLBACKS
from services.payments.reconciliation.ingest_document import Ingested, ingest_document
from shared.jobs import JobRun, enqueue
from shared.service import Context

MOST: Final = 2_000
"""Callbacks applied in one transaction."""
REMEMBERED: Final = timedelta(days=180)
"""How long the hash of a callback is kept, by which a second one is told; its lines stay for ever."""


async def run_apply_callbacks(run: JobRun) -> dict[str, int]:
    """The job: until none waits."""
    totals = dict.fromkeys(("lines", "matched", "breaks"), 0)
    while taken := await apply_callbacks(run.context):
        for name in totals:
            totals[name] += getattr(taken, name)
        await run.heartbeat()
        if taken.lines < MOST:  # as many as had come: let some more come, they cost little more than one
            await asyncio.sleep(TOGETHER.total_seconds())
    return totals


async def apply_callbacks(context: Context) -> Ingested | None:
    """Apply the oldest ones; nothing when none waits."""
    clients, now = clients_of(context), context.clock.now()
    async with context.database.session() as session:
        waiting = await callback_repository.lock_waiting(session, MOST)
        if not waiting:
            return None
        bodies = (clients.cipher.decrypt(one.body, BODY_CONTEXT) for one in waiting)
        body = f"[{','.join(bodies)}]".encode()
        document = Document(SOURCE, Media.GSMA, "callbacks", body, CALLBACKS, str(waiting[0].id))
        taken = await ingest_document(session, document, clients.rules, received_by="operator", now=now)
        assert taken.file_id is not None, "a callback is in one document only"
        await callback_repository.applied(session, [one.id for one in waiting], taken.file_id)
    return taken


async def queue_if_waiting(context: Context) -> None:
    """The safety net: queue the job where callbacks wait."""
    async with context.database.session() as session:
        if await callback_repository.any_waiting(session):
            await enqueue(session, APPLY, {}, key=APPLY)


async def forget_callbacks(context: Context) -> None:
    """Forget the hashes of callbacks that were applied long ago."""
    async with context.database.session() as session:
        await callback_repository.forget(session, context.clock.now() - REMEMBERED)
