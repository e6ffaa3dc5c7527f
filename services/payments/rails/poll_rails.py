"""Ask the rails for news: the bank's mailbox, and the operator about batches still without an end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Final

from services.payments.rails import health_repository, repository
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
from services.payments.reconciliation.ingest_document import Ingested, ingest_in_pieces, measure
from shared.jobs import JobRun, enqueue
from shared.service import Context
from shared.telemetry import get_logger

POLL: Final = "poll_rails"
REFUSED_AGAIN_AFTER: Final = timedelta(hours=1)
MOST_OPEN: Final = 50
"""Open batches asked about per round and rail; those asked about longest ago come first."""
TURN: Final = timedelta(minutes=1)
"""How long a worker that asks keeps the others from asking the same rail."""

log = get_logger(__name__)


async def schedule_poll(context: Context) -> None:
    """The schedule: place what is queued, dispatch what is due, ask each rail whose time has come.

    One job per rail, so that a slow one holds up none of the others.
    """
    await form_batches(context)
    async with context.database.session() as session:
        for rail in clients_of(context).rails:
            await enqueue(session, POLL, {"rail": rail}, key=rail)


async def run_poll_rails(run: JobRun) -> dict[str, int]:
    """The job: one rail, or all of them."""
    rail = run.payload.get("rail")
    return await poll_rails(run.context, [rail] if rail else None)


async def poll_rails(context: Context, names: Sequence[str] | None = None) -> dict[str, int]:
    """Take in everything the rails have.

    Arguments:
        names: rails, as far as it is their turn; default all of them, now.

    Returns:
        counts: documents, lines, matched, breaks, refused.
    """
    totals = dict.fromkeys(("documents", "lines", "matched", "breaks", "refused"), 0)
    rails = clients_of(context).rails
    for name in names if names is not None else list(rails):
        async with context.database.session() as session:
            now = context.clock.now()
            policy = await clients_of(context).policy(session, name)
            if names is None:
                await health_repository.poll_soon(session, name)
            waited = await health_repository.take_poll(session, name, now, now + TURN)
        if waited is None:
            continue
        told = await _poll(context, rails[name])
        async with context.database.session() as session:
            wait = policy.next_poll(waited, told["documents"] > 0)
            next_at = context.clock.now() + timedelta(seconds=wait)
            await health_repository.polled(session, name, next_at, wait)
        for key, value in told.items():
            totals[key] += value
    return totals


async def _poll(context: Context, rail: Rail) -> dict[str, int]:
    told = dict.fromkeys(("documents", "lines", "matched", "breaks", "refused"), 0)
    async with context.database.session() as session:
        open_batches = await repository.take_open(session, rail.name, context.clock.now(), MOST_OPEN)
    recorded: list[Document] = []
    located = await _locate(context, rail, open_batches)
    async with aclosing(rail.fetch(located)) as documents:  # type: ignore[type-var]
        async for document in documents:
            ingested = await take_in(context, document)
            if ingested is None:
                told["refused"] += 1
                continue
            recorded.append(replace(document, body=b""))
            if not ingested.seen:
                told["documents"] += 1
                told["lines"] += ingested.lines
                told["matched"] += ingested.matched
                told["breaks"] += ingested.breaks
    await rail.acknowledge(recorded)
    return told


async def take_in(context: Context, document: Document, received_by: str = "system") -> Ingested | None:
    """One document, piece by piece, each in its own transaction.

    Returns:
        What became of it; None where it cannot be read: recorded as refused, left with the rail for a person to see
        to, and tried again after a while; or where another worker is at it. The others go on.
    """
    rules, now = clients_of(context).rules, context.clock.now()
    try:
        digest, size = measure(document)
    except StatementTooLarge as problem:
        log.warning("document_refused", source=document.source, code=problem.code)
        return None
    async with context.database.session() as session:
        if await statements.refused_since(session, digest, now - REFUSED_AGAIN_AFTER):
            return None
    try:
        ingested = await ingest_in_pieces(context.database, document, rules, received_by=received_by, now=now)
    except (StatementMalformed, StatementUnknownKind, StatementConflict) as problem:
        log.warning("document_refused", source=document.source, code=problem.code)
        async with context.database.session() as session:
            await statements.refuse(
                session,
                document,
                sha256=digest,
                size=size,
                received_by=received_by,
                refused=problem.code,
                now=context.clock.now(),
            )
        return None
    return None if ingested.busy else ingested


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
