"""Reaction to grievance.remedies: decide again, or waive a condition; each once, answered on eligibility.remedies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.conditions.waive_condition import waive_condition
from services.eligibility.remedies import repository
from services.eligibility.remedies.redecide import redecide
from shared import audit
from shared.consumer import Received
from shared.contracts.eligibility import RemedyAnswered
from shared.contracts.grievance import RemedyRequested
from shared.errors import Problem
from shared.outbox import publish
from shared.service import Context

OURS: Final = frozenset({"redecide", "waive_condition"})


@dataclass(frozen=True)
class _Answer:
    outcome: Literal["done", "refused", "waiting"]
    reason_code: str = ""
    reason: str = ""
    result_id: UUID | None = None


async def on_remedy_requested(
    context: Context, session: AsyncSession, events: Sequence[Received[RemedyRequested]]
) -> None:
    """Remedies of other services are left to them; one that was answered already is not acted on again."""
    requests = [event.payload for event in events if event.payload.kind in OURS]
    known = await repository.answered(session, [request.remedy_id for request in requests])
    for request in requests:
        if request.remedy_id in known:
            continue
        known.add(request.remedy_id)
        answer = await (_redecide if request.kind == "redecide" else _waive)(context, session, request)
        await repository.store_answer(session, request, answer.outcome, answer.reason_code, answer.result_id)
        await publish(session, [_told(request, answer)])
        detail = {"kind": request.kind, "outcome": answer.outcome, "reason_code": answer.reason_code}
        await audit.record(session, "consumer", "remedy.answer", "remedy", request.remedy_id, detail)


async def _redecide(context: Context, session: AsyncSession, request: RemedyRequested) -> _Answer:
    beneficiary = request.beneficiary_id or request.household_id
    if beneficiary is None:
        return _Answer("refused", "beneficiary_missing", "The remedy names no beneficiary.")
    code = request.programme_code
    if code is None and request.decision_id is not None:
        code = await repository.programme_of_decision(session, request.decision_id)
    codes = [code] if code is not None else await repository.programmes_of(session, beneficiary)
    if not codes:
        return _Answer("refused", "programme_unknown", "No programme was decided on for this beneficiary.")
    results = [
        await redecide(session, each, beneficiary, context.clock.today(), request.requested_by, "case_remedy")
        for each in codes
    ]
    done = next((result for result in results if not result.reason_code), None)
    if done is None:
        return _Answer("refused", results[0].reason_code, results[0].reason)
    return _Answer("done", result_id=done.decision_id)


async def _waive(context: Context, session: AsyncSession, request: RemedyRequested) -> _Answer:
    person = request.beneficiary_id
    if person is None or request.condition is None or request.valid_from is None or request.valid_until is None:
        return _Answer("refused", "waiver_incomplete", "A waiver names the person, the condition and both dates.")
    try:
        # A savepoint: what is refused leaves nothing behind, and the other remedies of the batch go on.
        async with session.begin_nested():
            waiver = await waive_condition(
                session, context.clock, request.requested_by, person, request.condition,
                request.valid_from, request.valid_until, "grievance", request.case_id,
            )  # fmt: skip
    except Problem as problem:
        return _Answer("refused", problem.code, problem.detail)
    return _Answer("done", result_id=waiver)


def _told(request: RemedyRequested, answer: _Answer) -> RemedyAnswered:
    return RemedyAnswered(
        version=1,
        remedy_id=request.remedy_id,
        case_id=request.case_id,
        outcome=answer.outcome,
        reason_code=answer.reason_code,
        reason=answer.reason,
        result_id=answer.result_id,
    )
