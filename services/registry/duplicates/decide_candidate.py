"""An officer decides whether two records are one: same, different, or not to be told yet."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.duplicates import repository
from services.registry.duplicates.errors import AlreadyDecided, CandidateNotFound
from services.registry.duplicates.merge_records import merge_records
from services.registry.duplicates.schemas import Decided, Decision
from shared import audit
from shared.auth import Principal
from shared.errors import FieldError, Invalid
from shared.etag import check_version
from shared.service import Context


async def decide_candidate(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    candidate_id: UUID,
    expected_version: int,
    decision: Decision,
) -> Decided:
    """Record the decision; `same` merges the two at once.

    Raises:
        CandidateNotFound, AlreadyDecided, PreconditionFailed: it is not this caller's to decide now.
        Invalid: `same` does not say which record stays.
        CannotMerge, OwnRecord: the two cannot be merged like this; nothing is recorded.
    """
    pair = await repository.find_candidate(session, principal, candidate_id)
    if pair is None:
        raise CandidateNotFound("Look it up at /registry/v1/duplicates.")
    check_version(expected_version, pair.version)
    if pair.state in {"same", "different"}:
        raise AlreadyDecided(f"It was decided: {pair.state}.", state=pair.state)
    merge_id: UUID | None = None
    if decision.decision == "same":
        if decision.surviving_id not in {pair.left_id, pair.right_id}:
            error = FieldError("surviving_id", "not_of_the_pair", "Give the id of one of the two records.")
            raise Invalid("Say which of the two records stays.", errors=[error])
        retired = pair.right_id if decision.surviving_id == pair.left_id else pair.left_id
        assert decision.surviving_id is not None
        merge_id = await merge_records(
            session,
            context,
            principal,
            kind=pair.kind,
            retired=retired,
            surviving=decision.surviving_id,
            same_people=decision.same_people,
            reason=decision.reason,
        )
    now = context.clock.now()
    version = await repository.decide(session, candidate_id, decision.decision, principal.subject, now, merge_id)
    detail = {"decision": decision.decision, "reason": decision.reason}
    await audit.record(session, principal, "duplicate.decide", "duplicate_candidate", candidate_id, detail)
    return Decided(id=candidate_id, state=decision.decision, version=version, merge_id=merge_id)
