"""Hand one batch to its rail: once, whatever dies on the way (faults.md 1, law 6).

    1. commit `submitting` and the attempts `sent`          (nothing has left yet)
    2. call the rail
    3. commit the answer

Found in `submitting` or `unknown`, the batch may have left: it is queried first, and sent again only when the rail has
no trace of it, as the same bytes under the same message id. A stale worker's answer is fenced off by the call's number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import orjson

from services.payments.accounts.repository import payees
from services.payments.rails import repository
from services.payments.rails.clients import clients_of
from services.payments.rails.model import MAX_TRIES, BatchState, Step, next_step, retry_delay, state_after
from services.payments.rails.port import (
    Answer,
    BatchHeader,
    Document,
    Instruction,
    Media,
    Rail,
    Submission,
)
from services.payments.reconciliation.gsma import ERROR
from services.payments.reconciliation.ingest_document import ingest_document
from shared.jobs import JobFailed, JobRun
from shared.service import Context
from shared.telemetry import get_logger

CALL_LIMIT_SECONDS: Final = 45.0
"""Longest a call may take in all: shorter than the job's lease, so that no second worker is at it meanwhile."""
LEASE: Final = timedelta(seconds=60)

log = get_logger(__name__)


@dataclass(frozen=True)
class _Call:
    step: Step
    batch: BatchHeader
    instructions: list[Instruction]
    tries: int


async def run_dispatch_batch(run: JobRun) -> dict[str, str]:
    """The job."""
    state = await dispatch_batch(run.context, UUID(run.payload["batch_id"]), run.heartbeat)
    return {"state": str(state)}


async def _no_heartbeat() -> None:
    return None


async def dispatch_batch(
    context: Context, batch_id: UUID, heartbeat: Callable[[], Awaitable[None]] = _no_heartbeat
) -> BatchState:
    """Take the batch as far as it goes now.

    Returns:
        Its state.

    Raises:
        JobFailed: there is no such batch, or it does not hold what it promises.
    """
    for _ in (Step.QUERY, Step.SUBMIT):
        call, state = await _prepare(context, batch_id)
        if call is None:
            return state
        await heartbeat()
        submission = await _call(clients_of(context).rail(call.batch.rail), call)
        state = await _record(context, call, submission)
        log.info("batch_called", batch_id=str(batch_id), step=str(call.step), answer=str(submission.answer))
        if submission.answer is not Answer.ABSENT:
            break
    return state


async def _prepare(context: Context, batch_id: UUID) -> tuple[_Call | None, BatchState]:
    """Decide the step and commit that it is about to be taken."""
    async with context.database.session() as session:
        row = await repository.lock(session, batch_id)
        if row is None:
            raise JobFailed("batch_unknown", "there is no such batch")
        state = BatchState(row.state)
        step = next_step(state)
        if step is Step.NOTHING or row.tries >= MAX_TRIES:
            return None, state
        now, batch = context.clock.now(), repository.header(row)
        if step is Step.QUERY:
            tries = await repository.begin_query(session, batch_id, now + LEASE)
            return _Call(step, batch, [], tries), state
        rows = await repository.members(session, batch_id)
        found = await payees(session, [row.id for row in rows], clients_of(context).cipher)
        if len(rows) != batch.count or len(found) != batch.count:
            raise JobFailed("batch_incomplete", "an instruction or a payee of the batch is missing; nothing was sent")
        instructions = [
            Instruction(
                end_to_end_id=row.end_to_end_id,
                amount=row.amount,
                currency=row.currency,
                provider=found[row.id].provider,
                number=found[row.id].number,
                holder_name=found[row.id].name,
            )
            for row in rows
        ]
        tries = await repository.begin_submission(session, batch_id, now, now + LEASE)
        return _Call(step, batch, instructions, tries), BatchState.SUBMITTING


async def _call(rail: Rail, call: _Call) -> Submission:
    try:
        async with asyncio.timeout(CALL_LIMIT_SECONDS):
            if call.step is Step.QUERY:
                return await rail.query(call.batch)
            return await rail.submit(call.batch, call.instructions)
    except TimeoutError:
        return Submission(Answer.UNKNOWN, reason="no answer in time")


async def _record(context: Context, call: _Call, submission: Submission) -> BatchState:
    state = state_after(submission.answer)
    wait = timedelta(0) if submission.answer is Answer.ABSENT else retry_delay(call.tries)
    async with context.database.session() as session:
        now = context.clock.now()
        if submission.answer is Answer.REJECTED:
            document = _refusal(call.batch, submission)
            await ingest_document(session, document, clients_of(context).rules, received_by="system", now=now)
            return state
        recorded = await repository.record_answer(
            session,
            call.batch.id,
            tries=call.tries,
            state=state,
            reference=submission.reference,
            reason_code=submission.reason_code,
            reason=submission.reason,
            now=now,
            wait=wait,
        )
        if not recorded:
            row = await repository.lock(session, call.batch.id)
            return BatchState(row.state) if row is not None else state
    return state


def _refusal(batch: BatchHeader, submission: Submission) -> Document:
    """The refusal as a document, so that it goes the way of every other word of a rail."""
    body = orjson.dumps({"errorCategory": "validation", "errorCode": submission.reason_code, "batch": batch.message_id})
    return Document(batch.rail, Media.GSMA, batch.message_id, body, ERROR, str(batch.id))
