"""The pool: a connection that died while it lay idle is replaced before anybody meets it."""

from sqlalchemy import text

from shared import db
from shared.testing import wait_for


async def backend(database) -> int:
    async with database.session() as session:
        return (await session.scalars(text("SELECT pg_backend_pid()"))).one()


async def end(database, pid) -> None:
    async with database.connection() as other:
        await other.execute("SELECT pg_terminate_backend($1)", pid)

        async def gone() -> bool:
            return not await other.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid)

        await wait_for(gone, what="the server ended the session")


async def test_a_connection_that_died_idle_is_replaced_unseen(probe, monkeypatch):
    monkeypatch.setattr(db, "IDLE_S", -1.0)
    first = await backend(probe.database)
    await end(probe.database, first)
    assert await backend(probe.database) != first


async def test_a_connection_just_used_is_used_again_without_a_try(probe, monkeypatch):
    pings = 0
    dialect = probe.database.engine.sync_engine.dialect
    real = dialect.do_ping

    def count(connection):
        nonlocal pings
        pings += 1
        return real(connection)

    monkeypatch.setattr(dialect, "do_ping", count)
    monkeypatch.setattr(db, "IDLE_S", 60.0)
    assert await backend(probe.database) == await backend(probe.database)
    assert pings == 0
    monkeypatch.setattr(db, "IDLE_S", -1.0)
    await backend(probe.database)
    assert pings == 1
