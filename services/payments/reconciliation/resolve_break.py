"""See to a break: assign it, propose how it ends, and let another person approve that.

What an approval posts is posted in its transaction: a break is never resolved without its posting, nor posted twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.instructions.outcomes import Outcome, apply_outcomes
from services.payments.reconciliation import breaks_repository
from services.payments.reconciliation.errors import BreakAction, BreakNotFound, BreakState, SamePersonResolves
from services.payments.reconciliation.resolution import Action, actions, explaining
from services.payments.reconciliation.schemas import Proposal
from shared import audit
from shared.auth import Principal
from shared.etag import check_version


async def assign_break(
    session: AsyncSession, principal: Principal, break_id: UUID, owner: str, *, expected: int, now: datetime
) -> Any:
    """Give an unresolved break an owner. Returns the break.

    Raises:
        BreakNotFound, BreakState, PreconditionFailed.
    """
    row = await _locked(session, break_id, expected, ("open", "proposed"))
    await breaks_repository.assign(session, row.id, owner, now)
    return await _changed(session, principal, "break.assign", row, {"owner": owner})


async def propose_resolution(
    session: AsyncSession, principal: Principal, break_id: UUID, proposal: Proposal, *, expected: int, now: datetime
) -> Any:
    """Propose an action; it waits for a second person. Returns the break.

    Raises:
        BreakNotFound, BreakState, BreakAction, PreconditionFailed.
    """
    row = await _locked(session, break_id, expected, ("open",))
    may = actions(row.kind, row.suspended, names_payment=row.attempt_id is not None)
    if proposal.action not in may:
        raise BreakAction(f"one of: {', '.join(may)}")
    await breaks_repository.propose(
        session,
        row.id,
        action=proposal.action,
        reason=proposal.reason,
        fund_code=proposal.fund_code if row.suspended == 0 else None,
        by=principal.subject,
        now=now,
    )
    return await _changed(session, principal, "break.propose", row, {"action": str(proposal.action)})


async def approve_resolution(
    session: AsyncSession, principal: Principal, break_id: UUID, *, expected: int, now: datetime
) -> Any:
    """Do what was proposed. Returns the break.

    Raises:
        BreakNotFound, BreakState, SamePersonResolves, BreakAction, PreconditionFailed.
    """
    row = await _locked(session, break_id, expected, ("proposed",))
    if row.proposed_by == principal.subject:
        raise SamePersonResolves("Ask a colleague to look at it.")
    action = Action(row.action)
    if action is Action.APPLY:
        await _apply(session, row)
    elif kinds := explaining(action):
        await breaks_repository.post_explanation(session, row, kinds, now.date())
    await breaks_repository.resolve(session, row.id, by=principal.subject, now=now)
    detail = {"action": row.action, "amount": str(row.suspended), "fund": row.fund_code}
    return await _changed(session, principal, "break.resolve", row, detail)


async def reject_resolution(
    session: AsyncSession, principal: Principal, break_id: UUID, *, expected: int, now: datetime
) -> Any:
    """Refuse what was proposed. Returns the break, open again.

    Raises:
        BreakNotFound, BreakState, SamePersonResolves, PreconditionFailed.
    """
    row = await _locked(session, break_id, expected, ("proposed",))
    if row.proposed_by == principal.subject:
        raise SamePersonResolves("Ask a colleague to look at it.")
    await breaks_repository.reject_proposal(session, row.id)
    return await _changed(session, principal, "break.reject", row, {"action": row.action})


async def _apply(session: AsyncSession, row: Any) -> None:
    """The line's outcome, on a person's word."""
    outcome = Outcome(
        attempt_id=row.attempt_id,
        kind=row.offered,
        on=row.on_date,
        source=row.file_kind,
        source_reference=f"{row.message_id}#{row.number}",
        reason_code="",
        reason="",
    )
    applied = await apply_outcomes(session, [outcome])
    if applied.contradictions:
        raise BreakAction("the payment has moved on since: what the line says excludes its present state")


async def _locked(session: AsyncSession, break_id: UUID, expected: int, states: tuple[str, ...]) -> Any:
    row = await breaks_repository.lock_break(session, break_id)
    if row is None:
        raise BreakNotFound(str(break_id))
    check_version(expected, row.version)
    if row.status not in states:
        raise BreakState(f"it is {row.status}")
    return row


async def _changed(session: AsyncSession, principal: Principal, what: str, row: Any, detail: dict[str, Any]) -> Any:
    await audit.record(session, principal, what, "reconciliation_break", str(row.id), detail)
    return await breaks_repository.lock_break(session, row.id)
