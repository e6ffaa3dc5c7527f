"""Ask the rails for news: the bank's mailbox, and the operator about batches still without an end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Final

from services.payments.rails import repository
from services.payments.rails.clients import clients_of
from services.payments.rails.form_batches import form_batches
from services.payments.rails.port import Answer, BatchHeader, Document, Rail
from services.payments.reconciliation import repository as statements
from services.payments.reconciliation.errors import (
    StatementConflict,
    StatementMalformed,
    StatementTooLarge,
    StatementUnknownKind,
)
from services.payments.reconciliation.ingest_document import Ingested, digest_of, ingest_document
from shared.errors import Problem
from shared.jobs import JobRun, enqueue
from shared.service import Context
from shared.telemetry import get_logger

POLL: Final = "poll_rails"
REFUSED_AGAIN_AFTER: Final = timedelta(hours=1)
MOST_OPEN: Final = 50
"""Open batches asked about per round and rail; those asked about longest ago come first."""

log = get_logger(__name__)


async def schedule_poll(context: Context) -> None:
    """The schedule: place what is queued, dispatch what is due, ask for news. One poll at a time."""
    await form_batches(context)
    async with context.database.session() as session:
        await enqueue(session, POLL, {}, key=POLL)


async def run_poll_rails(run: JobRun) -> dict[str, int]:
    """The job."""
    return await poll_rails(run.context)


async def poll_rails(context: Context) -> dict[str, int]:
    """Take in everything the rails have. Returns counts: documents, lines, matched, breaks, refused."""
    totals = dict.fromkeys(("documents", "lines", "matched", "breaks", "refused"), 0)
    for rail in clients_of(context).rails.values():
        async with context.database.session() as session:
            open_batches = await repository.take_open(session, rail.name, context.clock.now(), MOST_OPEN)
        recorded: list[Document] = []
        located = await _locate(context, rail, open_batches)
        async with aclosing(rail.fetch(located)) as documents:  # type: ignore[type-var]
            async for document in documents:
                ingested = await take_in(context, document)
                if ingested is None:
                    totals["refused"] += 1
                    continue
                recorded.append(replace(document, body=b""))
                if not ingested.seen:
                    totals["documents"] += 1
                    totals["lines"] += ingested.lines
                    totals["matched"] += ingested.matched
                    totals["breaks"] += ingested.breaks
        await rail.acknowledge(recorded)
    return totals


async def take_in(context: Context, document: Document) -> Ingested | None:
    """One document, in its own transaction.

    Returns:
        What became of it; None where it cannot be read: recorded as refused, left with the rail for a person to see
        to, and tried again after a while. The others go on.
    """
    rules, now = clients_of(context).rules, context.clock.now()
    try:
        async with context.database.session() as session:
            if await statements.refused_since(session, digest_of(document), now - REFUSED_AGAIN_AFTER):
                return None
        async with context.database.session() as session:
            return await ingest_document(session, document, rules, received_by="system", now=now)
    except (StatementMalformed, StatementUnknownKind, StatementTooLarge, StatementConflict) as problem:
        await _refuse(context, document, problem)
        return None


async def _refuse(context: Context, document: Document, problem: Problem) -> None:
    log.warning("document_refused", source=document.source, code=problem.code)
    async with context.database.session() as session:
        await statements.refuse(
            session,
            source=document.source,
            sha256=digest_of(document),
            size=len(document.body),
            received_by="system",
            refused=problem.code,
            now=context.clock.now(),
        )


async def _locate(context: Context, rail: Rail, batches: Sequence[BatchHeader]) -> list[BatchHeader]:
    """Learn the rail's own id of batches that were accepted without one."""
    located = []
    for batch in batches:
        if batch.reference:
            located.append(batch)
            continue
        answer = await rail.query(batch)
        if answer.answer is Answer.ACCEPTED and answer.reference:
            async with context.database.session() as session:
                await repository.located(session, batch.id, answer.reference)
            located.append(replace(batch, reference=answer.reference))
    return located
