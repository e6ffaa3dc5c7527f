"""Consumers and a replay of a topic keep out of each other's way, also after the database lost their sessions."""

import pytest
from sqlalchemy import text

from shared.consumer_lock import ConsumerLock, ConsumersRunning
from shared.testing import wait_for

LOCKED = text(
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND objid::bigint = CAST(hashtext(:name) AS bigint) & 4294967295"
)
END = text("SELECT pg_terminate_backend(:pid)")


async def holders(database) -> set[int]:
    async with database.session() as session:
        return set((await session.scalars(LOCKED, {"name": f"consumer:{database.schema}"})).all())


async def test_consumers_share_it_and_a_replay_wants_it_alone(probe):
    database = probe.database
    async with ConsumerLock.held(database, exclusive=False), ConsumerLock.held(database, exclusive=False):
        with pytest.raises(ConsumersRunning):
            async with ConsumerLock.held(database, exclusive=True):
                pass
    async with ConsumerLock.held(database, exclusive=True):
        with pytest.raises(ConsumersRunning):
            async with ConsumerLock.held(database, exclusive=False):
                pass


async def test_it_is_taken_again_when_the_database_ended_its_session(probe):
    database = probe.database
    async with ConsumerLock.held(database, exclusive=False) as lock:
        (mine,) = await holders(database)
        async with database.session() as session:
            await session.execute(END, {"pid": mine})
        await wait_for(lambda: lock.lost, what="the driver sees that its session ended")
        await lock.keep()
        assert mine not in await holders(database)
        with pytest.raises(ConsumersRunning):
            async with ConsumerLock.held(database, exclusive=True):
                pass
