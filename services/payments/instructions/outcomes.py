"""The only door through which an attempt's outcome changes (rails and reconciliation call nothing else).

Two ways in, one way through. `apply_outcomes` takes what a callback, a page or a report told: it is folded in memory
by the
pure table of `model.py`. `apply_staged_outcomes` takes a temporary table that the caller has filled by SQL: it is
judged by
the same table, in SQL, so that no line of a bank's statement becomes an object here. Both lock the attempts in id
order and
write by the one statement of `outcome_statements.py`, in the caller's transaction: the statement line that told of it
commits with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.collections.refund_repository import follow_refunds
from services.payments.instructions import outcome_staging, repository
from services.payments.instructions.model import AttemptState, Contradiction, Outcome, Step, fold
from services.payments.instructions.outcome_statements import WRITE_FROM_ARRAYS, WRITE_STAGED
from services.payments.recoveries.deductions import follow_outcomes, follow_staged_outcomes
from services.payments.statistics import expect_chunk
from shared.telemetry import current_traceparent

__all__ = ["Applied", "Contradiction", "Outcome", "apply_outcomes", "apply_staged_outcomes", "stage_outcomes"]
_REASON_LENGTH = 500
stage_outcomes = outcome_staging.open_stage
"""Make the temporary table `offered_outcome` that `apply_staged_outcomes` reads."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a batch of outcomes.

    Attributes:
        applied: outcomes that changed an attempt.
        unchanged: repeats and late news: legal, nothing to do.
        contradictions: refused; the caller turns them into breaks.
    """

    applied: int
    unchanged: int
    contradictions: list[Contradiction] = field(default_factory=list)


async def apply_outcomes(session: AsyncSession, outcomes: Sequence[Outcome]) -> Applied:
    """Apply what rails say, set-wise, in the session's transaction.

    Locks the attempts in id order, so that two callers never deadlock on them. Moves attempts and payments along their
    legal transitions, books the ledger (a failure, return or expiry gives the money back to the fund) and publishes
    payment.settled, .failed, .returned and .expired. Amount, currency and payee were matched by the caller: an
    outcome carries none.

    Args:
        outcomes: in the order they were told; several for one attempt are allowed. A few thousand per call is best.

    Returns:
        counts, and the contradictions, which changed nothing.
    """
    if not outcomes:
        return Applied(0, 0)
    states = await repository.lock_attempts(session, sorted({outcome.attempt_id for outcome in outcomes}))
    folded = fold(states, outcomes)
    if folded.steps:
        arrays = _arrays(folded.steps)
        await session.execute(WRITE_FROM_ARRAYS, arrays | {"traceparent": current_traceparent()})
        await follow_outcomes(session, arrays["attempt_id"])
        await follow_refunds(session, arrays["attempt_id"])
    applied = len(outcomes) - folded.unchanged - len(folded.contradictions)
    return Applied(applied, folded.unchanged, list(folded.contradictions))


async def apply_staged_outcomes(session: AsyncSession) -> Applied:
    """Apply what the temporary table `offered_outcome` holds, and empty it.

    Its columns: position (integer, the order told, unique), attempt_id, kind, on_date, source, source_reference,
    reason_code, reason. Same effects and guarantees as `apply_outcomes`.

    Returns:
        counts, and the contradictions with the outcome as it was staged.
    """
    await expect_chunk(session)
    await outcome_staging.lock_and_judge(session)
    repeated = await outcome_staging.repeated_outcomes(session)
    folded = fold({attempt: AttemptState(state) for attempt, state in repeated.states.items()}, repeated.outcomes)
    if folded.steps:
        await outcome_staging.add_steps(session, _arrays(folded.steps))
    await session.execute(WRITE_STAGED, {"traceparent": current_traceparent()})
    await follow_staged_outcomes(session)
    await follow_refunds(session, None)
    judged = await outcome_staging.close(session)
    contradictions = [*judged.contradictions, *folded.contradictions]
    several = len(repeated.outcomes) - folded.unchanged - len(folded.contradictions)
    return Applied(judged.applied + several, judged.unchanged + folded.unchanged, contradictions)


def _arrays(steps: Sequence[Step]) -> dict[str, list[Any]]:
    """Steps as parallel arrays, for unnest. `number` counts an attempt's steps that change its payment, of `total`."""
    numbers: list[int] = []
    counted: dict[Any, int] = {}
    last: dict[Any, int] = {}
    for position, step in enumerate(steps):
        attempt = step.outcome.attempt_id
        if step.state is AttemptState.ACCEPTED:
            numbers.append(0)
        else:
            counted[attempt] = counted.get(attempt, 0) + 1
            numbers.append(counted[attempt])
        last[attempt] = position
    told = [step.outcome for step in steps]
    return {
        "attempt_id": [outcome.attempt_id for outcome in told],
        "state": [step.state.value for step in steps],
        "day": [outcome.on for outcome in told],
        "source": [outcome.source for outcome in told],
        "source_reference": [outcome.source_reference for outcome in told],
        "reason_code": [outcome.reason_code for outcome in told],
        "reason": [outcome.reason[:_REASON_LENGTH] for outcome in told],
        "agent_code": [outcome.agent_code for outcome in told],
        "number": numbers,
        "total": [counted.get(outcome.attempt_id, 0) for outcome in told],
        "last": [last[outcome.attempt_id] == position for position, outcome in enumerate(told)],
        "position": list(range(len(steps))),
    }
