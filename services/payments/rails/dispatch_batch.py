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
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.accounts.repository import payees
from services.payments.rails import health_repository, repository
from services.payments.rails.breaker import failed, succeeded
from services.payments.rails.clients import clients_of
from services.payments.rails.form_batches import FORM
from services.payments.rails.gate import Wait, pass_gate
from services.payments.rails.model import BatchState, Step, next_step, state_after
from services.payments.rails.policy import RailPolicy
from services.payments.rails.port import (
    Answer,
    BatchHeader,
    Document,
    Instruction,
    Media,
    Rail,
    Submission,
)
from services.payments.rails.stops import batch_stopped, stopped_among
from services.payments.reconciliation.gsma import ERROR
from services.payments.reconciliation.ingest_document import ingest_document
from shared.jobs import JobFailed, JobRun, enqueue
from shared.service import Context
from shared.telemetry import get_logger

CALL_LIMIT_SECONDS: Final = 45.0
"""Longest a call may take in all: shorter than the job's lease, so that no second worker is at it meanwhile."""
LEASE: Final = timedelta(seconds=60)

log = get_logger(__name__)


_CALL_LIMIT: Final = timedelta(seconds=CALL_LIMIT_SECONDS)
_NO_ANSWER: Final = frozenset({Answer.DEFERRED, Answer.UNKNOWN})


@dataclass(frozen=True)
class _Call:
    step: Step
    batch: BatchHeader
    instructions: list[Instruction]
    tries: int
    policy: RailPolicy
    sent_before: date | None


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
        policy = await clients_of(context).policy(session, row.rail)
        if step is Step.NOTHING or row.tries >= policy.max_tries or row.rail not in clients_of(context).rails:
            return None, state
        now = context.clock.now()
        if step is Step.SUBMIT and row.sent_on is None and _outgrown(row, policy):
            await repository.dissolve(session, batch_id, now)
            await enqueue(session, FORM, {}, key=FORM)
            return None, state
        stopped = await batch_stopped(session, row) if step is Step.SUBMIT else ""
        passed = await pass_gate(session, row, step, policy, stopped=stopped, now=now, call=_CALL_LIMIT)
        if isinstance(passed, Wait):
            await repository.postpone(session, batch_id, passed.until, passed.reason)
            return None, state
        if step is Step.QUERY:
            tries = await repository.begin_query(session, batch_id, now + LEASE)
            return _Call(step, repository.header(row), [], tries, policy, row.sent_on), state
        if row.sent_on is None and not await _leave_out_stopped(session, batch_id, now):
            return None, state
        leaving = await repository.begin_submission(session, batch_id, now, now + LEASE, passed.day)
        instructions = await _instructions(context, session, leaving)
        header = replace(repository.header(leaving), repeated=row.sent_on is not None)
        return _Call(step, header, instructions, leaving.tries, policy, row.sent_on), BatchState.SUBMITTING


def _outgrown(row: Any, policy: RailPolicy) -> bool:
    """Whether a batch is above what the rail takes now: limits that were lowered since it was formed."""
    ceiling = policy.limit(row.currency).batch_ceiling
    return ceiling is not None and row.amount > ceiling


async def _leave_out_stopped(session: AsyncSession, batch_id: UUID, now: datetime) -> bool:
    """Take stopped persons out of a batch that never left: afterwards its bytes are fixed. False: nobody is left."""
    stopped = await stopped_among(session, await repository.attempt_ids(session, batch_id))
    return not stopped or await repository.leave_out(session, batch_id, stopped, now)


async def _instructions(context: Context, session: AsyncSession, row: Any) -> list[Instruction]:
    """The batch's instructions in the order in which they are always written.

    Raises:
        JobFailed: one is missing.
    """
    rows = await repository.members(session, row.id)
    found = await payees(session, [member.id for member in rows], clients_of(context).cipher)
    if len(rows) != row.count or len(found) != row.count:
        raise JobFailed("batch_incomplete", "an instruction or a payee of the batch is missing; nothing was sent")
    return [
        Instruction(
            end_to_end_id=member.end_to_end_id,
            amount=member.amount,
            currency=member.currency,
            provider=found[member.id].provider,
            number=found[member.id].number,
            holder_name=found[member.id].name,
        )
        for member in rows
    ]


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
    wait = timedelta(0) if submission.answer is Answer.ABSENT else call.policy.retry_delay(call.tries)
    async with context.database.session() as session:
        now = context.clock.now()
        await _record_health(session, call, submission, now)
        if submission.answer is Answer.REJECTED:
            row = await repository.lock(session, call.batch.id)
            if row is None or row.tries != call.tries or next_step(BatchState(row.state)) is Step.NOTHING:
                # Overtaken: what another call learnt, or a document told, counts.
                return state if row is None else BatchState(row.state)
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
            sent_before=call.sent_before,
        )
        if not recorded:
            row = await repository.lock(session, call.batch.id)
            return BatchState(row.state) if row is not None else state
    return state


async def _record_health(session: AsyncSession, call: _Call, submission: Submission, now: datetime) -> None:
    """What the call's end says of the rail itself. News is expected soon after a submission."""
    rail = call.batch.rail
    before = await health_repository.lock_health(session, rail)
    if submission.answer in _NO_ANSWER and not submission.reason_code:  # with a reason somebody did answer
        after = failed(before, call.policy, now, submission.reason)
        if after.open and not before.open:
            log.error("rail_paused", rail=rail, failures=after.failures, until=str(after.retry_at))
        await health_repository.keep_health(session, rail, after)
        return
    await health_repository.keep_health(session, rail, succeeded(before), answered_at=now)
    if call.step is Step.SUBMIT:
        await health_repository.poll_soon(session, rail)


def _refusal(batch: BatchHeader, submission: Submission) -> Document:
    """The refusal as a document, so that it goes the way of every other word of a rail."""
    body = orjson.dumps({"errorCategory": "validation", "errorCode": submission.reason_code, "batch": batch.message_id})
    return Document(batch.rail, Media.GSMA, batch.message_id, body, ERROR, str(batch.id))
