"""See to a break: assign it, propose how it ends, and let another person approve that.

What an approval posts is posted in its transaction: a break is never resolved without its posting, nor posted twice.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.days import local_day
from services.payments.errors import FundNotFound
from services.payments.fields import plain
from services.payments.funds.repository import fund_by_code
from services.payments.funds.reserve import ensure_available
from services.payments.instructions.outcomes import Outcome, apply_outcomes
from services.payments.instructions.settle_refused import settle_refused
from services.payments.rails import repository as batches
from services.payments.reconciliation import breaks_repository
from services.payments.reconciliation.errors import BreakAction, BreakNotFound, BreakState, SamePersonResolves
from services.payments.reconciliation.model import BATCH_PREFIX
from services.payments.reconciliation.resolution import Action, actions, charge_in, explaining, meant
from services.payments.reconciliation.schemas import Proposal
from shared import audit
from shared.auth import Principal
from shared.etag import check_version
from shared.money import MoneyError, check_amount

CHUNK: Final = 5_000
"""Payments of a batch settled at a time."""


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
        BreakNotFound, BreakState, BreakAction, FundNotFound, PreconditionFailed.
    """
    row = await _locked(session, break_id, expected, ("open",))
    may = actions(row.kind, row.suspended, names_payment=row.attempt_id is not None)
    if proposal.action not in may:
        raise BreakAction(f"one of: {', '.join(may)}")
    named = await _named(session, principal, row, proposal)
    if proposal.fund_code not in (None, row.fund_code):
        await _change_fund(session, row, proposal.fund_code or "", now)
    await breaks_repository.propose(
        session,
        row.id,
        action=proposal.action,
        reason=proposal.reason,
        fund_code=proposal.fund_code,
        payment=named,
        by=principal.subject,
        now=now,
    )
    detail = {"action": str(proposal.action)} | ({"payment_id": str(proposal.payment_id)} if named else {})
    return await _changed(session, principal, "break.propose", row, detail)


async def _named(session: AsyncSession, principal: Principal, row: Any, proposal: Proposal) -> Any | None:
    """The payment that a person says a line is about; nothing where the line names it, or a batch, itself."""
    if proposal.action is not Action.APPLY or row.attempt_id is not None:
        if proposal.payment_id is not None:
            raise BreakAction("payment_id goes with `apply` of a line that names no payment itself")
        if proposal.action is Action.APPLY:
            _charge_in(row, row.expected_amount)
        return None
    if proposal.payment_id is None:
        if row.end_to_end_id.startswith(BATCH_PREFIX):
            return None
        raise BreakAction("name the payment that the line is about: payment_id")
    found = await breaks_repository.payment(session, proposal.payment_id)
    if found is None or not principal.covers(found.village_code):
        raise BreakAction("there is no such payment in your area")
    if (found.rail, found.currency) != (row.source, row.offered_currency):
        raise BreakAction(f"that payment goes by {found.rail} in {found.currency}")
    _charge_in(row, found.amount)
    return found


async def _change_fund(session: AsyncSession, row: Any, fund_code: str, now: datetime) -> None:
    """Another fund holds the money from here on: suspense only, nobody's balance changes."""
    fund = await fund_by_code(session, fund_code)
    if fund is None:
        raise FundNotFound(f"There is no fund {fund_code}.")
    if fund.currency != row.offered_currency:
        raise BreakAction(f"the fund {fund_code} is in {fund.currency}")
    if row.suspended:
        await breaks_repository.move_suspense(session, row, fund_code, local_day(now))


async def approve_resolution(
    session: AsyncSession, principal: Principal, break_id: UUID, *, expected: int, now: datetime
) -> Any:
    """Do what was proposed. Returns the break.

    Raises:
        BreakNotFound, BreakState, SamePersonResolves, BreakAction, FundInsufficient, PreconditionFailed.
        NotReissuable: the payment was issued again since.
    """
    row = await _locked(session, break_id, expected, ("proposed",))
    if row.proposed_by == principal.subject:
        raise SamePersonResolves("Ask a colleague to look at it.")
    action = Action(row.action)
    held = abs(row.suspended)
    if action is Action.APPLY:
        await _apply(session, row, now)
    elif kinds := explaining(action):
        if action is Action.CHARGE:
            await ensure_available(session, row.fund_code, held)
        await breaks_repository.post_explanation(session, row, kinds, local_day(now), amount=held, fund=row.fund_code)
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


async def _apply(session: AsyncSession, row: Any, now: datetime) -> None:
    """The line's outcome, on two persons' word; what it holds in suspense is the payment's own money."""
    batch_id, members = row.batch_id, [row.attempt_id]
    if row.attempt_id is None:
        batch_id, members = await _batch(session, row)
    if row.suspended:
        if await breaks_repository.explained_before(session, row):
            raise BreakAction("another booking is that payment's already: this one is a second")
        held = Action.CAME_BACK if row.suspended > 0 else Action.SENT_BACK
        kinds, amount = explaining(held), abs(row.suspended)
        await breaks_repository.post_explanation(session, row, kinds, local_day(now), amount=amount, fund=row.fund_code)
    if row.kind == "contradiction":
        await settle_refused(session, _outcome(row, row.attempt_id), local_day(now))
        return
    for start in range(0, len(members), CHUNK):
        told = [_outcome(row, attempt_id) for attempt_id in members[start : start + CHUNK]]
        if (await apply_outcomes(session, told)).contradictions:
            raise BreakAction("the payment has moved on since: what the line says excludes its present state")
    charge = _charge_in(row, row.expected_amount) if row.attempt_id is not None else Decimal(0)
    if charge:
        fund = row.payment_fund
        await ensure_available(session, fund, charge)
        await breaks_repository.post_explanation(session, row, ("charge",), local_day(now), amount=charge, fund=fund)
    if batch_id is not None:
        await batches.complete(session, [batch_id], now)


def _charge_in(row: Any, expected: Decimal | None) -> Decimal:
    """The charge in a line about a payment of this amount.

    Raises:
        BreakAction: the line cannot be of it.
    """
    if row.kind == "payee_mismatch":
        return Decimal(0)
    charge = None
    if row.offered_amount is not None and expected is not None:
        charge = charge_in(meant(row.offered), row.offered_amount, expected)
    if charge is None:
        raise BreakAction("less left, or more came back, than that payment's amount: it is another one's")
    try:
        return check_amount(charge, row.offered_currency)
    except MoneyError as problem:
        raise BreakAction(str(problem)) from None


async def _batch(session: AsyncSession, row: Any) -> tuple[UUID, list[UUID]]:
    """The batch that a line names, and its attempts, whose sum is exactly the line's amount."""
    members = await breaks_repository.batch_members(session, row.end_to_end_id, row.source)
    total = sum((member.amount for member in members), Decimal(0))
    if not members or total != row.offered_amount or members[0].currency != row.offered_currency:
        raise BreakAction(f"what was not refused of that batch is {plain(total)}, in {len(members)} payments")
    return members[0].batch_id, [member.id for member in members]


def _outcome(row: Any, attempt_id: UUID) -> Outcome:
    return Outcome(
        attempt_id=attempt_id,
        kind=meant(row.offered),  # type: ignore[arg-type]
        on=row.on_date,
        source=row.file_kind,
        source_reference=f"{row.message_id}#{row.number}",
        reason_code="",
        reason="",
    )


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
