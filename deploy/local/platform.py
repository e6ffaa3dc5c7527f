"""The whole platform on one machine: database, bus, gateway, simulators and every role of every service.

    with Platform(home, random_ports=True) as platform:      # tests and demo: owned, gone with this process
        platform.services["payments"].kill("relay")
        httpx.get(platform.gateway_url + "/registry/v1/places", headers=...)

    Platform(owned=False).start()                            # `samaki up`: lives on
    Platform.attach(home)                                    # a later command finds it again

Order: database and bus together; then, per service, its migrations (two services at a time) and all its roles; gateway
and simulators beside them. A failure anywhere stops everything that was started and raises StartFailed with the end of
the log in question.
"""

import contextlib
import os
import secrets
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local import topology
from deploy.local.bus_choice import BusChoice, choose_bus
from deploy.local.environment import LOOPBACK, common_environment, service_environment, simulator_environment, url
from deploy.local.gateway import write_gateway_config
from deploy.local.home import PROJECT, Home, State
from deploy.local.keys import Keys
from deploy.local.service_handle import ServiceHandle
from deploy.local.topology import BusKind, Role, ServiceSpec, listener
from shared.embedded import ports as tcp
from shared.embedded.envoy import EmbeddedEnvoy
from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres
from shared.embedded.process import ManagedProcess, StartFailed, answers, stop_all

READY_DEADLINE_S = 90.0
MIGRATION_DEADLINE_S = 120.0
_MIGRATIONS_AT_ONCE = 2
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Step:
    """News while the platform starts: `name` is now `starting`, `migrating` or `ready`."""

    name: str
    state: str


def _silent(_: Step) -> None:
    """Reports nothing."""


