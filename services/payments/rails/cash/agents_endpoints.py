"""Agents, settlements, proxies and differences over HTTP, for officers."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Response

from services.payments.errors import FundNotFound, SamePerson, UnknownBeneficiary
from services.payments.funds.repository import fund_by_code
from services.payments.ledger.model import MovementKind
from services.payments.rails.cash import agents_repository as repository
from services.payments.rails.cash import errors
from services.payments.rails.cash.agent_statements import resolve_line
from services.payments.rails.cash.book_float import book_float
from services.payments.rails.cash.proxies import decide_proxy, request_proxy
from services.payments.rails.cash.schemas import (
    AgentChange,
    AgentIn,
    AgentOut,
    ProxyIn,
    ProxyOut,
    Resolution,
    SettlementIn,
    StatementLineOut,
    WithReason,
)
from shared import audit
from shared.auth import Principal, ensure_area, requires
from shared.errors import BadRequest, FieldError, Invalid, PreconditionFailed, responses
from shared.etag import IfMatch, check_version, etag
from shared.http import ContextDep, Router, SessionDep
from shared.ids import uuid7
from shared.money import MoneyError, check_amount
from shared.pagination import Page, Paging

AgentWrite = Annotated[Principal, requires("finance_officer")]
AgentRead = Annotated[Principal, requires("finance_officer", "payment_officer", "auditor")]
ProxyRequest = Annotated[Principal, requires("commune_officer", "payment_officer")]
ProxyDecide = Annotated[Principal, requires("payment_approver")]
Code = Annotated[str, Path(max_length=40)]
router = Router(prefix="/payments/v1/cash", tags=["cash"])


@router.post("/agents", status_code=201, responses=responses(errors.AgentExists, Invalid))
async def register_agent(body: AgentIn, principal: AgentWrite, session: SessionDep, response: Response) -> AgentOut:
    """Register an agent: bound to one token subject, one network, one currency."""
    ensure_area(principal, None)
    values = body.model_dump(exclude={"active"}) | {
        "actor": principal.subject,
        "credit_limit": _exact(body.credit_limit, body.currency),
    }
    row = await repository.add(session, values)
    if row is None:
        raise errors.AgentExists("Choose another code, or change that agent.")
    detail = {"subject": row.subject, "provider": row.provider, "credit_limit": str(row.credit_limit)}
    await audit.record(session, principal, "cash_agent.register", "cash_agent", row.code, detail)
    response.headers["ETag"] = etag(row.version)
    return _shown(row)


@router.get("/agents")
async def list_agents(principal: AgentRead, session: SessionDep, paging: Paging) -> Page[AgentOut]:
    """Agents with what each is owed."""
    ensure_area(principal, None)
    after = paging.after()
    if after is not None and not isinstance(after.get("code"), str):
        raise BadRequest("Use the next_cursor of the page before, as it is.")
    rows = await repository.listing(session, after["code"] if after else "", paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"code": row.code})
    return Page(items=[_shown(row) for row in kept], next_cursor=cursor)


@router.put("/agents/{code}", responses=responses(errors.AgentNotFound, PreconditionFailed, Invalid))
async def change_agent(
    code: Code, body: AgentChange, version: IfMatch, principal: AgentWrite, session: SessionDep, response: Response
) -> AgentOut:
    """Change an agent's limit, or switch her off."""
    ensure_area(principal, None)
    row = await repository.by_code(session, code, lock=True)
    if row is None:
        raise errors.AgentNotFound("Look at the code again.")
    check_version(version, row.version)
    limit = _exact(body.credit_limit, row.currency)
    changed = await repository.change(session, body.model_dump() | {"code": code, "credit_limit": limit})
    detail = {"credit_limit": str(changed.credit_limit), "active": changed.active}
    await audit.record(session, principal, "cash_agent.change", "cash_agent", code, detail)
    response.headers["ETag"] = etag(changed.version)
    return _shown(changed)


