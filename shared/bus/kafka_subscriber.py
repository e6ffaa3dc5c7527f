"""Apache Kafka: the subscriber. Offsets are committed by the caller, after its database transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from shared.bus.kafka import REQUEST_TIMEOUT_S, ensure_kafka_topics, quiet_library, reachability, wire_topic
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
        while True:
            consumer = None
            try:
                await ensure_kafka_topics(self._settings, self._topics)
                consumer = self._new_consumer()
                consumer.subscribe([wire_topic(self._settings, topic) for topic in self._topics], listener=self)
                await consumer.start()
            except (KafkaError, OSError) as error:
                reachability.lost(error)
                if consumer is not None:
                    await consumer.stop()
                await backoff.pause(asyncio.Event())
                continue
            self._consumer = consumer
            return

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

    async def poll(self, max_events: int, timeout_s: float) -> list[Delivery]:
        """The next messages, in order per partition; empty when none came in time."""
        if self._handing_over:  # take no more into the hand that is to be emptied
            await asyncio.sleep(min(timeout_s, 0.05))
            return []
        try:
            records = await self._consumer.getmany(timeout_ms=int(timeout_s * 1000), max_records=max_events)
        except KafkaError as error:
            reachability.lost(error)
            await asyncio.sleep(min(timeout_s, 1.0))
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
        if not done:
            return
        try:
            await asyncio.wait_for(self._consumer.commit(done), COMMIT_TIMEOUT_S)
        except (CommitFailedError, IllegalStateError) as error:
            _log.info("offsets not committed: the group was rebalanced", group=self._group, reason=str(error))
            return
        except (KafkaError, TimeoutError) as error:
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
        except (KafkaError, TimeoutError) as error:
            reachability.lost(error)
        return self._last_lag

    async def _lag(self) -> int:
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