class Platform:
    """One platform in one home.

    Args:
        home: where it keeps everything; default SAMAKI_HOME or .samaki in the project.
        bus: "kafka" or "postgres"; by default the best that can run here.
        owned: it ends with this process, by whatever means that ends; False: it lives on.
        random_ports: free ports everywhere, so platforms can run side by side; else the usual ones where free.
        services: what to run.
        simulators: whether the mock bank and the mobile money operator run too.
        bank_arguments: more arguments for mock-bank, such as `--clock 2020-07-25T08:00`.
        report: told about each step of the start (from several threads).
    """

    def __init__(
        self,
        home: Home | Path | None = None,
        *,
        bus: BusKind | None = None,
        owned: bool = True,
        random_ports: bool = False,
        services: Sequence[ServiceSpec] = topology.SERVICES,
        simulators: bool = True,
        bank_arguments: Sequence[str] = (),
        report: Callable[[Step], None] = _silent,
    ) -> None:
        self.home = Home(home.absolute()) if isinstance(home, Path) else home or Home.default()
        self.services = {spec.name: ServiceHandle(self, spec) for spec in services}
        self.processes: dict[str, ManagedProcess] = {}
        self.ports: dict[str, int] = {}
        self.choice: BusChoice | None = None
        self.kafka: EmbeddedKafka | None = None
        self.postgres = EmbeddedPostgres(self.home.data / "postgres", owned=owned)
        self._wanted_bus = bus
        self._owned = owned
        self._random_ports = random_ports
        self._simulators = simulators
        self._bank_arguments = list(bank_arguments)
        self._report = report
        self._keys: Keys | None = None
        self._dsns: dict[str, str] = {}
        self._mutex = threading.RLock()
        self._aborting = False
        self._migrations = threading.Semaphore(_MIGRATIONS_AT_ONCE)
        self._lock = contextlib.ExitStack()

    # --- what callers ask ---------------------------------------------------------------------------------------

    @property
    def gateway_url(self) -> str:
        """The address that clients use."""
        return url(self.ports, topology.GATEWAY)

    @property
    def bank_url(self) -> str:
        """The mock bank."""
        return url(self.ports, topology.BANK)

    @property
    def mobile_money_url(self) -> str:
        """The mobile money operator's simulator."""
        return url(self.ports, topology.MOBILE_MONEY)

    @property
    def bus(self) -> BusKind:
        """Which bus carries the events."""
        if self.choice is None:
            raise RuntimeError("the platform was never started")
        return self.choice.kind

    @property
    def keys(self) -> Keys:
        """The keys of this home (made when missing)."""
        if self._keys is None:
            self._keys = Keys(self.home.keys)
        return self._keys

    def token(self, *roles: str, areas: Sequence[str] = ("*",), subject: str = "u1", ttl_s: int = 3600) -> str:
        """A signed token for the given roles and areas (place-code prefixes)."""
        return self.keys.token(roles, areas=areas, subject=subject, ttl_s=ttl_s)

    def usual_ports(self) -> dict[str, int]:
        """Where everything listens when its port is free: from SAMAKI_PORT_BASE (8080) up."""
        base = int(os.environ.get("SAMAKI_PORT_BASE") or topology.DEFAULT_PORT_BASE)
        return topology.default_ports(base, [handle.spec for handle in self.services.values()])

    # --- life ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> "Platform":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until it is ready. Raises StartFailed or HomeInUse; nothing is left then."""
        self._lock.enter_context(self.home.locked())
        pool = ThreadPoolExecutor(max_workers=24, thread_name_prefix="start")
        try:
            self._prepare()
            self._start_all(pool)
        except BaseException:
            self._abort()
            pool.shutdown(wait=True, cancel_futures=True)
            self.stop()
            raise
        pool.shutdown()
        if not self._owned:
            self._lock.close()

    def stop(self) -> None:
        """End everything in order, the engines last. Data stays."""
        with self._mutex:
            processes = list(self.processes.values())
            self.processes.clear()
        stop_all(processes)
        engines = [engine for engine in (self.kafka, self.postgres) if engine is not None]
        with ThreadPoolExecutor(max_workers=2) as pool:
            for ended in [pool.submit(engine.stop) for engine in engines]:
                ended.result()
        self.home.forget()
        self._lock.close()

    @classmethod
    def attach(
        cls,
        home: Home | None = None,
        *,
        services: Sequence[ServiceSpec] = topology.SERVICES,
        simulators: bool = True,
    ) -> "Platform | None":
        """The platform that an earlier command started in this home; None when there is none."""
        platform = cls(home, owned=False, services=services, simulators=simulators)
        state = platform.home.load()
        if state is None:
            return None
        platform.ports = state.ports
        platform.choice = BusChoice(state.bus, state.bootstrap, "")
        for record in state.processes:
            if record.name == topology.POSTGRES:
                data = platform.home.data / "postgres"
                platform.postgres = EmbeddedPostgres(data, port=state.ports[topology.POSTGRES], owned=False)
                platform.postgres.attach(record)
            elif record.name == topology.KAFKA:
                data = platform.home.data / "kafka"
                platform.kafka = EmbeddedKafka(data, port=state.ports[topology.KAFKA], owned=False)
                platform.kafka.attach(record)
            else:
                platform.processes[record.name] = ManagedProcess.attach(record)
        return platform

    def missing(self) -> list[str]:
        """What should run and does not."""
        engines = {topology.POSTGRES: self.postgres.running}
        if self.kafka is not None:
            engines[topology.KAFKA] = self.kafka.running
        roles = {listener(s.spec.name, role) for s in self.services.values() for role in s.spec.roles}
        expected = {*roles, topology.GATEWAY} | ({topology.BANK, topology.MOBILE_MONEY} if self._simulators else set())
        stopped = [name for name in sorted(expected) if name not in self.processes or not self.processes[name].running]
        return [name for name, running in engines.items() if not running] + stopped

    # --- the start, step by step --------------------------------------------------------------------------------

    def _prepare(self) -> None:
        self.home.prepare()
        self.choice = choose_bus(self._wanted_bus)
        usual = self.usual_ports()
        numbers = tcp.free_ports(len(usual)) if self._random_ports else tcp.prefer(usual.values())
        self.ports = dict(zip(usual, numbers, strict=True))
        self.postgres = EmbeddedPostgres(
            self.home.data / "postgres", port=self.ports[topology.POSTGRES], owned=self._owned
        )
        if self.choice.kind == "kafka" and not self.choice.bootstrap:
            self.kafka = EmbeddedKafka(self.home.data / "kafka", port=self.ports[topology.KAFKA], owned=self._owned)
        # Made before threads start: two of them must not make the same key twice.
        for handle in self.services.values():
            self._environment(handle.spec, None, dsns={handle.spec.name: "", "bus": ""})
        simulator_environment(self.keys)

    def _start_all(self, pool: ThreadPoolExecutor) -> None:
        engines = [pool.submit(self._start_database), pool.submit(self._start_bus)]
        beside = [pool.submit(self._start_gateway)]
        if self._simulators:
            beside += [pool.submit(self._start_bank), pool.submit(self._start_mobile_money)]
        _all_succeeded(engines)
        services = [pool.submit(self._start_service, pool, handle.spec) for handle in self.services.values()]
        _all_succeeded([*beside, *services])
        roles = [role for service in services for role in service.result()]
        _all_succeeded(roles)

    def _start_database(self) -> None:
        self._report(Step(topology.POSTGRES, "starting"))
        self.postgres.start()
        self._save()
        self._dsns = self.postgres.provision(list(self.services))
        self._report(Step(topology.POSTGRES, "ready"))

    def _start_bus(self) -> None:
        if self.kafka is not None:
            self._report(Step(topology.KAFKA, "starting"))
            self.kafka.start()
            self._save()
            self._report(Step(topology.KAFKA, "ready"))

    def _start_service(self, pool: ThreadPoolExecutor, spec: ServiceSpec) -> list[Future[None]]:
        with self._migrations:
            self._report(Step(spec.name, "migrating"))
            self._migrate(spec)
        return [pool.submit(self.start_role, spec, role) for role in spec.roles]

    def _migrate(self, spec: ServiceSpec) -> None:
        name = f"{spec.name}-migrate"
        process = self._process(name, [sys.executable, "-m", spec.module, "migrate"], self._environment(spec, None))
        self._launch(process)
        finished = process.wait(MIGRATION_DEADLINE_S)
        with self._mutex:
            self.processes.pop(name, None)
        if not finished:
            process.kill()
            raise StartFailed(f"{name} took longer than {MIGRATION_DEADLINE_S:.0f} s\n{process.tail()}")
        if process.exit_code != 0:
            raise StartFailed(f"{name} ended with code {process.exit_code}\n{process.tail()}")

    def start_role(self, spec: ServiceSpec, role: Role) -> None:
        """Start one role of a service and wait until it is ready. Raises StartFailed."""
        name = listener(spec.name, role)
        command = [sys.executable, "-m", spec.module, role]
        self._run(self._process(name, command, self._environment(spec, role)), "/ready")

    def _start_bank(self) -> None:
        options = ["--host", LOOPBACK, "--port", str(self.ports[topology.BANK]), "--quiet"]
        options += ["--db", str(self.home.data / "bank.sqlite"), *self._bank_arguments]
        command = [sys.executable, "-m", "mockbank", *options]
        self._run(self._process(topology.BANK, command, common_environment()), "/_mock/health")

    def _start_mobile_money(self) -> None:
        options = ["--host", LOOPBACK, "--port", str(self.ports[topology.MOBILE_MONEY])]
        command = [sys.executable, "-m", "deploy.simulators.mobile_money", *options]
        self._run(self._process(topology.MOBILE_MONEY, command, simulator_environment(self.keys)), None)

    def _start_gateway(self) -> None:
        config = write_gateway_config(self.home, self.keys, self.ports, list(self.services))
        admin = self.ports[topology.ADMIN]
        log = self.home.log(topology.GATEWAY)
        envoy = EmbeddedEnvoy(config, admin_port=admin, log=log, owned=self._owned, name=topology.GATEWAY)
        self._run(envoy.process, "/ready", port=admin)

    # --- helpers ------------------------------------------------------------------------------------------------

    def _environment(self, spec: ServiceSpec, role: Role | None, dsns: dict[str, str] | None = None) -> dict[str, str]:
        if self.choice is None:
            raise RuntimeError("the platform was never started")
        bootstrap = self.kafka.bootstrap if self.kafka else self.choice.bootstrap
        return service_environment(
            spec,
            role,
            home=self.home,
            keys=self.keys,
            ports=self.ports,
            bus=self.choice.kind,
            bootstrap=bootstrap,
            topic_prefix=self._topic_prefix(),
            dsns=dsns or self._dsns or self.postgres.provision(list(self.services)),
        )

    def _topic_prefix(self) -> str:
        """Empty on a broker of our own; on a shared one, this home's topics are told apart from everybody's."""
        if self.choice is None or not self.choice.bootstrap:
            return ""
        file = self.home.keys / "topic-prefix"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.write_text(f"samaki-{secrets.token_hex(4)}.")
        return file.read_text()

    def _process(self, name: str, command: Sequence[str], env: dict[str, str]) -> ManagedProcess:
        return ManagedProcess(name, command, log=self.home.log(name), env=env, cwd=PROJECT, owned=self._owned)

    def _run(self, process: ManagedProcess, ready_path: str | None, *, port: int = 0) -> None:
        """Start a process and wait until it answers on its port (by path; None: until it accepts connections)."""
        self._report(Step(process.name, "starting"))
        self._launch(process)
        number = port or self.ports[process.name]
        ready = (lambda: answers(number, ready_path)) if ready_path else (lambda: tcp.accepts(number))
        process.wait_ready(ready, READY_DEADLINE_S, poll_s=_POLL_S)
        self._report(Step(process.name, "ready"))

    def _launch(self, process: ManagedProcess) -> None:
        with self._mutex:
            if self._aborting:
                raise StartFailed("the start was abandoned")
            process.start()
            self.processes[process.name] = process
            self._save()

    def _abort(self) -> None:
        """Make every step still under way fail soon: start no more, kill what runs."""
        with self._mutex:
            self._aborting = True
            for process in self.processes.values():
                process.kill()
        self.postgres.kill()
        if self.kafka is not None:
            self.kafka.kill()

    def _save(self) -> None:
        """Record what runs now, so that even an interrupted start can be taken down."""
        with self._mutex:
            records = [process.record() for process in self.processes.values() if process.running]
            records += [engine.record() for engine in (self.postgres, self.kafka) if engine and engine.running]
            bootstrap = self.choice.bootstrap if self.choice else ""
            self.home.save(State(self.bus, bootstrap, self.ports, records))


def _all_succeeded(futures: Sequence[Future[Any]]) -> None:
    """Wait for all; raise the first failure as soon as it happens."""
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()
