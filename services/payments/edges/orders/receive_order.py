"""Take an order in: stored with its lines, prepared by a job. Nothing is paid without approval."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.edges.errors import BatchExists, RequestMalformed, RequestTooLarge
from services.payments.edges.orders import repository
from services.payments.edges.orders.model import (
    MAX_DAYS_AHEAD,
    MAX_LINES,
    MAX_TOTAL,
    NewOrder,
    currency_of,
    total_of,
)
from services.payments.edges.sources.model import Source
from shared import audit
from shared.auth import Principal
from shared.ids import reference, uuid7
from shared.jobs import enqueue

PREPARE: Final = "prepare_external_order"
LOOK_AGAIN: Final = timedelta(minutes=10)
"""An order that its job has not prepared by then is queued once more, until it is."""


async def receive_order(
    session: AsyncSession, principal: Principal, source: Source, order: NewOrder, now: datetime
) -> UUID:
    """Store the order and queue its preparation; one due later is queued then, by the schedule that looks at orders.

    Returns:
        The order's id.

    Raises:
        RequestMalformed: no lines, due too far ahead, or more money than any order may be.
        RequestTooLarge: more than MAX_LINES lines.
        BatchExists: the source handed this batch over under another request id.
    """
    if not order.lines:
        raise RequestMalformed("Send at least one instruction.")
    if len(order.lines) > MAX_LINES:
        raise RequestTooLarge(f"Send at most {MAX_LINES} instructions in a message: split the batch.")
    if order.due_at is not None and order.due_at > now + timedelta(days=MAX_DAYS_AHEAD):
        raise RequestMalformed(f"Send it at most {MAX_DAYS_AHEAD} days ahead.")
    if total_of(order.lines) > MAX_TOTAL:
        raise RequestMalformed(f"The amounts add up to more than {MAX_TOTAL}: split the batch.")
    order_id = uuid7()
    values = {
        "reference": reference("EO", order_id),
        "source": source.code,
        "currency": currency_of(order.lines),
        "actor": principal.subject,
        "now": now,
        "check_at": order.due_at if order.due_at is not None else now + LOOK_AGAIN,
    }
    if not await repository.add(session, order_id, order, values):
        raise BatchExists("Ask for the status of that batch, or use a new batch id.")
    if order.due_at is None or order.due_at <= now:
        await enqueue(session, PREPARE, {"order_id": str(order_id)}, key=str(order_id))
    detail = {"source": source.code, "protocol": order.protocol, "count": len(order.lines)}
    await audit.record(session, principal, "external_order.receive", "external_order", str(order_id), detail)
    return order_id
