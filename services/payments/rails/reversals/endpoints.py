"""HTTP of reversals: ask for one, decide, see how far it is."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response, status

from services.payments.rails.clients import clients_of
from services.payments.rails.reversals import repository
from services.payments.rails.reversals.decide_reversal import approve_reversal, reject_reversal, request_reversal
from services.payments.rails.reversals.errors import (
    NotReversible,
    RailCannotReverse,
    ReversalInState,
    ReversalNotFound,
    SamePersonReverses,
)
from services.payments.rails.reversals.model import ReversalState
from services.payments.rails.reversals.schemas import ReversalIn, ReversalView
from shared.auth import Principal, requires
from shared.errors import PreconditionFailed, PreconditionRequired, responses
from shared.etag import IfMatch, etag
from shared.http import ContextDep, Router, SessionDep
from shared.pagination import Page, Paging

ReversalRead = Annotated[Principal, requires("payment_officer", "payment_approver", "finance_officer", "auditor")]
ReversalAsk = Annotated[Principal, requires("payment_officer", "finance_officer")]
ReversalDecide = Annotated[Principal, requires("payment_approver", "finance_officer")]
_DECISION: dict[str, Any] = {
    "responses": responses(
        ReversalNotFound,
        ReversalInState,
        NotReversible,
        SamePersonReverses,
        PreconditionFailed,
        PreconditionRequired,
    )
}

router = Router(prefix="/payments/v1/reversals", tags=["rails"])


@router.post(
    "", status_code=status.HTTP_201_CREATED, responses=responses(ReversalNotFound, NotReversible, RailCannotReverse)
)
async def request(
    body: ReversalIn, session: SessionDep, context: ContextDep, principal: ReversalAsk, response: Response
) -> ReversalView:
    """Ask for a settled payment to be taken back (paid twice, or to the wrong wallet). A second person decides."""
    clients, now = clients_of(context), context.clock.now()
    return _view(await request_reversal(session, principal, clients, body.payment_id, body.reason, now), response)


@router.get("")
async def listing(
    session: SessionDep,
    principal: ReversalRead,
    paging: Paging,
    state: Annotated[ReversalState | None, Query()] = None,
    payment_id: Annotated[UUID | None, Query()] = None,
) -> Page[ReversalView]:
    """Reversals in your area, newest first."""
    after = paging.after()
    rows = await repository.listing(
        session,
        areas=None if principal.national else principal.areas,
        state=state,
        payment_id=payment_id,
        after=UUID(after["id"]) if after else None,
        most=paging.fetch,
    )
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[ReversalView.model_validate(row) for row in kept], next_cursor=cursor)


@router.get("/{reversal_id}", responses=responses(ReversalNotFound))
async def read(reversal_id: UUID, session: SessionDep, principal: ReversalRead, response: Response) -> ReversalView:
    """One reversal; its ETag goes with a decision."""
    row = await repository.one(session, reversal_id)
    if row is None or not principal.covers(row.village_code):
        raise ReversalNotFound(str(reversal_id))
    return _view(row, response)


@router.post("/{reversal_id}:approve", **_DECISION)
async def approve(
    reversal_id: UUID,
    version: IfMatch,
    session: SessionDep,
    context: ContextDep,
    principal: ReversalDecide,
    response: Response,
) -> ReversalView:
    """Have the rail asked. Not by who asked for the reversal. The money is back when the rail says so."""
    row = await approve_reversal(session, principal, reversal_id, expected=version, now=context.clock.now())
    return _view(row, response)


@router.post("/{reversal_id}:reject", **_DECISION)
async def reject(
    reversal_id: UUID,
    version: IfMatch,
    session: SessionDep,
    context: ContextDep,
    principal: ReversalDecide,
    response: Response,
) -> ReversalView:
    """Turn the request down. Not by who asked for it."""
    row = await reject_reversal(session, principal, reversal_id, expected=version, now=context.clock.now())
    return _view(row, response)


def _view(row: Any, response: Response) -> ReversalView:
    response.headers["ETag"] = etag(row.version)
    return ReversalView.model_validate(row)
