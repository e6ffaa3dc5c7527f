"""The relay: moves the outbox to the bus, in order per key, until the broker has acknowledged each event (law 3).

One relay per service works at a time: it holds a session-level advisory lock on the connection that it also reads and
deletes with, so a relay that lost its connection has lost the lock. Rows are taken in the order of `id` and deleted,
and counted, only after the broker's acknowledgement of all of them. Whatever is killed at any point, an event is at
worst sent twice, and the receivers' inboxes know it (law 4).

Order per key: changes of one aggregate are serialised by its row lock or version, so the first change's row has the
lower id and is visible whenever the second's is. Every read is one snapshot sorted by id, without a lower bound;
a cursor over ids would skip rows of transactions that commit late, and one over transaction ids would reorder keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import asyncpg
from prometheus_client import Counter, Gauge

from shared.bus.port import Publisher, PublishFailed
from shared.db import is_transient
from shared.events import Event
from shared.service import Context
from shared.telemetry import get_logger
from shared.waiting import Backoff, Wakeup

log = get_logger(__name__)
SAFETY_POLL_SECONDS: Final = 1.0
STANDBY_POLL_SECONDS: Final = 1.0

RELAYED = Counter("samaki_relay_events_total", "Events acknowledged by the broker and removed from the outbox.")
PENDING = Gauge("samaki_relay_last_batch", "Events in the batch that the relay read last.")

_READ: Final = """
    SELECT id, event_id, topic, key, type, data, occurred_at, traceparent FROM outbox ORDER BY id LIMIT $1
"""
_REMOVE: Final = """
    WITH gone AS (DELETE FROM outbox WHERE id = ANY($1::bigint[]) RETURNING topic, type)
    INSERT INTO outbox_published AS sent (topic, type, count)
    SELECT topic, type, count(*) FROM gone GROUP BY topic, type ORDER BY topic, type
    ON CONFLICT (topic, type) DO UPDATE SET count = sent.count + excluded.count
"""


class Relay:
    """Moves one service's outbox to the bus.

    Args:
        context: the service's context.
        publisher: a started publisher.
    """

    def __init__(self, context: Context, publisher: Publisher) -> None:
        self._context = context
        self._publisher = publisher
        self._source = f"/samaki/{context.service.name}"
        self._batch = context.settings.relay_batch_size
        self.leading = False

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until told to stop, through restarts of the broker and the database."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                async with self._context.database.connection() as connection:
                    await self._lead(connection, stop, backoff)
            except (PublishFailed, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if isinstance(error, asyncpg.PostgresError) and not is_transient(error):
                    raise
                log.warning("relay_interrupted", error=type(error).__name__, detail=str(error)[:200])
                await backoff.pause(stop)
            finally:
                self.leading = False

    async def _lead(self, connection: asyncpg.Connection, stop: asyncio.Event, backoff: Backoff) -> None:
        schema = self._context.database.schema
        while not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", f"relay:{schema}"):
            backoff.reset()
            if await _stopped_within(stop, STANDBY_POLL_SECONDS):
                return
        self.leading = True
        wakeup = Wakeup()
        await connection.add_listener(f"outbox_{schema}", wakeup.on_notify)
        log.info("relay_leads")
        while not stop.is_set():
            moved = await self.relay_once(connection)
            backoff.reset()
            if moved < self._batch:
                await wakeup.wait(SAFETY_POLL_SECONDS, stop)

    async def relay_once(self, connection: asyncpg.Connection) -> int:
        """Send one batch and remove it.

        Returns:
            How many events it held.

        Raises:
            PublishFailed: the broker did not acknowledge all of them; all stay in the outbox.
        """
        rows = await connection.fetch(_READ, self._batch)
        PENDING.set(len(rows))
        if not rows:
            return 0
        await self._publisher.publish(self._events(rows))
        await connection.execute(_REMOVE, [row["id"] for row in rows])
        RELAYED.inc(len(rows))
        return len(rows)

    def _events(self, rows: Sequence[asyncpg.Record]) -> list[Event]:
        source = self._source
        return [
            Event(
                id=event_id,
                type=type_,
                source=source,
                topic=topic,
                key=key,
                time=occurred_at,
                data=data.encode(),
                traceparent=traceparent,
            )
            for _, event_id, topic, key, type_, data, occurred_at, traceparent in rows
        ]


async def _stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
