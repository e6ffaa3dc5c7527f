"""What app.py takes from the cash rail besides the rail itself (which `rails.catalogue` lists)."""

from __future__ import annotations

from datetime import timedelta

from services.payments.rails.cash.agents_endpoints import router as agents_router
from services.payments.rails.cash.end_collections import expire_collections
from services.payments.rails.cash.endpoints import router as cash_router
from services.payments.rails.cash.messages import send_cash_messages
from shared.jobs import Schedule
from shared.service import Context

__all__ = ["ROUTERS", "SCHEDULES"]


async def _expire(context: Context) -> None:
    await expire_collections(context)


ROUTERS = (cash_router, agents_router)
SCHEDULES = (
    Schedule("send_cash_messages", timedelta(seconds=5), send_cash_messages),
    Schedule("expire_cash_collections", timedelta(minutes=15), _expire, lease=timedelta(minutes=30)),
)
