"""The embedded database: lives, crashes, recovers, and shows each service its own schema alone."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from shared.embedded.postgres import EmbeddedPostgres
from shared.embedded.process import StartFailed


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres.temporary() as started:
        yield started


async def fetch(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_a_service_role_owns_its_schema_and_may_use_temporary_tables(postgres: EmbeddedPostgres) -> None:
    dsn = postgres.provision(["registry", "payments"])["registry"]
    assert await fetch(dsn, "SELECT current_schema()") == "registry"
    await fetch(dsn, "CREATE TABLE IF NOT EXISTS person (id uuid DEFAULT uuidv7())")
    await fetch(dsn, "CREATE TEMPORARY TABLE staged (line integer)")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE payments.stolen (id integer)",
        "CREATE TABLE public.stolen (id integer)",
        "CREATE TABLE extensions.stolen (id integer)",
        "CREATE SCHEMA another",
        "CREATE ROLE another",
        "CREATE DATABASE another",
        "SELECT * FROM payments.ledger",
    ],
)
async def test_a_service_role_is_refused_everywhere_else(postgres: EmbeddedPostgres, sql: str) -> None:
    dsns = postgres.provision(["registry", "payments"])
    await fetch(dsns["payments"], "CREATE TABLE IF NOT EXISTS ledger (id integer)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await fetch(dsns["registry"], sql)


async def test_a_wrong_password_is_refused(postgres: EmbeddedPostgres) -> None:
    postgres.provision(["registry"])
    with pytest.raises(asyncpg.InvalidPasswordError):
        await fetch(postgres.dsn("registry", "guess"), "SELECT 1")


async def test_provisioning_twice_changes_nothing(postgres: EmbeddedPostgres) -> None:
    assert postgres.provision(["registry"]) == postgres.provision(["registry"])


def test_committed_rows_survive_a_kill_and_the_port_stays(tmp_path: Path) -> None:
    with EmbeddedPostgres.temporary(durable=True) as postgres:
        postgres.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n", "postgres")
        port = postgres.port
        postgres.kill()
        assert not postgres.running
        postgres.restart()
        assert postgres.port == port
        assert postgres.execute("SELECT count(*) FROM kept", "postgres").strip() == "1000"


def test_a_directory_that_the_servers_account_cannot_reach_still_works(tmp_path: Path) -> None:
    closed = tmp_path / "with space ភ្នំពេញ"
    closed.mkdir(mode=0o700)
    postgres = EmbeddedPostgres(closed / "data", durable=False)
    try:
        postgres.start()
        assert postgres.execute("SELECT 1", "postgres").strip() == "1"
    finally:
        postgres.destroy()
    assert not (closed / "data").exists()


def test_a_fixed_port_that_is_taken_is_an_error_that_says_so(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="in use"):
        EmbeddedPostgres(tmp_path / "data", port=postgres.port).start()


def test_stopping_closes_open_connections_in_order() -> None:
    async def interrupted(postgres: EmbeddedPostgres) -> None:
        connection = await asyncpg.connect(postgres.dsn(database="postgres"))
        await asyncio.to_thread(postgres.stop)
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
            await connection.fetchval("SELECT 1")

    with EmbeddedPostgres.temporary() as postgres:
        asyncio.run(interrupted(postgres))
        assert not postgres.running


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another account")
def test_a_moved_cluster_whose_directory_was_deleted_is_cleared_away(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    abandoned = EmbeddedPostgres(closed / "abandoned", durable=False)
    abandoned.start()
    moved = Path((closed / "abandoned" / "pgdata.path").read_text())
    abandoned.kill()
    shutil.rmtree(closed / "abandoned")
    assert moved.exists()
    successor = EmbeddedPostgres(closed / "successor", durable=False)
    try:
        successor.start()
        assert not moved.exists()
    finally:
        successor.destroy()
