"""Fault 25 by name: events lost between commit and publication, publications never retried, one poison message that
halts everything. On a real bus of each kind, with the kit's own relay and consumer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, insert, select

from shared.bus import Publisher, PublishFailed, open_publisher, open_subscriber
from shared.consumer import Consumer
from shared.contracts.registry import HOUSEHOLDS
from shared.embedded.postgres import EmbeddedPostgres
from shared.events import Event
from shared.relay import Relay
from shared.tables import outbox_table, parked_event
from shared.testing import TestService, wait_for
from shared.testing.plugin import MakeService
from tests.faults.probe_service import SERVICE, application, change, household, mended

ROOT = Path(__file__).resolve().parents[2]
HOUSEHOLD_COUNT = 30


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Wire:
    """A publisher whose wire is cut on purpose: `fault` sees each batch before it goes on."""

    publisher: Publisher
    fault: Callable[[Publisher, Sequence[Event]], Awaitable[None]]

    async def start(self) -> None:
        await self.publisher.start()

    async def stop(self) -> None:
        await self.publisher.stop()

    async def publish(self, events: Sequence[Event]) -> None:
        await self.fault(self.publisher, events)
        await self.publisher.publish(events)


@dataclass
class Flow:
    """The probe service on a bus, its relay and consumer under the test's control."""

    service: TestService
    households: list[UUID]

    async def change(self, *households: UUID, cause: str = "error") -> None:
        """Change these households once, in one transaction."""
        async with self.service.database.session() as session:
            await change(session, households, cause)

    async def relay_until_crash(self, fault: Callable[[Publisher, Sequence[Event]], Awaitable[None]]) -> None:
        """Run a relay that ends by a crash."""
        wire = Wire(open_publisher(self.service.context.settings), fault)
        await wire.start()
        with pytest.raises(Crash):
            await Relay(self.service.context, wire).run(asyncio.Event())
        await wire.stop()

    @contextlib.asynccontextmanager
    async def relaying(
        self, fault: Callable[[Publisher, Sequence[Event]], Awaitable[None]] | None = None
    ) -> AsyncIterator[None]:
        """A relay at work, until the end of the block."""
        publisher = open_publisher(self.service.context.settings)
        async with _running(Wire(publisher, fault) if fault else publisher, self._relay):
            yield

    async def _relay(self, publisher: Publisher, stop: asyncio.Event) -> None:
        await Relay(self.service.context, publisher).run(stop)

    @contextlib.asynccontextmanager
    async def consuming(self) -> AsyncIterator[None]:
        """A consumer at work, until the end of the block."""
        subscriber = open_subscriber(self.service.context.settings, SERVICE.name, [HOUSEHOLDS])

        async def consume(_: object, stop: asyncio.Event) -> None:
            await Consumer(self.service.context, subscriber).run(stop)

        async with _running(subscriber, consume):
            yield

    async def applied(self) -> dict[UUID, list[int]]:
        """The versions applied, by household, in their order."""
        async with self.service.database.session() as session:
            rows = await session.execute(select(application).order_by(application.c.id))
        found: dict[UUID, list[int]] = defaultdict(list)
        for row in rows:
            found[row.household_id].append(row.version)
        return found

    async def count(self, table: object) -> int:
        """Rows of a table."""
        async with self.service.database.session() as session:
            return await session.scalar(select(func.count()).select_from(table)) or 0  # type: ignore[arg-type]

    async def applications(self, count: int) -> None:
        """Wait until so many changes are applied."""

        async def reached() -> bool:
            return await self.count(application) >= count

        await wait_for(reached, 30, f"{count} changes applied")


