"""A log in PostgreSQL: the subscriber.

A member of a group holds an advisory lock on its one connection for itself, and one for each partition it has. Who is
alive is therefore what the database sees: a killed process loses its locks at once, and the others take over. Members
are listed in the order of their server process; partitions are dealt to them in turn. A member changes its partitions
only inside `poll`; a batch that is still in hand is then delivered again elsewhere, and recognised there.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Collection, Sequence
from typing import Any, Final

import asyncpg

from shared.bus.port import BusSettings, Delivery
from shared.bus.postgres_log import AWAY, CHANNEL, connect, ensure_log_topics, reachability
from shared.telemetry import get_logger
from shared.waiting import Backoff

MEMBERSHIP_EVERY_S: Final = 1.0
COMMIT_TIMEOUT_S: Final = 10.0
SAFETY_POLL_S: Final = 0.5
"""Events are announced (LISTEN); this bounds the wait should an announcement be lost."""

Place = tuple[str, int]
"""Topic (as in the table) and partition."""

_log = get_logger(__name__)

_HEADS: Final = """
SELECT h.topic, h.partition, h.next_offset
FROM unnest($1::text[], $2::int[]) w(topic, partition) JOIN bus_head h USING (topic, partition)
"""
_FETCH: Final = """
SELECT l.topic, l.partition, l.log_offset, l.key, l.value, l.header_names, l.header_values
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::int[]) w(topic, partition, position, wanted)
CROSS JOIN LATERAL (
    SELECT * FROM bus_log b
    WHERE b.topic = w.topic AND b.partition = w.partition AND b.log_offset >= w.position
    ORDER BY b.log_offset LIMIT w.wanted
) l
ORDER BY l.topic, l.partition, l.log_offset
"""
_MEMBERS: Final = """
SELECT objid::bigint FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid::bigint = $1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 1
"""
_COMMIT: Final = """
INSERT INTO bus_offset (group_name, topic, partition, next_offset)
SELECT $1, t, p, o FROM unnest($2::text[], $3::int[], $4::bigint[]) w(t, p, o)
ON CONFLICT (group_name, topic, partition) DO UPDATE
SET next_offset = GREATEST(bus_offset.next_offset, EXCLUDED.next_offset), updated_at = clock_timestamp()
"""
_LAG: Final = """
SELECT coalesce(sum(h.next_offset - greatest(coalesce(o.next_offset, 0), coalesce(first.log_offset, h.next_offset))), 0)
FROM unnest($2::text[], $3::int[]) w(topic, partition)
JOIN bus_head h USING (topic, partition)
LEFT JOIN bus_offset o ON o.group_name = $1 AND o.topic = w.topic AND o.partition = w.partition
LEFT JOIN LATERAL (
    SELECT log_offset FROM bus_log b WHERE b.topic = w.topic AND b.partition = w.partition ORDER BY log_offset LIMIT 1
) first ON true
"""


def _lock_key(*parts: str) -> int:
    """A 64-bit advisory lock key for a name."""
    return int.from_bytes(hashlib.sha256("|".join(parts).encode()).digest()[:8], "big", signed=True)


class PostgresSubscriber:
    """`Subscriber` on the log in PostgreSQL."""

    def __init__(self, settings: BusSettings, group: str, topics: Sequence[str]) -> None:
        self._settings = settings
        self._group = settings.topic_prefix + group
        self._topics = tuple(topics)
        self._connection: asyncpg.Connection[Any] | None = None
        self._schema = ""
        self._pid = 0
        self._positions: dict[Place, int] = {}
        """Next offset to deliver, for the partitions that are ours."""
        self._announced = asyncio.Event()
        self._in_use = asyncio.Lock()
        """The one connection does one thing at a time: a commit may come while a poll looks for more."""
        self._membership_at = 0.0
        self._turn = 0
        self._last_lag = 0
        self._backoff = Backoff(cap=MEMBERSHIP_EVERY_S)

    async def start(self) -> None:
        """Connect and join the group; waits for the database as long as it takes."""
        while True:
            try:
                await self._join()
                return
            except AWAY as error:
                reachability.lost(error)
                await self._backoff.pause(asyncio.Event())

    async def stop(self) -> None:
        """Leave the group: the locks go with the connection, and the others are told."""
        opened, self._connection = self._connection, None
        self._positions.clear()
        if opened is not None:
            try:
                await opened.execute("SELECT pg_advisory_unlock_all()")
                await opened.execute("SELECT pg_notify($1, '')", CHANNEL)
                await opened.close(timeout=2)
            except AWAY as error:
                _log.debug("left the group without saying so", reason=str(error))
                opened.terminate()

    async def poll(self, max_events: int, timeout_s: float) -> list[Delivery]:
        """The next messages, in order per partition; empty when none came in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                async with self._in_use:
                    opened = await self._joined()
                    await self._share(opened)
                    self._announced.clear()
                    deliveries = await self._fetch(opened, max_events)
                reachability.back()
                self._backoff.reset()
            except AWAY as error:
                self._lose(error)
                await self._backoff.pause(asyncio.Event())
                return []
            remaining = deadline - time.monotonic()
            if deliveries or remaining <= 0:
                return deliveries
            try:
                await asyncio.wait_for(self._announced.wait(), min(remaining, SAFETY_POLL_S))
            except TimeoutError:
                continue

    async def commit(self, deliveries: Collection[Delivery]) -> None:
        """Remember that these are done; what has been given to another member is left out."""
        done: dict[Place, int] = {}
        for delivery in deliveries:
            place = (self._settings.topic_prefix + delivery.topic, delivery.partition)
            if delivery.offset < self._positions.get(place, 0):
                done[place] = max(done.get(place, 0), delivery.offset + 1)
        if not done:
            return
        topics = [topic for topic, _partition in done]
        partitions = [partition for _topic, partition in done]
        try:
            async with self._in_use:
                if self._connection is not None and done.keys() <= self._positions.keys():
                    await self._connection.execute(
                        _COMMIT, self._group, topics, partitions, list(done.values()), timeout=COMMIT_TIMEOUT_S
                    )
        except AWAY as error:
            self._lose(error)

    async def rewind(self) -> None:
        """Go back to what was last committed."""
        async with self._in_use:
            opened = await self._joined()
            await self._read_positions(opened, list(self._positions))

    async def seek_to_beginning(self, topics: Collection[str]) -> None:
        """Deliver these topics again from the oldest event kept."""
        names = {self._settings.topic_prefix + topic for topic in topics}
        places = [place for place in self._positions if place[0] in names]
        async with self._in_use:
            await self._forget_offsets(places)
        for place in places:
            self._positions[place] = 0

    async def _forget_offsets(self, places: Sequence[Place]) -> None:
        opened = await self._joined()
        await opened.execute(
            "DELETE FROM bus_offset o USING unnest($2::text[], $3::int[]) w(topic, partition)"
            " WHERE o.group_name = $1 AND o.topic = w.topic AND o.partition = w.partition",
            self._group,
            [topic for topic, _partition in places],
            [partition for _topic, partition in places],
        )

    async def lag(self) -> int:
        """Events of this member's partitions not committed; while the database is away, the last figure known."""
        places = list(self._positions)
        try:
            async with self._in_use:
                opened = await self._joined()
                total = await opened.fetchval(
                    _LAG, self._group, [topic for topic, _ in places], [partition for _, partition in places]
                )
            self._last_lag = int(total)
        except AWAY as error:
            self._lose(error)
        return self._last_lag

    async def _joined(self) -> asyncpg.Connection[Any]:
        if self._connection is None or self._connection.is_closed():
            await self._join()
        assert self._connection is not None
        return self._connection

    async def _join(self) -> None:
        self._positions.clear()
        await ensure_log_topics(self._settings, self._topics)
        opened = await connect(self._settings)
        try:
            await opened.add_listener(CHANNEL, self._heard)
            row = await opened.fetchrow("SELECT current_schema(), pg_backend_pid()")
            assert row is not None
            self._schema, self._pid = row
            await opened.execute("SELECT pg_advisory_lock(($1::bigint - 2147483648)::int, $2)", self._class, self._pid)
            await opened.execute("SELECT pg_notify($1, '')", CHANNEL)
        except BaseException:
            opened.terminate()
            raise
        self._connection = opened
        self._membership_at = 0.0
        await self._share(opened)

    @property
    def _class(self) -> int:
        """Unsigned 32 bits that name this group among the two-part advisory locks."""
        return _lock_key("member", self._schema, self._group) & 0xFFFFFFFF

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        """An announcement: a topic has events, or (empty) a member came or went."""
        if not payload:
            self._membership_at = 0.0
        self._announced.set()

    async def _share(self, opened: asyncpg.Connection[Any]) -> None:
        """Give up partitions that are now another member's, and claim those that are ours and free."""
        if time.monotonic() < self._membership_at:
            return
        # pg_locks shows the first part of a two-part key as unsigned.
        members = [row[0] for row in await opened.fetch(_MEMBERS, (self._class - 2147483648) & 0xFFFFFFFF)]
        names = [self._settings.topic_prefix + topic for topic in self._topics]
        heads = await opened.fetch(
            "SELECT topic, partition FROM bus_head WHERE topic = ANY($1::text[]) ORDER BY topic, partition", names
        )
        turn = members.index(self._pid)
        mine = {(topic, part) for n, (topic, part) in enumerate(heads) if n % len(members) == turn}
        surplus = [place for place in self._positions if place not in mine]
        wanted = sorted(mine - self._positions.keys())
        if surplus:
            await opened.execute("SELECT pg_advisory_unlock(k) FROM unnest($1::bigint[]) k", self._keys(surplus))
            for place in surplus:
                del self._positions[place]
            await opened.execute("SELECT pg_notify($1, '')", CHANNEL)
        claimed = []
        if wanted:
            rows = await opened.fetch("SELECT pg_try_advisory_lock(k) FROM unnest($1::bigint[]) k", self._keys(wanted))
            claimed = [place for place, (granted,) in zip(wanted, rows, strict=True) if granted]
            await self._read_positions(opened, claimed)
        complete = len(claimed) == len(wanted)
        self._membership_at = time.monotonic() + (MEMBERSHIP_EVERY_S if complete else SAFETY_POLL_S / 5)

    def _keys(self, places: Sequence[Place]) -> list[int]:
        return [_lock_key("partition", self._schema, self._group, topic, str(part)) for topic, part in places]

    async def _read_positions(self, opened: asyncpg.Connection[Any], places: Sequence[Place]) -> None:
        rows = await opened.fetch(
            "SELECT topic, partition, next_offset FROM bus_offset WHERE group_name = $1 AND topic = ANY($2::text[])",
            self._group,
            sorted({topic for topic, _partition in places}),
        )
        committed = {(topic, partition): offset for topic, partition, offset in rows}
        for place in places:
            self._positions[place] = committed.get(place, 0)

    async def _fetch(self, opened: asyncpg.Connection[Any], max_events: int) -> list[Delivery]:
        wanted = await self._allot(opened, max_events)
        if not wanted:
            return []
        rows = await opened.fetch(
            _FETCH,
            [topic for topic, _partition in wanted],
            [partition for _topic, partition in wanted],
            [self._positions[place] for place in wanted],
            [share for share, _end in wanted.values()],
        )
        for place, (_share, end) in wanted.items():
            self._positions[place] = end
        prefix = len(self._settings.topic_prefix)
        deliveries = []
        for topic, partition, offset, key, value, names, values in rows:
            headers = list(zip(names, values, strict=True))
            deliveries.append(Delivery.read(topic[prefix:], partition, offset, key, value, headers))
            self._positions[topic, partition] = offset + 1
        return deliveries

    async def _allot(self, opened: asyncpg.Connection[Any], max_events: int) -> dict[Place, tuple[int, int]]:
        """How many events to read of each partition that has any, and where its log ends; each is first in turn."""
        places = sorted(self._positions)
        heads = await opened.fetch(
            _HEADS, [topic for topic, _partition in places], [partition for _topic, partition in places]
        )
        ends = {(topic, partition): end for topic, partition, end in heads}
        waiting = [place for place in places if ends.get(place, 0) > self._positions[place]]
        self._turn += 1
        first = self._turn % len(waiting) if waiting else 0
        shares: dict[Place, tuple[int, int]] = {}
        left = max_events
        for place in waiting[first:] + waiting[:first]:
            share = min(left, ends[place] - self._positions[place])
            if share > 0:
                shares[place] = (share, ends[place])
                left -= share
        return shares

    def _lose(self, error: BaseException) -> None:
        """The connection is gone, and with it the locks: what is in hand may be delivered to another member."""
        reachability.lost(error)
        self._positions.clear()
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
