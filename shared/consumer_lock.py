"""The lock between a service's consumers, who share it, and a replay of a topic, which wants it alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import asyncpg

from shared.db import Database

ALONE: Final = "SELECT pg_try_advisory_lock(hashtext($1))"
TOGETHER: Final = "SELECT pg_try_advisory_lock_shared(hashtext($1))"


class ConsumersRunning(RuntimeError):
    """A replay of a topic was asked for while consumers of the service run."""


class ConsumerLock:
    """A lock of the database session, taken again when the session is lost (the database restarted).

    Args:
        database: of the service.
        exclusive: a replay's; consumers share theirs.
    """

    def __init__(self, database: Database, *, exclusive: bool) -> None:
        self._database = database
        self._exclusive = exclusive
        self._held = AsyncExitStack()
        self._connection: asyncpg.Connection | None = None

    @classmethod
    @asynccontextmanager
    async def held(cls, database: Database, *, exclusive: bool) -> AsyncIterator[ConsumerLock]:
        """The lock for as long as the block runs.

        Raises:
            ConsumersRunning: consumers hold it, or a replay does.
        """
        lock = cls(database, exclusive=exclusive)
        try:
            await lock.keep()
            yield lock
        finally:
            await lock._held.aclose()

    @property
    def lost(self) -> bool:
        """Whether it is not held (any more)."""
        return self._connection is None or self._connection.is_closed()

    async def keep(self) -> None:
        """Take the lock, unless it is still held: called before each batch.

        Raises:
            ConsumersRunning: the other side took it meanwhile.
            OSError: the database is away (and other transient errors of the driver).
        """
        if not self.lost:
            return
        self._connection = None
        await self._held.aclose()
        connection = await self._held.enter_async_context(self._database.connection())
        alone, together = (
            "SELECT pg_try_advisory_lock(hashtext($1))",
            "SELECT pg_try_advisory_lock_shared(hashtext($1))",
        )
        if not await connection.fetchval(alone if self._exclusive else together, f"consumer:{self._database.schema}"):
            await self._held.aclose()
            raise ConsumersRunning("Stop this service's consumers first (or wait for the replay to end).")
        self._connection = connection
