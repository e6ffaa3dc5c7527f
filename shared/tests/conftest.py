"""A probe service for the kit's tests."""

import pytest

from shared.testing import TestService
from shared.tests.probe.service import SERVICE


@pytest.fixture
async def probe(make_service) -> TestService:
    return await make_service(SERVICE)
