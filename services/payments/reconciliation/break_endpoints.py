"""HTTP of breaks: what could not be reconciled, who sees to it, how it is resolved by two persons."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from services.payments.errors import FundInsufficient, FundNotFound, NotReissuable
from services.payments.rails.pain001 import plain
from services.payments.reconciliation import breaks_repository
from services.payments.reconciliation.errors import (
    BreakAction,
    BreakNotFound,
    BreakState,
    SamePersonResolves,
)
from services.payments.reconciliation.model import BreakKind
from services.payments.reconciliation.resolution import actions
from services.payments.reconciliation.resolve_break import (
    approve_resolution,
    assign_break,
    propose_resolution,
    reject_resolution,
)
from services.payments.reconciliation.schemas import AgingView, Assignment, BreakView, Proposal
from shared.auth import Principal, requires
from shared.errors import PreconditionFailed, PreconditionRequired, responses
from shared.etag import IfMatch
from shared.http import ContextDep, Router, SessionDep
from shared.pagination import Page, Paging

BreakRead = Annotated[Principal, requires("payment_officer", "payment_approver", "finance_officer", "auditor")]
BreakWork = Annotated[Principal, requires("payment_officer", "finance_officer")]
BreakApprove = Annotated[Principal, requires("payment_approver", "finance_officer")]
_CHANGES: dict[str, Any] = {
    "responses": responses(
        BreakNotFound,
        BreakState,
        BreakAction,
        FundNotFound,
        FundInsufficient,
        NotReissuable,
        PreconditionFailed,
        PreconditionRequired,
    )
}

router = Router(prefix="/payments/v1/reconciliation", tags=["reconciliation"])


@router.get("/breaks")
async def list_breaks(
    session: SessionDep,
    context: ContextDep,
    principal: BreakRead,
    paging: Paging,
    kind: Annotated[BreakKind | None, Query()] = None,
    status: Annotated[str | None, Query(pattern="^(open|proposed|resolved)$")] = None,
    owner: Annotated[str | None, Query(max_length=200, description="Empty: those without an owner.")] = None,
    older_than_days: Annotated[int | None, Query(ge=0, le=3650)] = None,
) -> Page[BreakView]:
    """What could not be reconciled, oldest first, with what was expected and what may resolve it."""
    after, now = paging.after(), context.clock.now()
    rows = await breaks_repository.breaks(
        session,
        kind=kind,
        status=status,
        owner=owner,
        before=now - timedelta(days=older_than_days) if older_than_days is not None else None,
        after=UUID(after["id"]) if after else None,
        most=paging.fetch,
    )
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[_view(row, now) for row in kept], next_cursor=cursor)


@router.get("/breaks:aging")
async def aging(session: SessionDep, context: ContextDep, principal: BreakRead) -> list[AgingView]:
    """What must still be explained, by kind, rail, currency and age: the operations desk's first page of the day."""
    return [AgingView.model_validate(row) for row in await breaks_repository.aging(session, context.clock.now())]


@router.post("/breaks/{break_id}:assign", **_CHANGES)
async def assign(
    break_id: UUID, body: Assignment, version: IfMatch, session: SessionDep, context: ContextDep, principal: BreakWork
) -> BreakView:
    """Give a break an owner."""
    now = context.clock.now()
    return _view(await assign_break(session, principal, break_id, body.owner, expected=version, now=now), now)


@router.post("/breaks/{break_id}:propose", **_CHANGES)
async def propose(
    break_id: UUID, body: Proposal, version: IfMatch, session: SessionDep, context: ContextDep, principal: BreakWork
) -> BreakView:
    """Propose how a break is resolved; a second person approves it."""
    now = context.clock.now()
    return _view(await propose_resolution(session, principal, break_id, body, expected=version, now=now), now)


@router.post("/breaks/{break_id}:approve", **{"responses": _CHANGES["responses"] | responses(SamePersonResolves)})
async def approve(
    break_id: UUID, version: IfMatch, session: SessionDep, context: ContextDep, principal: BreakApprove
) -> BreakView:
    """Resolve a break as proposed by somebody else: what it posts is posted now."""
    now = context.clock.now()
    return _view(await approve_resolution(session, principal, break_id, expected=version, now=now), now)


@router.post("/breaks/{break_id}:reject", **{"responses": _CHANGES["responses"] | responses(SamePersonResolves)})
async def reject(
    break_id: UUID, version: IfMatch, session: SessionDep, context: ContextDep, principal: BreakApprove
) -> BreakView:
    """Refuse a proposal: the break is open again."""
    now = context.clock.now()
    return _view(await reject_resolution(session, principal, break_id, expected=version, now=now), now)


def _view(row: Any, now: Any) -> BreakView:
    fields = row._asdict()
    offered, may = fields["offered_amount"], []
    if row.status != "resolved":
        may = actions(row.kind, row.suspended, names_payment=row.attempt_id is not None)
    shown = {
        "document": fields["file_kind"],
        "line": fields["number"],
        "offered_amount": None if offered is None else plain(offered),
        "suspended": plain(row.suspended),
        "actions": [str(action) for action in may],
        "age_days": max((now - row.created_at).days, 0),
    }
    return BreakView.model_validate({**fields, **shown})
