"""An officer settles a correction that waited for her: by changes of the household, or by a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.apply_change import PathedChange, apply_change
from services.registry.remedies import repository
from services.registry.remedies.on_remedy_requested import answered
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import Conflict, FieldError, Invalid, NotFound
from shared.etag import check_version
from shared.outbox import publish
from shared.service import Context


class RemedyNotFound(NotFound):
    """No remedy has this id."""

    code, title = "remedy_not_found", "There is no such remedy"


class RemedySettled(Conflict):
    """It was answered for good."""

    code, title = "remedy_settled", "This was settled already"


async def decide_remedy(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    remedy_id: UUID,
    version: int,
    outcome: str,
    changes: Sequence[PathedChange],
    reason_code: str,
) -> int:
    """Apply the changes as a correction, or refuse. Returns the remedy's version.

    Raises:
        RemedyNotFound, OutsideArea, PreconditionFailed, RemedySettled: not by this caller now.
        Invalid: done without a change, or refused without a reason.
        BadHousehold, IdentifierRegistered: the register does not take the changes.
    """
    found = await repository.find(session, remedy_id)
    if found is None:
        raise RemedyNotFound("Look it up at /registry/v1/remedies.")
    ensure_area(principal, found.village_code)
    check_version(version, found.version)
    if found.state != "waiting":
        raise RemedySettled(f"It is {found.state}.")
    missing = "changes" if outcome == "done" and not changes else None
    missing = "reason_code" if outcome == "refused" and not reason_code else missing
    if missing:
        raise Invalid("Say what was done, or why not.", errors=[FieldError(missing, "required", "This is needed.")])
    if outcome == "done":
        by, reason = principal.subject, "grievance upheld"
        origin = Origin(ChangeKind.CORRECTION, ChangeSource.REMEDY, by, reason, None, remedy_id)
        await apply_change(session, context, found.household_id, changes, origin, principal=principal)
    now = context.clock.now()
    new = await repository.answer(session, remedy_id, outcome, reason_code, found.household_id, principal.subject, now)
    reason = "" if outcome == "done" else "An officer of the registry looked at it and refused."
    answer = answered(remedy_id, found.case_id, outcome, reason_code, reason, found.household_id, new)
    await publish(session, [answer])
    detail = {"outcome": outcome, "code": reason_code, "household_id": str(found.household_id)}
    await audit.record(session, principal, "remedy.decide", "remedy", remedy_id, detail)
    return new