@router.post(
    "/agents/{code}/settlements",
    status_code=201,
    responses=responses(errors.AgentNotFound, errors.SettlementExists, FundNotFound, Invalid),
)
async def record_settlement(code: Code, body: SettlementIn, principal: AgentWrite, session: SessionDep) -> AgentOut:
    """Record a transfer to an agent, once by its reference; what she is owed goes down."""
    ensure_area(principal, None)
    row = await repository.by_code(session, code, lock=True)
    if row is None:
        raise errors.AgentNotFound("Look at the code again.")
    if body.currency != row.currency:
        error = FieldError("currency", "wrong_currency", "Settle in the agent's currency.")
        raise Invalid("Correct the currency.", errors=[error])
    fund = await fund_by_code(session, body.fund_code)
    if fund is None or fund.currency != body.currency:
        raise FundNotFound("Name a fund in this currency.")
    settlement_id = uuid7()
    values = {
        "id": settlement_id,
        "code": code,
        "reference": body.reference,
        "amount": _exact(body.amount, body.currency),
        "currency": body.currency,
        "on_date": body.on,
        "actor": principal.subject,
    }
    changed = await repository.settle(session, values)
    if changed is None:
        raise errors.SettlementExists("A transfer is recorded once.")
    money = body.model_copy(update={"amount": values["amount"]})
    await book_float(session, MovementKind.FLOAT_OUT, settlement_id, code, body.fund_code, money, body.on)
    detail = {"reference": body.reference, "amount": str(values["amount"])}
    await audit.record(session, principal, "cash_agent.settle", "cash_agent", code, detail)
    return _shown(changed)


@router.post("/proxies", status_code=201, responses=responses(UnknownBeneficiary, Invalid))
async def ask_for_proxy(body: ProxyIn, principal: ProxyRequest, session: SessionDep, context: ContextDep) -> ProxyOut:
    """Name somebody who may collect for a payee of your area; another officer approves."""
    return ProxyOut.model_validate(await request_proxy(session, context, principal, body))


@router.post("/proxies/{proxy_id}:approve", responses=responses(errors.ProxyNotFound, errors.ProxyState, SamePerson))
async def approve_proxy(
    proxy_id: UUID, body: WithReason, principal: ProxyDecide, session: SessionDep, context: ContextDep
) -> ProxyOut:
    """Approve a proxy. Not by who asked for it."""
    row = await decide_proxy(session, context, principal, proxy_id, "approved", body.reason)
    return ProxyOut.model_validate(row)


@router.post("/proxies/{proxy_id}:refuse", responses=responses(errors.ProxyNotFound, errors.ProxyState, SamePerson))
async def refuse_proxy(
    proxy_id: UUID, body: WithReason, principal: ProxyDecide, session: SessionDep, context: ContextDep
) -> ProxyOut:
    """Refuse a proxy."""
    row = await decide_proxy(session, context, principal, proxy_id, "refused", body.reason)
    return ProxyOut.model_validate(row)


@router.post("/proxies/{proxy_id}:revoke", responses=responses(errors.ProxyNotFound, errors.ProxyState))
async def revoke_proxy(
    proxy_id: UUID, body: WithReason, principal: ProxyRequest, session: SessionDep, context: ContextDep
) -> ProxyOut:
    """The payee, or an officer, takes the trust back."""
    row = await decide_proxy(session, context, principal, proxy_id, "revoked", body.reason)
    return ProxyOut.model_validate(row)


@router.get("/agent-statements/differences")
async def list_differences(principal: AgentRead, session: SessionDep, paging: Paging) -> Page[StatementLineOut]:
    """Lines of agents' statements that do not agree, and nobody has resolved."""
    ensure_area(principal, None)
    rows = await repository.open_lines(session, _after(paging.after()), paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"statement": str(row.statement_id), "line": row.line})
    return Page(items=[StatementLineOut.model_validate(row) for row in kept], next_cursor=cursor)


@router.post("/agent-statements/{statement_id}/lines/{line}:resolve", responses=responses(errors.StatementLineNotFound))
async def resolve(
    statement_id: UUID, line: int, body: Resolution, principal: AgentWrite, session: SessionDep, context: ContextDep
) -> StatementLineOut:
    """Say what a difference was."""
    ensure_area(principal, None)
    row = await resolve_line(session, context, principal, statement_id, line, body.resolution)
    return StatementLineOut.model_validate(row)


def _exact(amount: Decimal, currency: str) -> Decimal:
    try:
        return check_amount(amount, currency)
    except MoneyError as error:
        field = "currency" if "currency" in str(error) else "amount"
        raise Invalid("Correct the amount.", errors=[FieldError(field, "bad_amount", str(error))]) from None


def _shown(row: Any) -> AgentOut:
    fields = {name: getattr(row, name) for name in AgentOut.model_fields if name != "owed"}
    return AgentOut(**fields, owed=row.paid - row.settled)


def _after(key: dict[str, Any] | None) -> tuple[UUID, int]:
    if key is None:
        return UUID(int=0), 0
    try:
        return UUID(key["statement"]), int(key["line"])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise BadRequest("Use the next_cursor of the page before, as it is.") from None
