"""Payments on one page: who was paid."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from services.payments.accounts.apply_import import IMPORT_ACCOUNTS
from services.payments.accounts.endpoints import router as accounts_router
from services.payments.accounts.validation import VALIDATE_ACCOUNT
from services.payments.advice.endpoints import router as papers_router
from services.payments.collections.endpoints import router as collections_router
from services.payments.edges import wiring as edges
from services.payments.emergency_stops.endpoints import router as stops_router
from services.payments.explanations.endpoints import router as why_router
from services.payments.exports.endpoints import router as exports_router
from services.payments.funds.endpoints import router as funds_router
from services.payments.fx.endpoints import router as fx_router
from services.payments.instructions.endpoints import router as payments_router
from services.payments.instructions.expire_payments import EXPIRE_PAYMENTS, HOURLY
from services.payments.ledger.endpoints import router as ledger_router
from services.payments.ledger.run_self_check import NIGHTLY, SELF_CHECK
from services.payments.lists.build_list import BUILD_LIST
from services.payments.lists.disburse_list import DISBURSE_LIST
from services.payments.lists.endpoints import router as lists_router
from services.payments.rails.cash import wiring as cash
from services.payments.rails.wiring import JOBS, ROUTERS, SCHEDULES
from services.payments.recoveries.endpoints import router as claims_router
from services.payments.resources import open_resources
from services.payments.sanctions.endpoints import router as sanctions_router
from services.payments.sanctions.hit_endpoints import router as hits_router
from services.payments.sanctions.screen_accounts import SCREEN_ACCOUNTS
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
    routers=(
        accounts_router,
        funds_router,
        fx_router,
        lists_router,
        stops_router,
        payments_router,
        claims_router,
        collections_router,
        sanctions_router,
        hits_router,
        why_router,
        papers_router,
        exports_router,
        ledger_router,
        *ROUTERS,
        *cash.ROUTERS,
        *edges.ROUTERS,
    ),
    subscriptions=SUBSCRIPTIONS,
    jobs=(
        IMPORT_ACCOUNTS,
        VALIDATE_ACCOUNT,
        BUILD_LIST,
        DISBURSE_LIST,
        EXPIRE_PAYMENTS,
        SELF_CHECK,
        SCREEN_ACCOUNTS,
        *JOBS,
        *edges.JOBS,
    ),
    schedules=(HOURLY, NIGHTLY, *SCHEDULES, *cash.SCHEDULES, *edges.SCHEDULES),
    publishes=(contract.PAYMENTS, contract.CYCLES, contract.REMEDIES),
    resources=open_resources,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service's app, for an ASGI server."""
    return build_app(SERVICE, settings)
