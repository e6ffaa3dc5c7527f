"""What the client library alone can do with the same bytes: no outbox, no inbox, no parsing, no projection.

    python -m tests.bench.raw produce TOPIC          the outbox's events, encoded beforehand
    python -m tests.bench.raw consume TOPIC COUNT

Each says `ready`, waits for a line on standard input, works, and prints the monotonic time at which it ended.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from shared.bus.partitioner import partition_of
from shared.events import Event

Message = tuple[bytes, bytes, list[tuple[str, bytes]]]


async def produce(topic: str) -> None:
    """Send what is in the outbox as fast as it goes: idempotent, acknowledged by all, in order per partition."""
    bootstrap = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", max_batch_size=512 * 1024
    ) as producer:
        partitions = len(await producer.partitions_for(topic))
        queues = await _encoded(partitions)
        await _go()
        await asyncio.gather(*(_send(producer, topic, partition, queue) for partition, queue in queues.items()))
        print(time.monotonic(), flush=True)


async def _encoded(partitions: int) -> dict[int, list[Message]]:
    connection = await asyncpg.connect(os.environ["SAMAKI_DATABASE_URL"])
    rows = await connection.fetch("SELECT event_id, topic, key, type, data FROM outbox ORDER BY id")
    await connection.close()
    queues: dict[int, list[Message]] = defaultdict(list)
    for event_id, topic, key, type_, data in rows:
        event = Event(UUID(str(event_id)), type_, "/samaki/bench", topic, key, datetime.now(UTC), data.encode(), None)
        queues[partition_of(key.encode(), partitions)].append(event.to_kafka())
    return queues


async def _send(producer: Any, topic: str, partition: int, queue: list[Message]) -> None:
    acknowledged = None
    batch = producer.create_batch()
    for key, value, headers in queue:
        if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
            acknowledged = await producer.send_batch(batch, topic, partition=partition)
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None, headers=headers)
    last = await producer.send_batch(batch, topic, partition=partition)
    if acknowledged is not None:
        await acknowledged
    await last


async def consume(topic: str, count: int) -> None:
    """Receive `count` messages and drop them."""
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"], group_id="raw", auto_offset_reset="earliest"
    ) as consumer:
        await _go()
        received = 0
        while received < count:
            batches = await consumer.getmany(timeout_ms=1000, max_records=5000)
            received += sum(map(len, batches.values()))
        print(time.monotonic(), flush=True)


async def _go() -> None:
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new group's coordinator is not there at once
    if sys.argv[1] == "produce":
        uvloop.run(produce(sys.argv[2]))
    else:
        uvloop.run(consume(sys.argv[2], int(sys.argv[3])))
