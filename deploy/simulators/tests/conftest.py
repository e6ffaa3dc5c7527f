"""An operator of our own beside a payments service whose rail talks to it, callbacks and all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from deploy.simulators.mobile_money.app import create_app
from services.payments.days import ZONE
from services.payments.rails.tests.platform import SECRET, SERVICE, SETTINGS, serving
from shared.clock import SystemClock
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

CALLBACKS: Final = "/payments/v1/rails/mobile_money/callbacks"


@pytest.fixture
async def operator() -> AsyncIterator[httpx.AsyncClient]:
    async with serving(create_app(SECRET)) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        yield client


@pytest.fixture
async def service(
    make_service: MakeService, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TestService]:
    """In real time: the operator signs its own."""
    url = str(operator.base_url)
    made = await make_service(SERVICE, **SETTINGS | {"mobile_money_url": url, "rail_timeout_seconds": 2.0})
    monkeypatch.setattr(made.context, "clock", SystemClock(ZONE))
    async with serving(made.app, lifespan="off") as address:
        rail: Any = made.context.resources.rails.rail("mobile_money")
        monkeypatch.setattr(rail, "_callback_url", address + CALLBACKS)
        yield made
