"""Apache Kafka: the subscriber. Offsets are committed by the caller, after its database transaction.

The client library retries by itself while the broker is away, until one of its background tasks ends with an error;
from then on every call raises the same error and nothing arrives any more. So a client that raised when polled is
thrown away and another joins the group: to the group that is a rebalance, to the caller an empty poll.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError

from shared.bus.kafka import (
    AWAY,
    REQUEST_TIMEOUT_S,
    STOP_TIMEOUT_S,
    ensure_kafka_topics,
    quiet_library,
    reachability,
    wire_topic,
)
from shared.bus.port import BusSettings, Delivery
from shared.telemetry import get_logger
from shared.waiting import Backoff

HANDOVER_S: Final = 5.0
"""How long a rebalance waits for the batch in hand to be committed, so that it is not delivered twice."""
COMMIT_TIMEOUT_S: Final = 10.0

_log = get_logger(__name__)


class KafkaSubscriber(ConsumerRebalanceListener):  # type: ignore[misc]  # the library is untyped
    """`Subscriber` on Apache Kafka."""

    def __init__(self, settings: BusSettings, group: str, topics: Sequence[str]) -> None:
        self._settings = settings
        self._group = wire_topic(settings, group)
        self._topics = tuple(topics)
        self._consumer: Any = None
        self._in_hand: dict[TopicPartition, int] = {}
        """Next offset after what was polled and is not committed, for partitions that are still ours."""
        self._settled = asyncio.Event()
        self._settled.set()
        self._handing_over = False
        self._committed: dict[TopicPartition, int] = {}
        self._last_lag = 0

    async def start(self) -> None:
        """Connect and join the group; waits for the broker as long as it takes."""
        quiet_library()
        backoff = Backoff()
        while not await self._joined():
            await backoff.pause(asyncio.Event())

    async def _joined(self) -> bool:
        """One attempt to connect and join, where there is no client."""
        if self._consumer is not None:
            return True
        consumer = None
        try:
            await ensure_kafka_topics(self._settings, self._topics)
            consumer = self._new_consumer()
            consumer.subscribe([wire_topic(self._settings, topic) for topic in self._topics], listener=self)
            await consumer.start()
        except BaseException as error:
            if consumer is not None:
                await _abandon(consumer)
            if not isinstance(error, AWAY):
                raise
            reachability.lost(error)
            return False
        self._consumer = consumer
        return True

    def _new_consumer(self) -> Any:
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap_servers,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_min_bytes=1,
            fetch_max_wait_ms=500,
            max_partition_fetch_bytes=1024 * 1024,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            request_timeout_ms=REQUEST_TIMEOUT_S * 1000,
            metadata_max_age_ms=30_000,
        )

    async def stop(self) -> None:
        """Leave the group. Nothing is committed."""
        consumer, self._consumer = self._consumer, None
        self._forget()
        if consumer is not None:
            await consumer.stop()

    async def _give_up(self) -> None:
        """Throw the client away; the next poll joins with another."""
        consumer, self._consumer = self._consumer, None
        self._forget()
        if consumer is not None:
            await _abandon(consumer)

    async def poll(self, max_events: int, timeout_s: float) -> list[Delivery]:
        """The next messages, in order per partition; empty when none came in time."""
        if self._handing_over:  # take no more into the hand that is to be emptied
            await asyncio.sleep(min(timeout_s, 0.05))
            return []
        if not await self._joined():
            await asyncio.sleep(min(timeout_s, 1.0))
            return []
        try:
            records = await self._consumer.getmany(timeout_ms=int(timeout_s * 1000), max_records=max_events)
        except AWAY as error:
            reachability.lost(error)
            await self._give_up()
            return []
        if not records:
            return []
        reachability.back()
        prefix = len(self._settings.topic_prefix)
        deliveries: list[Delivery] = []
        for partition, messages in records.items():
            topic = partition.topic[prefix:]
            deliveries += [
                Delivery.read(topic, partition.partition, message.offset, message.key, message.value, message.headers)
                for message in messages
            ]
            self._in_hand[partition] = messages[-1].offset + 1
        self._settled.clear()
        return deliveries

    async def commit(self, deliveries: Collection[Delivery]) -> None:
        """Remember that these are done; what has been given to another member is left out."""
        done: dict[TopicPartition, int] = {}
        for delivery in deliveries:
            partition = TopicPartition(wire_topic(self._settings, delivery.topic), delivery.partition)
            if delivery.offset < self._in_hand.get(partition, 0):
                done[partition] = max(done.get(partition, 0), delivery.offset + 1)
        if not done or self._consumer is None:
            return
        try:
            await asyncio.wait_for(self._consumer.commit(done), COMMIT_TIMEOUT_S)
        except (CommitFailedError, IllegalStateError) as error:
            _log.info("offsets not committed: the group was rebalanced", group=self._group, reason=str(error))
            return
        except AWAY as error:
            reachability.lost(error)
            return
        reachability.back()
        self._committed.update(done)
        for partition, offset in done.items():
            if self._in_hand.get(partition) == offset:
                del self._in_hand[partition]
        if not self._in_hand:
            self._settled.set()

    async def rewind(self) -> None:
        """Go back to what was last committed."""
        self._forget()
        if self._consumer is None:
            return  # a new client begins there
        for partition in self._consumer.assignment():
            offset = await self._consumer.committed(partition)
            if offset is None:
                await self._consumer.seek_to_beginning(partition)
            else:
                self._consumer.seek(partition, offset)

    async def seek_to_beginning(self, topics: Collection[str]) -> None:
        """Deliver these topics again from the oldest event kept."""
        names = {wire_topic(self._settings, topic) for topic in topics}
        partitions = [partition for partition in self._consumer.assignment() if partition.topic in names]
        if not partitions:
            return
        beginnings = await self._consumer.beginning_offsets(partitions)
        await self._consumer.commit(beginnings)
        for partition, offset in beginnings.items():
            self._in_hand.pop(partition, None)
            self._consumer.seek(partition, offset)
        self._committed.update(beginnings)

    async def lag(self) -> int:
        """Events of this member's partitions not committed; while the broker is away, the last figure known."""
        try:
            self._last_lag = await asyncio.wait_for(self._lag(), REQUEST_TIMEOUT_S)
        except AWAY as error:
            reachability.lost(error)
        return self._last_lag

    async def _lag(self) -> int:
        if self._consumer is None:
            return self._last_lag
        partitions = list(self._consumer.assignment())
        if not partitions:
            return 0
        beginnings = await self._consumer.beginning_offsets(partitions)
        ends = await self._consumer.end_offsets(partitions)
        behind = 0
        for partition in partitions:
            if partition not in self._committed:
                self._committed[partition] = await self._consumer.committed(partition) or 0
            behind += max(0, ends[partition] - max(self._committed[partition], beginnings[partition]))
        return behind

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """A rebalance begins: let the batch in hand be committed first, then forget what was ours."""
        if revoked and self._in_hand:
            self._handing_over = True
            try:
                await asyncio.wait_for(self._settled.wait(), HANDOVER_S)
            except TimeoutError:
                _log.info("a rebalance did not wait for the batch in hand", group=self._group)
            finally:
                self._handing_over = False
        self._forget()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """A rebalance ended."""
        _log.info("partitions assigned", group=self._group, count=len(assigned))

    def _forget(self) -> None:
        self._in_hand.clear()
        self._committed.clear()
        self._settled.set()


async def _abandon(consumer: Any) -> None:
    """Close a client that failed; what closing meets is no news, and the broker drops a member that is silent."""
    with suppress(*AWAY):
        await asyncio.wait_for(consumer.stop(), STOP_TIMEOUT_S)
