"""Cash over HTTP: the agents' desk."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Request

from services.payments.rails.body import read_body
from services.payments.rails.cash import errors, repository
from services.payments.rails.cash.agent_statements import MAX_BYTES, take_statement
from services.payments.rails.cash.end_collections import cancel_collection
from services.payments.rails.cash.model import Redemption
from services.payments.rails.cash.redeem import agent_of, redeem
from services.payments.rails.cash.renew_code import renew_code
from services.payments.rails.cash.schemas import (
    CollectionOut,
    MessageTotals,
    Receipt,
    RedemptionIn,
    StatementOut,
    WithReason,
)
from shared import audit
from shared.auth import Principal, ensure_area, requires
from shared.errors import Invalid, PayloadTooLarge, responses
from shared.http import ContextDep, Router, SessionDep

Agent = Annotated[Principal, requires("integration")]
CashWrite = Annotated[Principal, requires("payment_officer")]
CashRead = Annotated[Principal, requires("payment_officer", "commune_officer", "grievance_officer", "auditor")]
Reference = Annotated[str, Path(max_length=40, pattern=r"^[A-Z0-9-]+$")]
router = Router(prefix="/payments/v1/cash", tags=["cash"])

_CSV: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.post(
    "/collections/{reference}:redeem",
    responses=responses(
        errors.AgentUnknown,
        errors.AgentLocked,
        errors.CollectionNotFound,
        errors.WrongCode,
        errors.CodeLocked,
        errors.CollectionEnded,
        errors.WindowClosed,
        errors.CashAmountMismatch,
        errors.IdentityNotConfirmed,
        errors.ProxyNotApproved,
        errors.AgentLimit,
        errors.PayingStopped,
        errors.PaymentNotPayable,
    ),
)
async def redeem_collection(
    reference: Reference, body: RedemptionIn, principal: Agent, session: SessionDep, context: ContextDep
) -> Receipt:
    """Hand out the money: an agent, in her area, with the payee's code. Keep the receipt."""
    said = Redemption(
        reference=reference,
        code=body.code,
        amount=body.amount,
        currency=body.currency,
        agent_reference=body.agent_reference,
        identity_method=body.identity_check.method,
        identity_matches=body.identity_check.matches,
        by_proxy=body.collected_by == "proxy",
        proxy_id_number=body.proxy_id_number,
    )
    return Receipt.model_validate(await redeem(session, context, principal, said))


@router.get("/collections/{reference}", responses=responses(errors.CollectionNotFound))
async def read_collection(reference: Reference, principal: CashRead, session: SessionDep) -> CollectionOut:
    """A collection in your area. The look is recorded."""
    row = await repository.by_reference(session, reference)
    if row is None or not principal.covers(row.village_code or None):
        raise errors.CollectionNotFound("Look at the reference again, or ask an officer of that area.")
    await audit.record(session, principal, "cash.read", "payment", str(row.payment_id))
    return CollectionOut.model_validate(row)


@router.post(
    "/collections/{reference}:renew-code",
    responses=responses(errors.CollectionNotFound, errors.CollectionEnded, errors.TooManyCodes),
)
async def renew(
    reference: Reference, body: WithReason, principal: CashWrite, session: SessionDep, context: ContextDep
) -> CollectionOut:
    """Send a new code to the number that was approved; the one before is void."""
    await renew_code(session, context, principal, reference, body.reason)
    return CollectionOut.model_validate(await repository.by_reference(session, reference))


@router.post("/collections/{reference}:cancel", responses=responses(errors.CollectionNotFound, errors.CollectionEnded))
async def cancel(
    reference: Reference, body: WithReason, principal: CashWrite, session: SessionDep, context: ContextDep
) -> CollectionOut:
    """Call a collection off: the money returns to the fund, and the payment can be issued again."""
    return CollectionOut.model_validate(await cancel_collection(session, context, principal, reference, body.reason))


@router.get("/messages")
async def count_messages(principal: CashRead, session: SessionDep) -> MessageTotals:
    """Messages with codes, by state."""
    ensure_area(principal, None)
    return MessageTotals(**await repository.count_messages(session))


@router.post(
    "/agent-statements",
    status_code=201,
    openapi_extra=_CSV,
    responses=responses(errors.AgentUnknown, errors.StatementSeen, Invalid, PayloadTooLarge),
)
async def receive_statement(
    request: Request, principal: Agent, session: SessionDep, context: ContextDep
) -> StatementOut:
    """An agent's own list of what she paid out: on,payment_reference,amount,currency,agent_reference."""
    agent = await agent_of(session, context, principal)
    body = await read_body(request, MAX_BYTES, PayloadTooLarge)
    return StatementOut.model_validate(await take_statement(session, context, principal, agent, body))
