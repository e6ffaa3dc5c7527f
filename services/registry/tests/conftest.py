"""A running registry with a few real places."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from services.registry.app import SERVICE
from services.registry.tests.building import KEYS, Registry
from shared.testing.service import TestService


@pytest.fixture
async def registry(make_service: Callable[..., Awaitable[TestService]]) -> Registry:
    """A registry with four villages."""
    made = Registry(await make_service(SERVICE, **KEYS))
    await made.place_villages()
    return made
