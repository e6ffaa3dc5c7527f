"""Payments on one page: who was paid."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from services.payments.accounts.apply_import import IMPORT_ACCOUNTS
from services.payments.accounts.endpoints import router as accounts_router
from services.payments.funds.endpoints import router as funds_router
from services.payments.instructions.endpoints import router as payments_router
from services.payments.ledger.endpoints import router as ledger_router
from services.payments.lists.build_list import BUILD_LIST
from services.payments.lists.disburse_list import DISBURSE_LIST
from services.payments.lists.endpoints import router as lists_router
from services.payments.rails.wiring import JOBS, ROUTERS, SCHEDULES
from services.payments.resources import open_resources
from services.payments.settings import PaymentsSettings
from services.payments.subscriptions import SUBSCRIPTIONS
from shared.app import build_app
from shared.contracts import payments as contract
from shared.service import Service
from shared.settings import Settings

SERVICE = Service(
    name="payments",
    title="Samaki payments",
    settings=PaymentsSettings,
    migrations=Path(__file__).parent / "migrations",
    routers=(accounts_router, funds_router, lists_router, payments_router, ledger_router, *ROUTERS),
    subscriptions=SUBSCRIPTIONS,
    jobs=(IMPORT_ACCOUNTS, BUILD_LIST, DISBURSE_LIST, *JOBS),
    schedules=SCHEDULES,
    publishes=(contract.PAYMENTS, contract.CYCLES),
    resources=open_resources,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service's app, for an ASGI server."""
    return build_app(SERVICE, settings)
