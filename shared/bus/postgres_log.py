"""A log in PostgreSQL that stands in for Kafka where no broker can run: tables, and the publisher.

Each partition has a head row with its next offset. A publisher locks the heads it needs (in one order, so that two
never wait for each other), writes its rows and moves the heads, all in one transaction: offsets have no gaps, become
visible in their order, and a failed transaction leaves nothing. Tables live in the schema of the connecting role.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import asyncpg

from shared.bus.partitioner import partition_of
from shared.bus.port import RETENTION_DAYS, BusSettings, PublishFailed
from shared.bus.reachability import Reachability
from shared.events import Event
from shared.waiting import Backoff

CHANNEL: Final = "samaki_bus"
TRIM_CHUNK: Final = 10_000
PUBLISH_TIMEOUT_S: Final = 30

AWAY: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What the driver raises when the database is gone, going, or refuses."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS bus_topic (
    topic text PRIMARY KEY,
    partitions int NOT NULL CHECK (partitions > 0)
);
CREATE TABLE IF NOT EXISTS bus_head (
    topic text NOT NULL,
    partition int NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS bus_log (
    topic text NOT NULL,
    partition int NOT NULL,
    log_offset bigint NOT NULL,
    key bytea,
    value bytea,
    header_names text[] NOT NULL,
    header_values bytea[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, partition, log_offset)
);
CREATE TABLE IF NOT EXISTS bus_offset (
    group_name text NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    next_offset bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (group_name, topic, partition)
) WITH (fillfactor = 50);
"""
_LOG_COLUMNS: Final = ("topic", "partition", "log_offset", "key", "value", "header_names", "header_values")

reachability = Reachability("postgres log")


async def connect(settings: BusSettings) -> asyncpg.Connection[Any]:
    """Open a connection to the log's database. Raises one of AWAY when it is gone."""
    if settings.bus_database_url is None:
        raise ValueError("SAMAKI_BUS_DATABASE_URL is required when SAMAKI_BUS is postgres")
    return await asyncpg.connect(
        settings.bus_database_url.get_secret_value(), timeout=10, server_settings={"application_name": "samaki-bus"}
    )


