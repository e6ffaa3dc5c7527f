"""The only door through which an attempt's outcome changes (rails and reconciliation call nothing else).

One call is a handful of statements, whatever the number of outcomes: lock the attempts, fold the outcomes in memory
by the pure table of `model.py`, write attempts, payments, history, ledger and events. Everything is in the caller's
transaction: the statement line that told of it commits with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.instructions import repository
from services.payments.instructions.events import publish_outcomes
from services.payments.instructions.model import AttemptState, Contradiction, Folded, Outcome, Step, fold
from services.payments.ledger.model import OUTCOME_MOVEMENTS
from services.payments.ledger.repository import post

__all__ = ["Applied", "Contradiction", "Outcome", "apply_outcomes"]

_REASON_LENGTH = 500


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
        await _write(session, folded)
    applied = len(outcomes) - folded.unchanged - len(folded.contradictions)
    return Applied(applied, folded.unchanged, list(folded.contradictions))


async def _write(session: AsyncSession, folded: Folded) -> None:
    events = _number_events(folded.steps)
    await repository.write_attempts(session, _last_steps(folded.steps))
    if events["attempts"]:
        await repository.write_payments(session, events)
        await post(session, repository.OUTCOME_MOVEMENTS, _movements(folded.steps))
        await publish_outcomes(session, events)
    await repository.write_outcomes(session, _columns(folded.steps))


def _last_steps(steps: Sequence[Step]) -> dict[str, list[Any]]:
    last = {step.outcome.attempt_id: step for step in steps}
    return _columns(list(last.values()))


def _columns(steps: Sequence[Step]) -> dict[str, list[Any]]:
    """Steps as parallel arrays, for unnest."""
    return {
        "attempts": [step.outcome.attempt_id for step in steps],
        "states": [step.state.value for step in steps],
        "days": [step.outcome.on for step in steps],
        "sources": [step.outcome.source for step in steps],
        "references": [step.outcome.source_reference for step in steps],
        "reason_codes": [step.outcome.reason_code for step in steps],
        "reasons": [step.outcome.reason[:_REASON_LENGTH] for step in steps],
    }


def _number_events(steps: Sequence[Step]) -> dict[str, list[Any]]:
    """The steps that change the payment: `numbers` are versions after the present one, `totals` the last of them."""
    told = [step for step in steps if step.state is not AttemptState.ACCEPTED]
    counted: dict[Any, int] = {}
    numbers: list[int] = []
    for step in told:
        counted[step.outcome.attempt_id] = counted.get(step.outcome.attempt_id, 0) + 1
        numbers.append(counted[step.outcome.attempt_id])
    columns = _columns(told)
    columns["numbers"] = numbers
    columns["totals"] = [counted[step.outcome.attempt_id] for step in told]
    return columns


def _movements(steps: Sequence[Step]) -> dict[str, list[Any]]:
    moved = [(step, kind) for step in steps for kind in OUTCOME_MOVEMENTS.get(step.state, ())]
    return {
        "attempts": [step.outcome.attempt_id for step, _ in moved],
        "kinds": [kind.value for _, kind in moved],
        "days": [step.outcome.on for step, _ in moved],
    }
