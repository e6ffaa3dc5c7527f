"""Law 1 in the database and in the process: refused next door, and complete alone."""

import itertools
import signal
import subprocess

import asyncpg
import pytest

from shared.embedded.ports import free_ports
from shared.embedded.process import ManagedProcess, answers, stop_all

SERVICES = ("registry", "eligibility", "payments", "grievance", "insights")
PAIRS = list(itertools.permutations((*SERVICES, "bus"), 2))


@pytest.fixture(scope="module")
def tables(migrated) -> dict[str, list[str]]:
    """schema -> its tables, as the superuser sees them."""
    listing = migrated.postgres.execute("SELECT schemaname, tablename FROM pg_tables ORDER BY 1, 2", migrated.database)
    found: dict[str, list[str]] = {}
    for line in listing.splitlines():
        schema, _, table = line.partition("|")
        found.setdefault(schema, []).append(table)
    return found


async def test_every_service_has_its_own_tables_and_the_public_schema_is_empty(tables):
    for name in SERVICES:
        assert {"outbox", "inbox", "alembic_version"} <= set(tables[name]), tables.get(name)
    assert "public" not in tables


@pytest.mark.parametrize(("role", "neighbour"), PAIRS, ids=[f"{a} at {b}" for a, b in PAIRS])
async def test_a_role_is_refused_on_every_table_of_a_neighbour(migrated, tables, role, neighbour):
    connection = await asyncpg.connect(migrated.dsn[role])
    try:
        for table in tables.get(neighbour, ["anything"]):
            for statement in (
                f'SELECT * FROM {neighbour}."{table}" LIMIT 1',
                f'DELETE FROM {neighbour}."{table}"',
                f'TRUNCATE {neighbour}."{table}"',
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"CREATE TABLE {neighbour}.intruder (id int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"SET ROLE {neighbour}")
    finally:
        await connection.close()


@pytest.mark.parametrize("role", SERVICES)
async def test_a_role_has_no_power_beyond_its_schema(migrated, role):
    connection = await asyncpg.connect(migrated.dsn[role])
    try:
        for statement in (
            "CREATE TABLE public.intruder (id int)",
            "CREATE SCHEMA intruder",
            "CREATE DATABASE intruder",
            "CREATE ROLE intruder",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "SELECT pg_read_file('/etc/passwd')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        assert await connection.fetchval("SHOW search_path") == f"{role}, extensions"
    finally:
        await connection.close()


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_boots_from_a_tree_that_holds_only_the_kit_and_itself(
    compose, service_images, migrated, tmp_path, name
):
    image = service_images[name]
    roles = [role for role in compose.of_service(name) if role != "migrate"]
    ports = dict(zip(roles, free_ports(len(roles)), strict=True))
    processes = {}
    for role, port in ports.items():
        listening = "SAMAKI_HTTP_PORT" if role == "api" else "SAMAKI_OPS_PORT"
        environment = image.environment(migrated.environment(name) | {listening: str(port)})
        command, log = [*image.entrypoint, role], tmp_path / f"{role}.log"
        processes[role] = ManagedProcess(f"{name}-{role}", command, log=log, env=environment, cwd=image.folder)
    try:
        for process in processes.values():
            process.start()
        for role, process in processes.items():
            process.wait_ready(lambda port=ports[role]: answers(port, "/ready"), 90)
        assert answers(ports["api"], f"/{name}/openapi.json", timeout_s=30)
        assert not answers(ports["api"], f"/{name}/v1/jobs/0198c0de-0000-7000-8000-000000000000")
    finally:
        stop_all(list(processes.values()))
    ended = {role: process.exit_code for role, process in processes.items()}
    assert ended.pop("api") in {0, -signal.SIGTERM}  # uvicorn shuts down in order, then lets the signal have its way
    assert set(ended.values()) == {0}, ended


def test_a_copy_without_the_kit_does_not_start(service_images):
    """The proof that the pretended container hides the tree: it fails where something is missing."""
    image = service_images["registry"]
    code = "import shared.settings, sys; sys.exit(0 if shared.settings.__file__.startswith(%r) else 3)"
    done = subprocess.run(
        [image.environment({})["PATH"].split(":")[0] + "/python", "-c", code % str(image.folder.resolve())],
        cwd=image.folder,
        env=image.environment({}),
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    elsewhere = subprocess.run(
        [image.environment({})["PATH"].split(":")[0] + "/python", "-c", "import services.payments"],
        cwd=image.folder,
        env=image.environment({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert elsewhere.returncode != 0
    assert "ModuleNotFoundError" in elsewhere.stderr
