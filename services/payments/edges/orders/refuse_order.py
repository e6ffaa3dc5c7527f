"""An officer refuses an order: none of it will be paid, and the source is told."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.edges.errors import OrderNotFound, OrderOnList, OrderState
from services.payments.edges.orders import model, repository
from services.payments.metadata import Record
from shared import audit
from shared.auth import Principal, ensure_area

_OPEN = frozenset({model.OrderState.RECEIVED, model.OrderState.PREPARED})


async def refuse_order(
    session: AsyncSession, principal: Principal, order_id: UUID, reason: str, now: datetime
) -> Record:
    """Withdraw the order's entitlements while no list is under way.

    Raises:
        OutsideArea, OrderNotFound, OrderState.
        OrderOnList: reject its payment list first: what officers approved is undone by officers.
    """
    ensure_area(principal, None)
    row = await repository.by_id(session, order_id, lock=True)
    if row is None:
        raise OrderNotFound("Look at the id again.")
    if row.state not in _OPEN:
        raise OrderState(f"It is {row.state} already.", order_state=row.state)
    live = await repository.live_list(session, order_id)
    if live is not None:
        raise OrderOnList("Reject that payment list first.", payment_list_id=str(live.id), list_status=live.status)
    await repository.revoke(session, order_id, "order_cancelled")
    changed = await repository.set_state(
        session,
        order_id,
        model.OrderState.CANCELLED,
        refusal=reason,
        count=row.accepted_count,
        amount=row.accepted_amount,
        now=now,
    )
    await audit.record(session, principal, "external_order.refuse", "external_order", str(order_id), {"reason": reason})
    return changed
