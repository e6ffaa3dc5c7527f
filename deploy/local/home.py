"""The directory that holds everything a local platform keeps: keys, data, logs, and which processes run.

.samaki/
    lock          held while a command changes the platform, or as long as an owned platform runs
    state.json    ports, bus and processes of the running platform
    keys/         signing key, JWKS, the services' secrets: readable by their owner alone
    data/         database, broker, bank
    logs/         one file per process
    run/          configuration rendered at start
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deploy.local.topology import BusKind
from shared.embedded.postgres import EmbeddedPostgres
from shared.embedded.process import ProcessRecord

PROJECT = Path(__file__).resolve().parents[2]
_LARGEST_LOG = 50 * 1024 * 1024


class HomeInUse(RuntimeError):
    """Another command, or an owned platform, works with this home."""


@dataclass
class State:
    """The running platform, as a later command finds it."""

    bus: BusKind
    bootstrap: str
    ports: dict[str, int]
    processes: list[ProcessRecord] = field(default_factory=list)


@dataclass(frozen=True)
class Home:
    """Paths under one home, and the state file in it."""

    path: Path

    @classmethod
    def default(cls) -> "Home":
        """SAMAKI_HOME, else .samaki in the project."""
        return cls(Path(os.environ.get("SAMAKI_HOME") or PROJECT / ".samaki").absolute())

    @property
    def keys(self) -> Path:
        """Keys and secrets."""
        return self.path / "keys"

    @property
    def data(self) -> Path:
        """Databases."""
        return self.path / "data"

    @property
    def run(self) -> Path:
        """Rendered configuration."""
        return self.path / "run"

    def log(self, name: str) -> Path:
        """The log file of one process."""
        return self.path / "logs" / f"{name}.log"

    def prepare(self) -> None:
        """Make the directories; others may pass through (the database's account must) but not look."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o711)
        self.data.mkdir(exist_ok=True)
        for private in (self.keys, self.run, self.path / "logs"):
            private.mkdir(exist_ok=True, mode=0o700)
        for log in (self.path / "logs").glob("*.log"):
            if log.stat().st_size > _LARGEST_LOG:
                log.replace(log.with_suffix(".log.1"))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands from this home. Raises HomeInUse."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HomeInUse(f"another samaki command is working with {self.path}") from None
            yield

    def save(self, state: State) -> None:
        """Write the state, whole or not at all."""
        partial = self.path / "state.json.partial"
        partial.write_text(json.dumps(asdict(state), indent=2))
        partial.replace(self.path / "state.json")

    def load(self) -> State | None:
        """The last saved state, None when nothing was started or all was stopped."""
        file = self.path / "state.json"
        if not file.exists():
            return None
        raw = json.loads(file.read_text())
        raw["processes"] = [ProcessRecord(**record) for record in raw["processes"]]
        return State(**raw)

    def forget(self) -> None:
        """Remove the state: everything has been stopped."""
        (self.path / "state.json").unlink(missing_ok=True)

    def wipe(self) -> None:
        """Delete all data, keys and logs. Nothing may run."""
        EmbeddedPostgres(self.data / "postgres").destroy()
        shutil.rmtree(self.path, ignore_errors=True)
