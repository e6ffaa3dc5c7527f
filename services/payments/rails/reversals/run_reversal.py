"""Ask the rail to take a payment back, then look until it says that it has.

Whatever is lost on the way, the same request is made again under the same correlation id: the operator acts once. That
the money is back is told by the operator's own document (a callback, or the look at the end of each try), matched and
booked like any other return; only then is the reversal done.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from services.payments.rails.clients import clients_of
from services.payments.rails.poll_rails import take_in
from services.payments.rails.port import Answer, Reverses, Submission
from services.payments.rails.reversals import repository
from services.payments.rails.reversals.model import UNDER_WAY, ReversalState, state_after, wait_after
from shared.jobs import JobFailed, JobRun, enqueue
from shared.service import Context

REVERSE: Final = "reverse_payment"
MOST: Final = 50
"""Reversals queued per turn of the schedule."""


async def run_reverse_payment(run: JobRun) -> dict[str, str]:
    """The job: one try.

    Raises:
        JobFailed: `reversal_unknown`, `rail_not_configured`.
    """
    context, reversal_id = run.context, UUID(run.payload["reversal_id"])
    async with context.database.session() as session:
        row = await repository.one(session, reversal_id, lock=True)
        if row is None:
            raise JobFailed("reversal_unknown", "There is no such reversal.")
        if row.state not in UNDER_WAY:
            return {"state": row.state}
        await repository.ask(session, row.id, context.clock.now() + wait_after(row.tries))
    rail = clients_of(context).rails.get(row.rail)
    if not isinstance(rail, Reverses):
        raise JobFailed("rail_not_configured", "The rail is not configured here, or takes nothing back.")
    answer = Submission(Answer.ACCEPTED)
    if row.attempt_state != "returned":  # also what was accepted: the operator may have failed at it since
        answer = await rail.reverse(row.reference, row.id, row.decided_at)
    if answer.answer in (Answer.ACCEPTED, Answer.REJECTED):
        document = await rail.look(row.reference, row.batch_id)
        if document is not None:
            await take_in(context, document)
    return {"state": await _conclude(context, row, answer)}


async def _conclude(context: Context, row: Any, answer: Submission) -> str:
    now = context.clock.now()
    async with context.database.session() as session:
        current = await repository.one(session, row.id, lock=True)
        assert current is not None, "a reversal is never deleted"
        state = state_after(answer.answer, returned=current.attempt_state == "returned")
        ended = state in (ReversalState.DONE, ReversalState.REFUSED)
        next_at = None if ended else now + wait_after(current.tries)
        code = answer.reason_code if state is ReversalState.REFUSED else ""
        await repository.conclude(session, row.id, state, code, next_at=next_at, now=now)
    return str(state)


async def schedule_reversals(context: Context) -> None:
    """The schedule: those whose time has come."""
    async with context.database.session() as session:
        for reversal_id in await repository.due(session, context.clock.now(), MOST):
            await enqueue(session, REVERSE, {"reversal_id": str(reversal_id)}, key=str(reversal_id))
