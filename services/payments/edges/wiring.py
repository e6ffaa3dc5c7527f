"""What app.py takes from the edges: endpoints, jobs and schedules."""

from __future__ import annotations

from datetime import timedelta

from services.payments.edges.callbacks.endpoints import router as callbacks_router
from services.payments.edges.callbacks.send_callbacks import send_callbacks
from services.payments.edges.g2p_connect.disburse import router as disburse_router
from services.payments.edges.g2p_connect.mapper import router as mapper_router
from services.payments.edges.govstack.payments import router as govstack_router
from services.payments.edges.govstack.validation import router as validation_router
from services.payments.edges.govstack.vouchers import router as vouchers_router
from services.payments.edges.orders.endpoints import router as orders_router
from services.payments.edges.orders.prepare_order import PREPARE_ORDER
from services.payments.edges.orders.report_orders import report_orders
from services.payments.edges.sources.endpoints import router as sources_router
from shared.jobs import Schedule
from shared.service import Context

__all__ = ["JOBS", "ROUTERS", "SCHEDULES"]


async def _report(context: Context) -> None:
    await report_orders(context)


async def _send(context: Context) -> None:
    await send_callbacks(context)


ROUTERS = (
    sources_router,
    orders_router,
    callbacks_router,
    vouchers_router,
    govstack_router,
    validation_router,
    disburse_router,
    mapper_router,
)
JOBS = (PREPARE_ORDER,)
SCHEDULES = (
    Schedule("report_external_orders", timedelta(seconds=10), _report),
    Schedule("send_external_callbacks", timedelta(seconds=5), _send),
)
