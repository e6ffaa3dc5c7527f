"""Callbacks over HTTP: what could not be delivered, and trying again. Bodies are not shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from services.payments.edges.callbacks import repository
from services.payments.edges.errors import CallbackNotFound
from services.payments.fields import after_id
from shared import audit
from shared.auth import Principal, ensure_area, requires
from shared.errors import responses
from shared.http import ClockDep, Router, SessionDep
from shared.pagination import Page, Paging

CallbackRead = Annotated[Principal, requires("admin", "payment_officer", "auditor")]
CallbackWrite = Annotated[Principal, requires("payment_officer")]
router = Router(prefix="/payments/v1/external-callbacks", tags=["external sources"])


class CallbackOut(BaseModel):
    """A callback, without its body."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    source_code: str
    protocol: str
    kind: str
    order_id: UUID | None
    url: str
    state: str
    tries: int
    next_at: datetime
    last_status: int | None
    last_error: str
    created_at: datetime
    sent_at: datetime | None


@router.get("")
async def list_callbacks(
    principal: CallbackRead,
    session: SessionDep,
    paging: Paging,
    state: Annotated[str | None, Query(pattern="^(waiting|sent|given_up)$")] = None,
    order_id: Annotated[UUID | None, Query()] = None,
) -> Page[CallbackOut]:
    """Callbacks, oldest first: `given_up` are those that want a person."""
    ensure_area(principal, None)
    rows = await repository.listing(session, state=state, order_id=order_id, after=after_id(paging), most=paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[CallbackOut.model_validate(row) for row in kept], next_cursor=cursor)


@router.post("/{callback_id}:retry", responses=responses(CallbackNotFound))
async def retry_callback(
    callback_id: UUID, principal: CallbackWrite, session: SessionDep, clock: ClockDep
) -> CallbackOut:
    """Try again what was given up."""
    ensure_area(principal, None)
    row = await repository.again(session, callback_id, clock.now())
    if row is None:
        raise CallbackNotFound("Only a callback that was given up is tried again.")
    await audit.record(session, principal, "external_callback.retry", "external_callback", str(callback_id))
    return CallbackOut.model_validate(row)
