"""Apache Kafka: topics, and the publisher.

Order without loss. For each partition one batch is on its way at a time, and the next is sent only when it is
acknowledged; so a lost batch is never overtaken by a later one. The producer is idempotent (a retry inside the client
writes nothing twice) and waits for all in-sync replicas. After any failure the producer is thrown away, because its
sequence numbers are then in doubt, and the caller sends everything again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.bus.partitioner import partition_of
from shared.bus.port import RETENTION_DAYS, BusSettings, PublishFailed
from shared.bus.reachability import Reachability
from shared.events import Event
from shared.waiting import Backoff

BATCH_BYTES: Final = 512 * 1024
REQUEST_TIMEOUT_S: Final = 10
DELIVERY_TIMEOUT_S: Final = 30
STOP_TIMEOUT_S: Final = 2

AWAY: Final = (KafkaError, OSError, TimeoutError, RuntimeError)
"""What the client library raises when the broker goes away: RuntimeError too, by a write to a transport that uvloop
has closed, which the library does not turn into an error of its own."""

Partition = tuple[str, int]

reachability = Reachability("kafka")


class _LibraryLog(logging.Handler):
    """The client library logs every attempt while the broker is away; we log the change and drop the rest."""

    def emit(self, record: logging.LogRecord) -> None:
        """An error of the library means that the broker is away; but a new group's coordinator takes its time."""
        if record.levelno >= logging.ERROR and not record.name.endswith("group_coordinator"):
            reachability.lost(record.getMessage())


def quiet_library() -> None:
    logger = logging.getLogger("aiokafka")
    if not any(isinstance(handler, _LibraryLog) for handler in logger.handlers):
        logger.addHandler(_LibraryLog())
        logger.propagate = False


def wire_topic(settings: BusSettings, topic: str) -> str:
    """The topic's (or group's) name on the broker."""
    return settings.topic_prefix + topic


@asynccontextmanager
async def admin_client(settings: BusSettings) -> AsyncIterator[Any]:
    """An admin client, closed at the end of the block. Raises KafkaError when the broker is away."""
    quiet_library()
    client = AIOKafkaAdminClient(
        bootstrap_servers=settings.kafka_bootstrap_servers, request_timeout_ms=REQUEST_TIMEOUT_S * 1000
    )
    try:
        await client.start()
        yield client
    finally:
        await client.close()


async def ensure_kafka_topics(settings: BusSettings, topics: Collection[str]) -> None:
    """Create what is missing; existing topics keep their partitions.

    Raises:
        KafkaError: the broker is away, or refuses.
    """
    wanted = [
        NewTopic(
            name=wire_topic(settings, topic),
            num_partitions=settings.bus_partitions,
            replication_factor=settings.bus_replication,
            topic_configs={
                "retention.ms": str(RETENTION_DAYS * 86_400_000),
                "min.insync.replicas": str(max(1, settings.bus_replication - 1)),
            },
        )
        for topic in sorted(set(topics))
    ]
    if not wanted:
        return
    async with admin_client(settings) as client:
        existing = set(await client.list_topics())
        missing = [topic for topic in wanted if topic.name not in existing]
        if not missing:
            return
        answer = await client.create_topics(missing)
        for _topic, code, *_message in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error()


class KafkaPublisher:
    """`Publisher` on Apache Kafka. One caller at a time: a second `publish` waits for the first."""

    def __init__(self, settings: BusSettings) -> None:
        self._settings = settings
        self._producer: Any = None
        self._partitions: dict[str, int] = {}
        self._publishing = asyncio.Lock()

    async def start(self) -> None:
        """Connect; waits for the broker as long as it takes."""
        backoff = Backoff()
        while True:
            try:
                await self._connected()
                return
            except AWAY as error:
                reachability.lost(error)
                await backoff.pause(asyncio.Event())

    async def stop(self) -> None:
        """Disconnect."""
        await self._discard()

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish in order per key; returns when all are acknowledged.

        Raises:
            PublishFailed: send all again.
        """
        async with self._publishing:
            try:
                await asyncio.wait_for(self._publish(events), DELIVERY_TIMEOUT_S)
            except AWAY as error:
                reachability.lost(error)
                await self._discard()
                raise PublishFailed(str(error) or type(error).__name__) from error
            except BaseException:
                await self._discard()
                raise
        reachability.back()

    async def _publish(self, events: Sequence[Event]) -> None:
        producer = await self._connected()
        queues: dict[Partition, list[Event]] = defaultdict(list)
        counts: dict[str, int] = {}
        for event in events:
            count = counts.get(event.topic)
            if count is None:
                count = counts[event.topic] = await self._partition_count(producer, event.topic)
            queues[event.topic, partition_of(event.key.encode(), count)].append(event)
        await asyncio.gather(
            *(
                _send_in_order(producer, wire_topic(self._settings, topic), partition, queue)
                for (topic, partition), queue in queues.items()
            )
        )

    async def _connected(self) -> Any:
        if self._producer is None:
            quiet_library()
            producer = AIOKafkaProducer(
                bootstrap_servers=self._settings.kafka_bootstrap_servers,
                enable_idempotence=True,
                acks="all",
                linger_ms=0,
                max_batch_size=BATCH_BYTES,
                request_timeout_ms=REQUEST_TIMEOUT_S * 1000,
                metadata_max_age_ms=60_000,
            )
            try:
                await producer.start()
            except BaseException:
                await _abandon(producer)
                raise
            self._producer = producer
        return self._producer

    async def _partition_count(self, producer: Any, topic: str) -> int:
        """How many partitions a topic has: asked once a connection, the topic made if missing."""
        if topic not in self._partitions:
            await ensure_kafka_topics(self._settings, [topic])
            self._partitions[topic] = len(await producer.partitions_for(wire_topic(self._settings, topic)))
        return self._partitions[topic]

    async def _discard(self) -> None:
        producer, self._producer = self._producer, None
        self._partitions.clear()
        if producer is not None:
            await _abandon(producer)


async def _send_in_order(producer: Any, topic: str, partition: int, events: Sequence[Event]) -> None:
    """Send one partition's events. The next batch is encoded while one is on its way, and sent after it arrived."""
    acknowledged: asyncio.Future[Any] | None = None
    for batch in _batches(producer, events):
        if acknowledged is not None:
            await acknowledged
        acknowledged = await producer.send_batch(batch, topic, partition=partition)
    if acknowledged is not None:
        await acknowledged


def _batches(producer: Any, events: Sequence[Event]) -> Iterator[Any]:
    """Encode events, in order, into batches of at most BATCH_BYTES (one event may be larger)."""
    batch = producer.create_batch()
    for event in events:
        key, value, headers = event.to_kafka()
        if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
            batch.close()
            yield batch
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None, headers=headers)
    batch.close()
    yield batch


async def _abandon(producer: Any) -> None:
    """Close a producer without waiting for what it could not deliver.

    An idempotent producer retries for ever, so closing it normally would wait for ever while the broker is away; the
    library has no public way to give up, hence the two private attributes.
    """
    producer._message_accumulator.fail_all(KafkaError("abandoned"))
    with suppress(*AWAY):
        await asyncio.wait_for(producer.stop(), STOP_TIMEOUT_S)
        return
    sender = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
    with suppress(*AWAY):
        await asyncio.wait_for(producer.client.close(), STOP_TIMEOUT_S)