@asynccontextmanager
async def connection(settings: BusSettings) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection for one piece of work, closed at the end of the block."""
    opened = await connect(settings)
    try:
        yield opened
    finally:
        await opened.close()


async def ensure_log_topics(settings: BusSettings, topics: Collection[str]) -> None:
    """Create the tables and the topics that are missing; existing topics keep their partitions.

    Raises:
        one of AWAY: the database is gone or refuses.
    """
    names = sorted({settings.topic_prefix + topic for topic in topics})
    async with connection(settings) as opened, opened.transaction():
        await opened.execute("SELECT pg_advisory_xact_lock(hashtextextended('samaki_bus/' || current_schema(), 0))")
        if await opened.fetchval("SELECT to_regclass('bus_offset') IS NULL"):
            await opened.execute(_TABLES)
        await opened.execute(
            "INSERT INTO bus_topic (topic, partitions) SELECT t, $2 FROM unnest($1::text[]) t ON CONFLICT DO NOTHING",
            names,
            settings.bus_partitions,
        )
        await opened.execute(
            "INSERT INTO bus_head (topic, partition)"
            " SELECT b.topic, p FROM bus_topic b, generate_series(0, b.partitions - 1) p"
            " WHERE b.topic = ANY($1::text[]) ON CONFLICT DO NOTHING",
            names,
        )


async def trim_log(settings: BusSettings, keep: timedelta = timedelta(days=RETENTION_DAYS)) -> int:
    """Delete events older than `keep`, oldest first, in chunks of TRIM_CHUNK. Returns how many rows went.

    Raises:
        one of AWAY: the database is gone or refuses.
    """
    removed = 0
    async with connection(settings) as opened:
        for topic, partition in await opened.fetch("SELECT topic, partition FROM bus_head ORDER BY 1, 2"):
            chunk = TRIM_CHUNK
            while chunk == TRIM_CHUNK:
                status = await opened.execute(
                    "DELETE FROM bus_log WHERE topic = $1 AND partition = $2 AND log_offset = ANY(ARRAY("
                    " SELECT log_offset FROM ("
                    "  SELECT log_offset, created_at FROM bus_log WHERE topic = $1 AND partition = $2"
                    "  ORDER BY log_offset LIMIT $4) oldest"
                    " WHERE created_at < clock_timestamp() - $3::interval))",
                    topic,
                    partition,
                    keep,
                    TRIM_CHUNK,
                )
                chunk = int(status.rsplit(" ", 1)[-1])
                removed += chunk
    return removed


class PostgresPublisher:
    """`Publisher` on the log in PostgreSQL. One caller at a time: a second `publish` waits for the first."""

    def __init__(self, settings: BusSettings) -> None:
        self._settings = settings
        self._connection: asyncpg.Connection[Any] | None = None
        self._partitions: dict[str, int] = {}
        self._publishing = asyncio.Lock()

    async def start(self) -> None:
        """Connect, and delete what is past its retention; waits for the database as long as it takes."""
        backoff = Backoff()
        while True:
            try:
                await ensure_log_topics(self._settings, ())
                await trim_log(self._settings)
                await self._connected()
                reachability.back()
                return
            except AWAY as error:
                reachability.lost(error)
                await backoff.pause(asyncio.Event())

    async def stop(self) -> None:
        """Disconnect."""
        self._discard()

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish in order per key, all or nothing.

        Raises:
            PublishFailed: send all again (the commit may have happened and its answer been lost).
        """
        async with self._publishing:
            try:
                await asyncio.wait_for(self._publish(events), PUBLISH_TIMEOUT_S)
            except AWAY as error:
                reachability.lost(error)
                self._discard()
                raise PublishFailed(str(error) or type(error).__name__) from error
            except BaseException:
                self._discard()
                raise
        reachability.back()

    async def _publish(self, events: Sequence[Event]) -> None:
        if not events:
            return
        opened = await self._connected()
        queues: dict[tuple[str, int], list[Event]] = defaultdict(list)
        for event in events:
            topic = self._settings.topic_prefix + event.topic
            count = self._partitions.get(topic) or await self._partition_count(opened, event.topic)
            queues[topic, partition_of(event.key.encode(), count)].append(event)
        places = sorted(queues)
        topics = [topic for topic, _partition in places]
        partitions = [partition for _topic, partition in places]
        async with opened.transaction():
            heads = await opened.fetch(
                "SELECT h.topic, h.partition, h.next_offset FROM bus_head h"
                " JOIN unnest($1::text[], $2::int[]) w(topic, partition) USING (topic, partition)"
                " ORDER BY h.topic, h.partition FOR UPDATE OF h",
                topics,
                partitions,
            )
            await opened.copy_records_to_table("bus_log", records=_rows(queues, heads), columns=_LOG_COLUMNS)
            await opened.execute(
                "UPDATE bus_head h SET next_offset = h.next_offset + w.added"
                " FROM unnest($1::text[], $2::int[], $3::bigint[]) w(topic, partition, added)"
                " WHERE h.topic = w.topic AND h.partition = w.partition",
                topics,
                partitions,
                [len(queues[place]) for place in places],
            )
            await opened.execute("SELECT pg_notify($1, t) FROM unnest($2::text[]) t", CHANNEL, sorted(set(topics)))

    async def _connected(self) -> asyncpg.Connection[Any]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._settings)
        return self._connection

    async def _partition_count(self, opened: asyncpg.Connection[Any], topic: str) -> int:
        await ensure_log_topics(self._settings, [topic])
        name = self._settings.topic_prefix + topic
        count: int = await opened.fetchval("SELECT partitions FROM bus_topic WHERE topic = $1", name)
        self._partitions[name] = count
        return count

    def _discard(self) -> None:
        opened, self._connection = self._connection, None
        self._partitions.clear()
        if opened is not None:
            opened.terminate()


def _rows(queues: dict[tuple[str, int], list[Event]], heads: Sequence[Any]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for topic, partition, first in heads:
        for place, event in enumerate(queues[topic, partition], start=first):
            key, value, headers = event.to_kafka()
            names = [name for name, _value in headers]
            rows.append((topic, partition, place, key, value, names, [value for _name, value in headers]))
    return rows
