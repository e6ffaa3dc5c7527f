"""pytest plugin: `-p shared.testing.plugin`.

Fixtures:
    postgres        the session's database server (embedded PostgreSQL 18)
    kafka           bootstrap servers of the session's broker; the test is skipped, with the reason, where none can run
    keys            the session's signing key
    clock           a clock that stands at 2020-07-01 09:00 UTC, 16:00 in Phnom Penh
    make_service    `await make_service(SERVICE, **settings)` -> TestService, on a fresh schema of this worker
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis
import pytest

from shared import telemetry
from shared.clock import FixedClock
from shared.embedded.postgres import EmbeddedPostgres
from shared.service import Service
from shared.testing.keys import TestKeys
from shared.testing.schemas import Schemas
from shared.testing.servers import Servers
from shared.testing.service import TestService, running

ZONE = ZoneInfo("Asia/Phnom_Penh")
START = datetime(2020, 7, 1, 9, 0, tzinfo=UTC)
_SERVERS = pytest.StashKey[Servers]()
MakeService = Callable[..., Awaitable[TestService]]


def pytest_configure(config: pytest.Config) -> None:
    """With parallel workers, the controller starts the servers before they do."""
    telemetry.configure("test", "test", level="warning")
    # A busy machine makes examples slowly: that is no fault of the code. What a property says is checked all the same.
    hypothesis.settings.register_profile(
        "samaki", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("samaki")
    parallel = bool(getattr(config.option, "numprocesses", None)) and not hasattr(config, "workerinput")
    if parallel and not config.option.collectonly:
        servers = Servers()
        config.stash[_SERVERS] = servers
        servers.start_for_workers()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    servers = config.stash.get(_SERVERS, None)
    if servers is not None:
        servers.stop()


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[Servers]:
    """The session's servers."""
    known = pytestconfig.stash.get(_SERVERS, None)
    if known is not None:
        yield known
        return
    started = Servers()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def postgres(servers: Servers) -> EmbeddedPostgres:
    """The session's database server."""
    return servers.postgres()


@pytest.fixture(scope="session")
def kafka(servers: Servers) -> str:
    """Bootstrap servers of the session's broker."""
    bootstrap = servers.kafka_bootstrap()
    if bootstrap is None:
        pytest.skip(f"no Kafka here: {servers.kafka_reason}")
    return bootstrap


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> TestKeys:
    """The session's signing key."""
    return TestKeys(Path(tmp_path_factory.mktemp("keys")))


@pytest.fixture
def clock() -> FixedClock:
    """A clock that the test moves."""
    return FixedClock(START, ZONE)


@pytest.fixture(scope="session")
def schemas(postgres: EmbeddedPostgres) -> Schemas:
    """Migrated schemas of this worker."""
    return Schemas(postgres, os.environ.get("PYTEST_XDIST_WORKER", "main"))


@pytest.fixture
async def make_service(schemas: Schemas, keys: TestKeys, clock: FixedClock) -> AsyncIterator[MakeService]:
    """Start services for one test."""
    async with AsyncExitStack() as stack:

        async def make(service: Service, **overrides: Any) -> TestService:
            await schemas.fresh(service)
            values: dict[str, Any] = {
                "database_url": schemas.dsn(service),
                "database_schema": schemas.name(service),
                "kafka_bootstrap_servers": "127.0.0.1:1",  # not used: events are handed over by the test
                "jwks": str(keys.jwks),
            }
            settings = service.settings(**(values | overrides))
            return await stack.enter_async_context(running(service, settings, keys, clock))

        yield make
