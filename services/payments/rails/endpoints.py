"""HTTP of the rails: batches, the operator's callbacks, and "ask now"."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Query, Request, Response, status

from services.payments.rails import health_repository, repository
from services.payments.rails.body import read_body
from services.payments.rails.clients import clients_of
from services.payments.rails.errors import CallbackNotGenuine, CallbackTooLarge
from services.payments.rails.form_batches import FORM
from services.payments.rails.poll_rails import POLL
from services.payments.rails.receive_callback import receive_callback
from services.payments.rails.schemas import BatchView, JobAccepted
from services.payments.reconciliation.errors import StatementMalformed, StatementUnknownKind
from shared.audit import record
from shared.auth import Principal, requires
from shared.errors import responses
from shared.http import ContextDep, Router, SessionDep
from shared.jobs import enqueue
from shared.pagination import Page, Paging

PaymentWrite = Annotated[Principal, requires("payment_officer")]
PaymentRead = Annotated[
    Principal, requires("payment_officer", "payment_approver", "finance_officer", "programme_officer", "auditor")
]
CALLBACK_LIMIT = 1024 * 1024

router = Router(prefix="/payments/v1", tags=["rails"])


@router.get("/batches")
async def list_batches(
    session: SessionDep,
    principal: PaymentRead,
    context: ContextDep,
    paging: Paging,
    payment_list_id: Annotated[UUID | None, Query()] = None,
    state: Annotated[str | None, Query(max_length=20)] = None,
    silent_hours: Annotated[
        int | None, Query(ge=1, le=2000, description="Only those that a rail took so long ago and has not ended.")
    ] = None,
) -> Page[BatchView]:
    """Batches in order of forming: what was handed to which rail, and how far it is. No personal data."""
    after = paging.after()
    silent_before = context.clock.now() - timedelta(hours=silent_hours) if silent_hours else None
    rows = await repository.listing(
        session,
        payment_list_id=payment_list_id,
        state=state,
        silent_before=silent_before,
        after=UUID(after["id"]) if after else None,
        most=paging.fetch,
    )
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[BatchView.model_validate(row) for row in kept], next_cursor=cursor)


@router.post("/rails:poll", status_code=status.HTTP_202_ACCEPTED)
async def poll(session: SessionDep, context: ContextDep, principal: PaymentWrite) -> JobAccepted:
    """Ask the rails for news now, and try waiting batches again."""
    clients = clients_of(context)
    tries = {}
    for rail in clients.rails:
        tries[rail] = (await clients.policy(session, rail)).max_tries // 2
        await health_repository.poll_soon(session, rail)
    await repository.try_now(session, context.clock.now(), tries)
    await enqueue(session, FORM, {}, key=FORM)
    job_id = await enqueue(session, POLL, {}, key=POLL)
    await record(session, principal, "rails.poll", "job", job_id)
    return JobAccepted(job_id=job_id)


async def _callback(
    request: Request,
    session: SessionDep,
    context: ContextDep,
    x_date: Annotated[str, Header(max_length=64)] = "",
    x_correlationid: Annotated[str, Header(alias="X-CorrelationID", max_length=64)] = "",
    x_signature: Annotated[str, Header(max_length=128)] = "",
) -> Response:
    """The mobile money operator's word on a batch or a transaction. Signed, not token-bearing. 204: it is kept."""
    await receive_callback(
        session,
        await read_body(request, CALLBACK_LIMIT, CallbackTooLarge),
        sent_at=x_date,
        correlation_id=x_correlationid,
        signature=x_signature,
        secret=context.settings.mobile_money_callback_secret.get_secret_value(),
        clients=clients_of(context),
        now=context.clock.now(),
    )
    return Response(status_code=status.HTTP_204_NO_CONTENT)


_CALLBACK: dict[str, Any] = {
    "status_code": status.HTTP_204_NO_CONTENT,
    "responses": responses(CallbackNotGenuine, CallbackTooLarge, StatementMalformed, StatementUnknownKind),
}
# The GSMA specification sends callbacks by PUT; operators in the field also POST.
router.put("/rails/mobile_money/callbacks", name="put_callback", **_CALLBACK)(_callback)
router.post("/rails/mobile_money/callbacks", name="post_callback", **_CALLBACK)(_callback)
