"""A service as separate processes, on a durable database and a broker of their own: made to be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx

from shared.embedded import ports
from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres
from shared.embedded.process import ManagedProcess
from shared.testing import TestKeys, wait_for

ROOT: Final = Path(__file__).resolve().parents[2]
SMALL_BATCHES: Final = {"SAMAKI_CONSUMER_BATCH_SIZE": "200", "SAMAKI_RELAY_BATCH_SIZE": "300"}
"""So that a few thousand events are many batches, with many points between them at which to die."""
ROLES: Final = ("api", "relay", "consumer", "worker")
AWAY: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
REQUEST_DEADLINE_S: Final = 60


class Refused(AssertionError):
    """A request was answered neither with success nor with "try again"."""


@dataclass
class Platform:
    """Processes by name: the four roles, `database`, and `broker` when the bus is Kafka."""

    directory: Path
    postgres: EmbeddedPostgres
    kafka: EmbeddedKafka | None
    keys: TestKeys
    service: str = "faults"
    module: str = "tests.faults.probe_service"
    environment: Mapping[str, str] = field(default_factory=dict)
    processes: dict[str, ManagedProcess] = field(default_factory=dict)
    port: int = 0
    kills: list[str] = field(default_factory=list)

    @property
    def killable(self) -> list[str]:
        """Every process of this platform."""
        return [*ROLES, "database", *(["broker"] if self.kafka else [])]

    def prepare(self, bus: str, more: Mapping[str, str]) -> None:
        """Provision the database and choose the settings of every process; `more` are further variables."""
        dsns = self.postgres.provision([self.service])
        self.port = ports.free_ports(1)[0]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SAMAKI_", "KAFKA_"))}
        self.environment = {
            **inherited,
            "SAMAKI_DATABASE_URL": dsns[self.service],
            "SAMAKI_BUS": bus,
            "SAMAKI_BUS_DATABASE_URL": dsns["bus"],
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap if self.kafka else "",
            "SAMAKI_TOPIC_PREFIX": f"f{uuid4().hex[:8]}.",
            "SAMAKI_JWKS": str(self.keys.jwks),
            "SAMAKI_HTTP_PORT": str(self.port),
            **more,
        }

    def run(self, *arguments: str, deadline_s: float = 60) -> str:
        """Run a role that ends by itself; its log. Fails when it does not end well."""
        process = self._process(arguments)
        process.start()
        ended = process.wait(deadline_s)
        output = process.log_since_start()
        assert ended, f"{arguments} did not end in {deadline_s} s\n{output}"
        assert process.exit_code == 0, f"{arguments} ended with {process.exit_code}\n{output}"
        return output

    def start(self, role: str) -> None:
        """Start one role."""
        self.processes[role] = self._process([role])
        self.processes[role].start()

    def _process(self, arguments: Any) -> ManagedProcess:
        command = [sys.executable, "-m", self.module, *arguments]
        log = self.directory / f"{arguments[0]}.log"
        return ManagedProcess(f"{self.service}-{arguments[0]}", command, log=log, env=self.environment, cwd=ROOT)

    async def kill(self, name: str) -> None:
        """SIGKILL one process and start it again at once, as a supervisor would."""
        self.kills.append(name)
        if name == "database":
            await asyncio.to_thread(self.postgres.kill)
            await asyncio.to_thread(self.postgres.restart)
        elif name == "broker":
            assert self.kafka is not None
            await asyncio.to_thread(self.kafka.kill)
            await asyncio.to_thread(self.kafka.restart)
        else:
            await asyncio.to_thread(self.processes[name].kill)
            self.start(name)

    def supervise(self) -> list[str]:
        """Start again what ended by itself (a role that met an absent database while starting); their names."""
        ended = [role for role, process in self.processes.items() if not process.running]
        for role in ended:
            self.start(role)
        return ended

    def stop(self) -> None:
        """Kill everything that is left."""
        for process in self.processes.values():
            process.kill()

    def logs(self) -> str:
        """The ends of all logs, for a failure's message."""
        ends = [f"--- {role}\n{process.tail(8)}" for role, process in self.processes.items()]
        return "\n".join(line[:400] for end in ends for line in end.splitlines())

    # --- use ----------------------------------------------------------------------------------------------------

    async def query(self, statement: str, *values: Any) -> list[Any]:
        """Rows of the probe's schema; waits while the database is away."""

        async def ask() -> list[Any]:
            try:
                connection = await asyncpg.connect(self.environment["SAMAKI_DATABASE_URL"], timeout=5)
            except AWAY:
                return []
            try:
                return [await connection.fetch(statement, *values)]
            except AWAY:
                return []
            finally:
                connection.terminate()

        answers = await wait_for(ask, 60, "the database answers")
        rows: list[Any] = answers[0]
        return rows

    async def number(self, statement: str, *values: Any) -> int:
        """The single number that a statement gives."""
        return int((await self.query(statement, *values))[0][0])

    async def add_households(self, count: int) -> list[UUID]:
        """New households, at version 0."""
        rows = await self.query(
            "INSERT INTO household (id, version) SELECT uuidv7(), 0 FROM generate_series(1, $1) RETURNING id", count
        )
        return [UUID(str(row[0])) for row in rows]

    async def post(self, client: httpx.AsyncClient, path: str, body: Any) -> None:
        """Send a request until it is answered with success; the same Idempotency-Key each time."""
        token = self.keys.token("registry_officer", now=datetime.now(UTC), ttl=timedelta(hours=2))
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid4())}
        last = ""

        async def attempt() -> bool:
            nonlocal last
            try:
                answer = await client.post(path, json=body, headers=headers)
            except httpx.TransportError as error:
                last = repr(error)
                return False
            last = f"{answer.status_code} {answer.text[:300]}"
            if not answer.is_success and answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                raise Refused(f"{path}: {last}\n{self.logs()}")
            return answer.is_success

        try:
            await wait_for(attempt, REQUEST_DEADLINE_S, path, every_s=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}: {last}\n{self.logs()}") from error

    def client(self) -> httpx.AsyncClient:
        """A client of the api role."""
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=10, trust_env=False)


@contextlib.asynccontextmanager
async def platform(
    directory: Path,
    bus: str,
    *,
    roles: Sequence[str] = ROLES,
    service: str = "faults",
    module: str = "tests.faults.probe_service",
    environment: Mapping[str, str] = SMALL_BATCHES,
) -> AsyncIterator[Platform]:
    """A platform of one service with these roles running, killed at the end of the block."""
    await asyncio.to_thread(directory.chmod, 0o711)
    postgres = EmbeddedPostgres(directory / "postgres", durable=True)
    kafka = EmbeddedKafka(directory / "kafka") if bus == "kafka" else None
    await asyncio.to_thread((directory / "keys").mkdir)
    started = Platform(directory, postgres, kafka, TestKeys(directory / "keys"), service, module)
    try:
        jobs: list[Callable[[], None]] = [postgres.start, *([kafka.start] if kafka else [])]
        await asyncio.gather(*(asyncio.to_thread(job) for job in jobs))
        await asyncio.to_thread(started.prepare, bus, environment)
        await asyncio.to_thread(started.run, "migrate")
        for role in roles:
            started.start(role)
        yield started
    finally:
        started.stop()
        if kafka is not None:
            kafka.destroy()
        postgres.destroy()
