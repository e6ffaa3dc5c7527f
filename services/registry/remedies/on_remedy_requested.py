"""A grievance asks for facts to be put right: done at once, or given to an officer; answered either way, once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.apply_change import apply_change
from services.registry.remedies import repository
from services.registry.remedies.corrections import CannotCorrect, changes_of, needs_officer
from shared import audit
from shared.consumer import Received
from shared.contracts.grievance import RemedyRequested
from shared.contracts.registry import RemedyAnswered
from shared.errors import Problem
from shared.outbox import publish
from shared.service import Context


async def on_remedy_requested(
    context: Context, session: AsyncSession, batch: Sequence[Received[RemedyRequested]]
) -> None:
    """Act on the requests that are the registry's, each once. They are few: one officer's decision each."""
    wanted = [item.payload for item in batch if item.payload.kind == "correct_registry"]
    if not wanted:
        return
    people = {fact.person_id for request in wanted for fact in request.corrections if fact.person_id}
    homes = await repository.households_of(session, sorted(people))
    rows = [_row(request, _household(request, homes)) for request in wanted]
    now = context.clock.now()
    new = await repository.take(session, rows, now)
    answers = []
    for request in wanted:
        if request.remedy_id in new:
            new.discard(request.remedy_id)
            answers.append(await _act(context, session, request, _household(request, homes)))
    await publish(session, answers)


def _household(request: RemedyRequested, homes: dict[UUID, UUID]) -> UUID | None:
    named = (homes.get(fact.person_id) for fact in request.corrections if fact.person_id)
    return request.household_id or next((home for home in named if home), None)


def _row(request: RemedyRequested, household_id: UUID | None) -> dict[str, Any]:
    corrections = [fact.model_dump(mode="json") for fact in request.corrections]
    values = {"remedy_id": request.remedy_id, "case_id": request.case_id, "household_id": household_id}
    return {**values, "corrections": corrections, "requested_by": request.requested_by}


async def _act(
    context: Context, session: AsyncSession, request: RemedyRequested, household_id: UUID | None
) -> RemedyAnswered:
    outcome, code, reason = await _outcome(context, session, request, household_id)
    now = context.clock.now()
    version = await repository.answer(session, request.remedy_id, outcome, code, household_id, "system:remedies", now)
    detail = {"outcome": outcome, "code": code, "household_id": str(household_id)}
    await audit.record(session, "remedies", "remedy.answer", "remedy", request.remedy_id, detail)
    return answered(request.remedy_id, request.case_id, outcome, code, reason, household_id, version)


async def _outcome(
    context: Context, session: AsyncSession, request: RemedyRequested, household_id: UUID | None
) -> tuple[str, str, str]:
    if not request.corrections:
        return "refused", "nothing_to_correct", "The request names no fact."
    if household_id is None:
        return "refused", "household_not_found", "No household of the register is meant."
    if needs_officer(request.corrections):
        return "waiting", "officer_decides", "An officer of the registry must look at this."
    origin = Origin(
        ChangeKind.CORRECTION, ChangeSource.REMEDY, request.requested_by, "grievance upheld", None, request.remedy_id
    )
    try:
        changes = changes_of(request.corrections)
        async with session.begin_nested():
            await apply_change(session, context, household_id, changes, origin)
    except CannotCorrect as error:
        return "refused", error.code, "The correction asked for does not make sense."
    except Problem as error:
        code = error.errors[0].code if error.errors else error.code
        return "refused", code, "The register cannot take this correction."
    return "done", "", ""


def answered(
    remedy_id: UUID, case_id: UUID, outcome: str, code: str, reason: str, household_id: UUID | None, version: int
) -> RemedyAnswered:
    """The answer that grievance hears."""
    return RemedyAnswered(
        version=version,
        remedy_id=remedy_id,
        case_id=case_id,
        outcome=outcome,
        reason_code=code,
        reason=reason,
        result_id=household_id if outcome == "done" else None,
    )
