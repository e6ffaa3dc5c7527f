"""Ask for a reversal, and let another person decide."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.rails.clients import Clients
from services.payments.rails.port import Reverses
from services.payments.rails.reversals import repository
from services.payments.rails.reversals.errors import (
    NotReversible,
    RailCannotReverse,
    ReversalInState,
    ReversalNotFound,
    SamePersonReverses,
)
from services.payments.rails.reversals.model import ReversalState
from services.payments.rails.reversals.run_reversal import REVERSE
from shared import audit
from shared.auth import Principal
from shared.etag import check_version
from shared.jobs import enqueue


async def request_reversal(
    session: AsyncSession, principal: Principal, clients: Clients, payment_id: UUID, reason: str, now: datetime
) -> Any:
    """Ask for a settled payment to be taken back; it waits for a second person. Returns the reversal.

    Raises:
        ReversalNotFound: no such payment in the officer's area.
        NotReversible: it is not settled, its rail never named it, or it is being taken back already.
        RailCannotReverse.
    """
    payment = await repository.payment(session, payment_id)
    if payment is None or not principal.covers(payment.village_code):
        raise ReversalNotFound("Look at the payment's id again, or ask an officer of that area.")
    _ensure_reversible(payment.state)
    if not isinstance(clients.rails.get(payment.rail), Reverses):
        raise RailCannotReverse(f"A payment by {payment.rail} comes back only when the provider returns it.")
    if payment.reference is None:
        raise NotReversible("The line that settled it carries no reference of the rail: ask the provider by hand.")
    reversal_id = await repository.add(session, payment, reason, principal.subject, now)
    if reversal_id is None:
        raise NotReversible("It is being taken back already: see GET /payments/v1/reversals?payment_id=...")
    detail = {"payment_id": str(payment_id), "reason": reason}
    await audit.record(session, principal, "reversal.request", "reversal", str(reversal_id), detail)
    return await repository.one(session, reversal_id)


async def approve_reversal(
    session: AsyncSession, principal: Principal, reversal_id: UUID, *, expected: int, now: datetime
) -> Any:
    """Have the rail asked. Returns the reversal.

    Raises:
        ReversalNotFound, ReversalInState, SamePersonReverses, PreconditionFailed.
        NotReversible: the payment has moved on since it was asked for.
    """
    row = await _locked(session, principal, reversal_id, expected)
    _ensure_reversible(row.attempt_state)
    await repository.decide(session, row.id, ReversalState.APPROVED, principal.subject, now, next_at=now)
    await enqueue(session, REVERSE, {"reversal_id": str(row.id)}, key=str(row.id))
    detail = {"amount": str(row.amount), "currency": row.currency}
    return await _decided(session, principal, "reversal.approve", row, detail)


async def reject_reversal(
    session: AsyncSession, principal: Principal, reversal_id: UUID, *, expected: int, now: datetime
) -> Any:
    """Turn the request down. Returns the reversal.

    Raises:
        ReversalNotFound, ReversalInState, SamePersonReverses, PreconditionFailed.
    """
    row = await _locked(session, principal, reversal_id, expected)
    await repository.decide(session, row.id, ReversalState.REJECTED, principal.subject, now, next_at=None)
    return await _decided(session, principal, "reversal.reject", row, {})


def _ensure_reversible(attempt_state: str) -> None:
    if attempt_state != "settled":
        raise NotReversible(f"It is {attempt_state}.", payment_status=attempt_state)


async def _locked(session: AsyncSession, principal: Principal, reversal_id: UUID, expected: int) -> Any:
    row = await repository.one(session, reversal_id, lock=True)
    if row is None or not principal.covers(row.village_code):
        raise ReversalNotFound(str(reversal_id))
    check_version(expected, row.version)
    if row.state != ReversalState.REQUESTED:
        raise ReversalInState(f"it is {row.state}")
    if row.requested_by == principal.subject:
        raise SamePersonReverses("Ask a colleague to look at it.")
    return row


async def _decided(session: AsyncSession, principal: Principal, what: str, row: Any, detail: dict[str, Any]) -> Any:
    await audit.record(session, principal, what, "reversal", str(row.id), detail)
    return await repository.one(session, row.id)
