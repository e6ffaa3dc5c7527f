"""External orders over HTTP, for the officers who turn them into payment lists or refuse them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from services.payments.edges.errors import OrderNotFound, OrderOnList, OrderState
from services.payments.edges.orders import repository
from services.payments.edges.orders.refuse_order import refuse_order
from services.payments.edges.orders.schemas import OrderLineOut, OrderOut, Refusal
from services.payments.fields import after_id
from shared.auth import Principal, ensure_area, requires
from shared.errors import BadRequest, responses
from shared.etag import etag
from shared.http import ClockDep, Router, SessionDep
from shared.pagination import Page, PageParams, Paging

OrderRead = Annotated[
    Principal, requires("payment_officer", "payment_approver", "finance_officer", "programme_officer", "auditor")
]
OrderWrite = Annotated[Principal, requires("payment_officer")]
router = Router(prefix="/payments/v1/external-orders", tags=["external sources"])


@router.get("")
async def list_orders(
    principal: OrderRead,
    session: SessionDep,
    paging: Paging,
    source: Annotated[str | None, Query(max_length=12)] = None,
    state: Annotated[str | None, Query(pattern="^(received|prepared|refused|cancelled)$")] = None,
) -> Page[OrderOut]:
    """Orders, oldest first. A prepared one waits for its payment list: POST /payment-lists with its id as cycle_id."""
    ensure_area(principal, None)
    rows = await repository.listing(session, source=source, state=state, after=after_id(paging), most=paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"id": str(row.id)})
    return Page(items=[OrderOut.model_validate(row) for row in kept], next_cursor=cursor)


@router.get("/{order_id}", responses=responses(OrderNotFound))
async def read_order(order_id: UUID, principal: OrderRead, session: SessionDep, response: Response) -> OrderOut:
    """One order."""
    ensure_area(principal, None)
    row = await repository.by_id(session, order_id)
    if row is None:
        raise OrderNotFound("Look at the id again.")
    response.headers["ETag"] = etag(row.version)
    return OrderOut.model_validate(row)


@router.get("/{order_id}/lines", responses=responses(OrderNotFound))
async def list_lines(order_id: UUID, principal: OrderRead, session: SessionDep, paging: Paging) -> Page[OrderLineOut]:
    """The lines and what became of each."""
    ensure_area(principal, None)
    if await repository.by_id(session, order_id) is None:
        raise OrderNotFound("Look at the id again.")
    rows = await repository.report(session, order_id, after=_after_line(paging), most=paging.fetch)
    kept, cursor = paging.cut(rows, lambda row: {"line": row.line})
    return Page(items=[OrderLineOut.model_validate(row) for row in kept], next_cursor=cursor)


@router.post("/{order_id}:refuse", responses=responses(OrderNotFound, OrderState, OrderOnList))
async def refuse(
    order_id: UUID, body: Refusal, principal: OrderWrite, session: SessionDep, clock: ClockDep
) -> OrderOut:
    """Refuse an order: none of it will be paid, and the source is told."""
    row = await refuse_order(session, principal, order_id, body.reason, clock.now())
    return OrderOut.model_validate(row)


def _after_line(paging: PageParams) -> int:
    key = paging.after()
    if key is None:
        return 0
    line = key.get("line")
    if not isinstance(line, int):
        raise BadRequest("Use the next_cursor of the page before, as it is.")
    return line