@contextlib.asynccontextmanager
async def _running(
    end: object, body: Callable[[object, asyncio.Event], Awaitable[None]] | Callable[..., Awaitable[None]]
) -> AsyncIterator[None]:
    await end.start()  # type: ignore[attr-defined]
    stop = asyncio.Event()
    task = asyncio.ensure_future(body(end, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)
        await end.stop()  # type: ignore[attr-defined]


@pytest.fixture(params=[pytest.param("kafka", marks=pytest.mark.kafka), "postgres"])
async def flow(request: pytest.FixtureRequest, make_service: MakeService, postgres: EmbeddedPostgres) -> Flow:
    """The probe service with households at version 0, on each bus in turn."""
    overrides: dict[str, object] = {"bus": request.param, "topic_prefix": f"f{uuid4().hex[:8]}.", "relay_batch_size": 7}
    if request.param == "kafka":
        overrides["kafka_bootstrap_servers"] = request.getfixturevalue("kafka")
    else:
        role = f"bus_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
        overrides["bus_database_url"] = postgres.provision([role])[role]
    service = await make_service(SERVICE, **overrides)
    households = [uuid4() for _ in range(HOUSEHOLD_COUNT)]
    async with service.database.session() as session:
        await session.execute(insert(household), [{"id": identifier, "version": 0} for identifier in households])
    return Flow(service, households)


async def test_a_crash_between_commit_and_publication_loses_nothing(flow: Flow) -> None:
    async def crash_before(publisher: Publisher, events: Sequence[Event]) -> None:
        raise Crash

    await flow.change(*flow.households)
    await flow.relay_until_crash(crash_before)
    assert await flow.count(outbox_table) == HOUSEHOLD_COUNT
    async with flow.relaying(), flow.consuming():
        await flow.applications(HOUSEHOLD_COUNT)
    assert await flow.applied() == {identifier: [1] for identifier in flow.households}
    assert await flow.count(outbox_table) == 0


async def test_a_crash_after_the_brokers_word_and_before_it_is_noted_repeats_no_effect(flow: Flow) -> None:
    async def crash_after(publisher: Publisher, events: Sequence[Event]) -> None:
        await publisher.publish(events)
        raise Crash

    await flow.change(*flow.households)
    for _ in range(3):
        await flow.relay_until_crash(crash_after)
    async with flow.relaying(), flow.consuming():
        await flow.applications(HOUSEHOLD_COUNT)
        await flow.change(flow.households[0])  # after every repetition: when it is applied, they have all arrived
        await flow.applications(HOUSEHOLD_COUNT + 1)
    assert await flow.applied() == {
        identifier: [1, 2] if identifier == flow.households[0] else [1] for identifier in flow.households
    }


async def test_a_failed_publication_is_sent_again_until_it_is_acknowledged_in_order(flow: Flow) -> None:
    attempts = 0

    async def fail_half_way(publisher: Publisher, events: Sequence[Event]) -> None:
        nonlocal attempts
        attempts += 1
        if attempts % 2:
            await publisher.publish(events[: len(events) // 2])
            raise PublishFailed("the broker went away in the middle")

    async with flow.relaying(fail_half_way), flow.consuming():
        for _ in range(3):
            await flow.change(*flow.households[:10])
        await flow.applications(30)
    assert await flow.applied() == {identifier: [1, 2, 3] for identifier in flow.households[:10]}
    assert attempts > 4


async def test_one_poison_event_is_parked_with_its_successors_and_the_others_go_on(flow: Flow) -> None:
    poisoned, *others = flow.households
    async with flow.relaying(), flow.consuming():
        await flow.change(*others)
        await flow.change(poisoned, cause="merged")
        await flow.change(*flow.households)
        await flow.applications(2 * len(others))
        await wait_for(lambda: _is(flow.count(parked_event), 2), 30, "the poison event and its successor are parked")
    assert await flow.applied() == {identifier: [1, 2] for identifier in others}


async def test_parked_events_are_applied_in_order_by_the_replay_command_once_the_cause_is_mended(flow: Flow) -> None:
    poisoned, *others = flow.households
    async with flow.relaying(), flow.consuming():
        await flow.change(poisoned, cause="merged")
        await flow.change(*flow.households)
        await flow.applications(len(others))
        await wait_for(lambda: _is(flow.count(parked_event), 2), 30, "two events are parked")
    assert await replay(flow, "--parked") == (1, "0 parked events handled, 2 remain")
    async with flow.service.database.session() as session:
        await session.execute(insert(mended).values(cause="merged"))
    assert await replay(flow, "--parked") == (0, "2 parked events handled, 0 remain")
    assert (await flow.applied())[poisoned] == [1, 2]


async def test_a_whole_topic_is_applied_again_by_the_replay_command(flow: Flow) -> None:
    async with flow.relaying(), flow.consuming():
        await flow.change(*flow.households)
        await flow.change(*flow.households[:10])
        await flow.applications(HOUSEHOLD_COUNT + 10)
    before = await flow.applied()
    async with flow.service.database.session() as session:
        await session.execute(application.delete().where(application.c.version == 2))
    assert await replay(flow, "--topic", HOUSEHOLDS) == (0, f"40 events of {HOUSEHOLDS} applied again")
    assert await flow.applied() == before


async def _is(found: Awaitable[int], wanted: int) -> bool:
    return await found == wanted


async def replay(flow: Flow, *arguments: str) -> tuple[int | None, str]:
    """Run the replay role as an operator would; its exit status and what it says."""
    settings = flow.service.context.settings
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SAMAKI_", "KAFKA_"))} | {
        "SAMAKI_DATABASE_URL": settings.database_url.get_secret_value(),
        "SAMAKI_DATABASE_SCHEMA": settings.database_schema,
        "SAMAKI_BUS": settings.bus,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "SAMAKI_BUS_DATABASE_URL": settings.bus_database_url.get_secret_value() if settings.bus_database_url else "",
        "SAMAKI_TOPIC_PREFIX": settings.topic_prefix,
        "SAMAKI_LOG_LEVEL": "error",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.faults.probe_service", "replay", *arguments),
        env=environment,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, output.decode().strip()
