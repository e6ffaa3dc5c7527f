"""A running registry with a few real places."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from services.registry.app import SERVICE
from services.registry.places import repository as places
from services.registry.places.location_class import load_class_rules
from services.registry.tests.building import KEYS, VILLAGES, Registry, place_rows
from shared.testing.service import TestService


@pytest.fixture
async def registry(make_service: Callable[..., Awaitable[TestService]]) -> Registry:
    """A registry with four villages."""
    service = await make_service(SERVICE, **KEYS)
    rules = load_class_rules()
    async with service.database.session() as session:
        await places.upsert_places(session, place_rows())
        await places.set_rule_classes(session, {code: rules.class_of(code) for code in VILLAGES}, rules.valid_from)
    return Registry(service)
