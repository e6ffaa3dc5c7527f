"""Tell sources what became of their orders: when every line has come to an end, and again when that changes.

Looked at in due order, the young ones often and the old ones seldom, since money can come back weeks later.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.edges.callbacks.queue_callback import queue_callback
from services.payments.edges.orders import repository
from services.payments.edges.orders.model import LineReport, OrderState, finished, report_hash
from services.payments.edges.orders.receive_order import LOOK_AGAIN, PREPARE
from services.payments.edges.protocols import ADDRESSES, BUILDERS
from services.payments.edges.sources import repository as sources
from shared.jobs import enqueue
from shared.service import Context

FETCH: Final = 20_000
_SOONEST: Final = timedelta(seconds=15)
_LATEST: Final = timedelta(hours=6)
_FORGET: Final = timedelta(days=180)
_MOST: Final = 20


async def report_orders(context: Context) -> int:
    """Look at the orders that are due, one transaction each.

    Returns:
        How many sources are to be called.
    """
    told = 0
    for _ in range(_MOST):
        async with context.database.session() as session:
            due = await repository.due_reports(session, context.clock.now(), 1)
            if not due:
                break
            told += await _look_at(context, session, due[0])
    return told


async def _look_at(context: Context, session: AsyncSession, order_id: UUID) -> int:
    order = await repository.by_id(session, order_id)
    assert order is not None
    now = context.clock.now()
    if order.state == OrderState.RECEIVED:  # due only now, or its job came to nothing
        await enqueue(session, PREPARE, {"order_id": str(order_id)}, key=str(order_id))
        await repository.checked(session, order_id, now + LOOK_AGAIN, None)
        return 0
    reports = await repository.report(session, order_id, most=FETCH)
    over = finished(reports)
    told = report_hash(reports) if over else None
    news = told is not None and told != (bytes(order.reported_hash) if order.reported_hash is not None else None)
    if news and order.callback_url:
        await _tell(context, session, order, reports, now)
    await repository.checked(session, order_id, _next(order, over, now), told)
    return int(news and bool(order.callback_url))


async def _tell(context: Context, session: AsyncSession, order: Any, reports: list[LineReport], now: datetime) -> None:
    row = await sources.by_code(session, order.source_code)
    assert row is not None
    builder = BUILDERS[order.protocol]
    body = builder(context, sources.source_of(row), order, reports, now)
    address = ADDRESSES.get(order.protocol)
    await queue_callback(
        session,
        context.resources.cipher,
        source=order.source_code,
        protocol=order.protocol,
        kind="order",
        order_id=order.id,
        url=order.callback_url if address is None else address(order),
        body=body,
        now=now,
    )


def _next(order: Any, over: bool, now: datetime) -> datetime | None:
    age = now - (order.prepared_at or order.created_at)
    if age > _FORGET:
        return None
    return now + (_LATEST if over else min(max(age / 20, _SOONEST), _LATEST))
