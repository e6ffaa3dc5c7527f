"""A bus to test: the same suite on Apache Kafka and on the log in PostgreSQL, each test with topics of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

from shared.bus import Delivery, Publisher, Subscriber, ensure_topics, open_publisher, open_subscriber
from shared.bus.postgres_log import connection
from shared.embedded.postgres import EmbeddedPostgres
from shared.events import Event
from shared.ids import uuid7

TOPIC = "probe.things"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Headers = Sequence[tuple[str, bytes]]


def event(key: str, number: int, *, topic: str = TOPIC, traceparent: str | None = None) -> Event:
    """An event of this key that carries a number."""
    return Event(
        id=uuid7(),
        type="samaki.probe.thing.changed.v1",
        source="/samaki/probe",
        topic=topic,
        key=key,
        time=datetime.now(UTC),
        data=b'{"number":%d}' % number,
        traceparent=traceparent,
    )


def number_of(delivery: Delivery) -> int:
    """The number that `event` put in."""
    assert delivery.event is not None, delivery.malformed
    return int(delivery.event.data.removeprefix(b'{"number":').removesuffix(b"}"))


@dataclass(frozen=True)
class BusUnderTest:
    """Settings of one bus (a `BusSettings`), and what tests do with it."""

    bus: Literal["kafka", "postgres"]
    kafka_bootstrap_servers: str = ""
    bus_database_url: SecretStr | None = None
    bus_partitions: int = 6
    bus_replication: int = 1
    topic_prefix: str = field(default_factory=lambda: f"t{uuid4().hex[:12]}.")
    opened: list[Publisher | Subscriber] = field(default_factory=list)

    async def publisher(self) -> Publisher:
        """A started publisher, stopped after the test."""
        publisher = open_publisher(self)
        self.opened.append(publisher)
        await asyncio.wait_for(publisher.start(), 20)
        return publisher

    async def subscriber(self, group: str = "readers", topics: Sequence[str] = (TOPIC,)) -> Subscriber:
        """A started member of a group, stopped after the test."""
        subscriber = open_subscriber(self, group, topics)
        self.opened.append(subscriber)
        await asyncio.wait_for(subscriber.start(), 30)
        return subscriber

    async def inject(self, key: bytes | None, value: bytes | None, headers: Headers, topic: str = TOPIC) -> None:
        """Put a message on the bus that the platform would never write."""
        await ensure_topics(self, [topic])
        if self.bus == "kafka":
            async with AIOKafkaProducer(bootstrap_servers=self.kafka_bootstrap_servers) as producer:
                await producer.send_and_wait(self.topic_prefix + topic, value, key, partition=0, headers=list(headers))
            return
        async with connection(self) as opened, opened.transaction():
            place = await opened.fetchval(
                "UPDATE bus_head SET next_offset = next_offset + 1 WHERE topic = $1 AND partition = 0"
                " RETURNING next_offset - 1",
                self.topic_prefix + topic,
            )
            await opened.execute(
                "INSERT INTO bus_log (topic, partition, log_offset, key, value, header_names, header_values)"
                " VALUES ($1, 0, $2, $3, $4, $5, $6)",
                self.topic_prefix + topic,
                place,
                key,
                value,
                [name for name, _ in headers],
                [text for _, text in headers],
            )


async def take(subscriber: Subscriber, count: int, *, commit: bool = True, deadline_s: float = 30) -> list[Delivery]:
    """Poll until `count` messages came; fails after the deadline, saying how many did."""
    taken: list[Delivery] = []
    end = asyncio.get_running_loop().time() + deadline_s
    while len(taken) < count:
        assert asyncio.get_running_loop().time() < end, f"{len(taken)} of {count} messages in {deadline_s} s"
        deliveries = await subscriber.poll(5_000, 1.0)
        taken += deliveries
        if commit:
            await subscriber.commit(deliveries)
    return taken


@pytest.fixture(scope="session")
def bus_database(postgres: EmbeddedPostgres) -> SecretStr:
    """A role and schema for the log in PostgreSQL."""
    role = f"bus_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    return SecretStr(postgres.provision([role])[role])


@pytest.fixture(params=[pytest.param("kafka", marks=pytest.mark.kafka), "postgres"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[BusUnderTest]:
    """Each bus in turn."""
    if request.param == "kafka":
        under_test = BusUnderTest("kafka", kafka_bootstrap_servers=request.getfixturevalue("kafka"))
    else:
        under_test = BusUnderTest("postgres", bus_database_url=request.getfixturevalue("bus_database"))
    yield under_test
    for opened in under_test.opened:
        await opened.stop()
