"""An embedded Apache Kafka: one node in KRaft mode, from Apache Kafka's own jars.

Needs Java 17+ and, once, Maven, which copies the jars of kafka.pom.xml to the user's cache. `EmbeddedKafka.available()`
says whether both are there, and why not; callers then fall back to the Postgres log. `existing_broker()` is the
address of a broker that the environment offers instead (KAFKA_BOOTSTRAP_SERVERS).
"""

import base64
import contextlib
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from shared.embedded import cache, ports
from shared.embedded.process import ManagedProcess, ProcessRecord, StartFailed

_POM = Path(__file__).with_name("kafka.pom.xml")
_MINIMUM_JAVA = 17
_FETCH_TIMEOUT_S = 600
_READY = "Kafka Server started"

_LOGGING = """
status = error
shutdownHook = disable
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSS}{UTC}Z %p %m (%c{1})%n
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
"""


def existing_broker() -> str:
    """The bootstrap servers of a broker that is already there, empty when the environment names none."""
    return os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "").strip()


class EmbeddedKafka:
    """One broker in one directory.

    Args:
        data_dir: where its log lives: created on first start, kept by `stop`, removed by `destroy`.
        port: the client port; by default one that was free at the first start, kept for later starts where it still is.
        owned: the broker dies with the process that started it (see shared.embedded.process).
    """

    def __init__(self, data_dir: Path, *, port: int = 0, owned: bool = True) -> None:
        self.data_dir = data_dir.absolute()
        self.log = self.data_dir / "kafka.log"
        self._fixed_port = port
        self._owned = owned
        self._process: ManagedProcess | None = None

    @classmethod
    @contextlib.contextmanager
    def temporary(cls) -> "Iterator[EmbeddedKafka]":
        """A started broker that is destroyed at the end of the block."""
        kafka = cls(Path(tempfile.mkdtemp(prefix="samaki-kafka-")))
        try:
            kafka.start()
            yield kafka
        finally:
            kafka.destroy()

    @staticmethod
    def available() -> tuple[bool, str]:
        """Whether a broker can be started here, and why not."""
        return _available()

    # --- life ---------------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The client port, 0 before the first start."""
        if self._fixed_port:
            return self._fixed_port
        file = self.data_dir / "port"
        return int(file.read_text()) if file.exists() else 0

    @property
    def bootstrap(self) -> str:
        """The bootstrap servers: `127.0.0.1:port`."""
        return f"{ports.HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The broker's pid, 0 when it was not started or attached."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether the broker process is alive."""
        return self._process is not None and self._process.running

    def record(self) -> ProcessRecord:
        """What a later command needs to find this broker again (`attach`)."""
        if self._process is None:
            raise RuntimeError("the broker was never started")
        return self._process.record()

    def attach(self, record: ProcessRecord) -> None:
        """Take over a broker that an earlier process started."""
        self._process = ManagedProcess.attach(record)

    def start(self, deadline_s: float = 90.0) -> None:
        """Start the broker, fetching the jars and formatting the log first where needed. Raises StartFailed."""
        if self.running:
            return
        installation = _installation()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if not (self.data_dir / "log" / "meta.properties").exists():
            shutil.rmtree(self.data_dir / "log", ignore_errors=True)
            _format(installation / "formatted", self.data_dir)
        port, controller_port = self._choose_ports()
        _write_properties(self.data_dir / "server.properties", _properties(self.data_dir, port, controller_port))
        (self.data_dir / "log4j2.properties").write_text(_LOGGING)
        self._process = ManagedProcess(
            "kafka",
            [
                # C1 alone: a third less processor time until it is ready, where many processes start on few cores.
                *(_java(), "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                "-Djava.awt.headless=true",
                f"-Dlog4j2.configurationFile={(self.data_dir / 'log4j2.properties').as_uri()}",
                *("-cp", str(installation / "jars" / "*"), "kafka.Kafka", self.data_dir / "server.properties"),
            ],
            log=self.log,
            cwd=self.data_dir,
            owned=self._owned,
        )
        self._process.start()
        process = self._process
        process.wait_ready(lambda: _READY in process.log_since_start(), deadline_s)

    def stop(self, grace_s: float = 20.0) -> None:
        """Shut the broker down in order; its log stays."""
        if self._process is not None:
            self._process.stop(grace_s)

    def kill(self) -> None:
        """SIGKILL the broker, as a crash would; its log stays and is recovered at the next start."""
        if self._process is not None:
            self._process.kill()

    def restart(self) -> None:
        """Start again on the same port and log (after `kill` or `stop`; a running broker is stopped first)."""
        port = self.port
        self.stop()
        self._fixed_port = self._fixed_port or port
        self.start()

    def destroy(self) -> None:
        """Kill the broker and delete its log."""
        self.kill()
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def _choose_ports(self) -> tuple[int, int]:
        controller_port = ports.free_ports(1)[0]
        if self._fixed_port:
            if not ports.wait_free(self._fixed_port):
                raise StartFailed(f"kafka: port {self._fixed_port} is in use")
            return self._fixed_port, controller_port
        port = ports.prefer([self.port])[0] if self.port else ports.free_ports(2)[0]
        (self.data_dir / "port").write_text(str(port))
        return port, controller_port if controller_port != port else ports.free_ports(1)[0]


# --- configuration --------------------------------------------------------------------------------------------------


def _properties(data_dir: Path, port: int, controller_port: int) -> dict[str, str]:
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{ports.HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{ports.HOST}:{port},CONTROLLER://{ports.HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{ports.HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data_dir / "log"),
        "auto.create.topics.enable": "false",  # a misspelt topic is an error, not a new topic
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "2",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",  # a killed consumer's partitions move within seconds
        "group.coordinator.append.linger.ms": "0",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "4",
        "log.cleaner.dedupe.buffer.size": "16777216",
        "log.segment.bytes": "134217728",
        "message.max.bytes": "8388608",
        "replica.fetch.max.bytes": "8388608",
        "socket.request.max.bytes": "104857600",
        "controlled.shutdown.max.retries": "1",
        # A single node has nobody to wait for: a killed broker is fenced, and welcomed back, soon.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
    }


def _write_properties(file: Path, values: dict[str, str]) -> None:
    """Java's format: Latin-1, other characters and backslashes escaped."""

    def escaped(text: str) -> str:
        units = text.replace("\\", "\\\\").encode("utf-16-be")
        pairs = [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
        return "".join(chr(unit) if 32 <= unit < 127 else f"\\u{unit:04x}" for unit in pairs)

    file.write_text("".join(f"{name}={escaped(value)}\n" for name, value in values.items()), encoding="ascii")


def _format(template: Path, data_dir: Path) -> None:
    """A freshly formatted log: a copy of the cached one (a JVM start saved), with identities of its own."""
    partial = data_dir / "log.partial"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(template, partial)
    meta = partial / "meta.properties"
    text = re.sub(r"(?m)^cluster\.id=.*$", f"cluster.id={_kafka_uuid()}", meta.read_text())
    meta.write_text(re.sub(r"(?m)^directory\.id=.*$", f"directory.id={_kafka_uuid()}", text))
    partial.rename(data_dir / "log")


def _kafka_uuid() -> str:
    # Kafka spells UUIDs in URL-safe base64; a leading dash would read as a command-line option.
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")


# --- jars -----------------------------------------------------------------------------------------------------------


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    at_home = Path(home) / "bin" / "java" if home else None
    return str(at_home) if at_home and at_home.exists() else shutil.which("java") or ""


def _cache_key() -> str:
    return f"kafka-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]}"


@functools.cache
def _available() -> tuple[bool, str]:
    java = _java()
    if not java:
        return False, f"Java {_MINIMUM_JAVA}+ is not installed"
    shown = subprocess.run([java, "-version"], capture_output=True, check=False, timeout=30).stderr.decode()
    found = re.search(r'version "(\d+)', shown)
    if found is None or int(found[1]) < _MINIMUM_JAVA:
        return False, f"Java {found[1] if found else '?'} is too old: {_MINIMUM_JAVA}+ is needed"
    if not (cache.cache_home() / _cache_key()).exists() and not shutil.which("mvn"):
        return False, "Maven (mvn) is not installed; it fetches Apache Kafka's jars"
    return True, ""


def _installation() -> Path:
    """The cached `jars/` and a `formatted/` log of this Kafka version, made on first use by Maven."""
    usable, reason = _available()
    if not usable:
        raise StartFailed(f"kafka: {reason}")
    return cache.entry(_cache_key(), _install)


def _install(directory: Path) -> None:
    _run(
        "fetching Apache Kafka with Maven",
        ["mvn", "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies", f"-DoutputDirectory={directory / 'jars'}"],
    )
    properties = directory / "format.properties"
    _write_properties(properties, _properties(directory, 1, 2) | {"log.dirs": str(directory / "formatted")})
    tool = [_java(), "-cp", str(directory / "jars" / "*"), "kafka.tools.StorageTool"]
    _run("formatting a Kafka log", [*tool, "format", "-t", _kafka_uuid(), "-c", str(properties)])
    properties.unlink()


def _run(what: str, command: list[str]) -> None:
    try:
        result = subprocess.run(command, capture_output=True, timeout=_FETCH_TIMEOUT_S, check=False, cwd=Path("/"))
    except subprocess.TimeoutExpired as error:
        raise StartFailed(f"kafka: {what} took longer than {_FETCH_TIMEOUT_S} s") from error
    if result.returncode != 0:
        output = (result.stdout + result.stderr).decode(errors="replace").strip()
        raise StartFailed(f"kafka: {what} failed (exit {result.returncode})\n{output[-2000:]}")
