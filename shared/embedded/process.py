"""Supervised child processes.

A `ManagedProcess` runs a command in its own session and process group, with stdout and stderr in a log file. It comes
in two kinds:

* *owned* (the default): the kernel kills it when the process that started it dies, by whatever means (PR_SET_PDEATHSIG
  on Linux), so an interrupted test or demo leaves nothing behind;
* not owned: it lives on when its starter ends (`samaki up`); its `ProcessRecord`, saved to a file, lets a later
  command find it again without ever mistaking a re-used pid for it.

Errors: `StartFailed` (the command died or was not ready in time; the message carries the end of its log).
"""

import contextlib
import http.client
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_LAUNCHER = Path(__file__).with_name("launch.py")
_POLL_S = 0.02
# Two processes with one pid cannot have start times this close; psutil's own value drifts by less when clocks step.
_SAME_PROCESS_S = 5.0


class StartFailed(RuntimeError):
    """A process died while starting, or was not ready before its deadline."""


@dataclass(frozen=True, slots=True)
class SystemUser:
    """The unprivileged account a process runs as when its starter is root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """What identifies a running process to a later command: name, pid, start time (Unix seconds), log file."""

    name: str
    pid: int
    started: float
    log: str


class _Spawner:
    """Starts owned children from one thread that lives as long as this process.

    The kernel's parent-death signal follows the *thread* that forked, so a child started from a short-lived worker
    thread would be killed when that thread ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._pid = 0

    def call(self, function: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._pid != os.getpid():  # first use, or a fork: threads do not survive it
                self._requests = queue.SimpleQueue()
                threading.Thread(target=self._serve, args=(self._requests,), name="spawner", daemon=True).start()
                self._pid = os.getpid()
        result: Future[subprocess.Popen[bytes]] = Future()
        self._requests.put((function, result))
        return result.result()

    @staticmethod
    def _serve(requests: "queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]]") -> None:
        while True:
            function, result = requests.get()
            try:
                result.set_result(function())
            except OSError as error:  # no such command, no permission, no memory: the caller's to report
                result.set_exception(error)


_spawner = _Spawner()


class ManagedProcess:
    """One process with a name, a log and an orderly end.

    `command` is an argument vector (never a shell line). `env` replaces the environment when given. `death_signal` is
    what the kernel sends an owned process when its starter dies.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        owned: bool = True,
        user: SystemUser | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self.owned = owned
        self._env = dict(env) if env is not None else None
        self._cwd = cwd
        self._user = user
        self._stop_signal = stop_signal
        self._death_signal = death_signal
        self._child: subprocess.Popen[bytes] | None = None
        self._process: psutil.Process | None = None
        self._started = 0.0
        self._log_start = 0

    @classmethod
    def attach(cls, record: ProcessRecord, *, stop_signal: signal.Signals = signal.SIGTERM) -> "ManagedProcess":
        """The process of a record; not `running` when it has ended or its pid is another process by now."""
        managed = cls(record.name, [], log=Path(record.log), owned=False, stop_signal=stop_signal)
        try:
            process = psutil.Process(record.pid)
            if abs(process.create_time() - record.started) < _SAME_PROCESS_S:
                managed._process = process
                managed._started = record.started
        except psutil.NoSuchProcess:
            managed._process = None
        return managed

    @property
    def pid(self) -> int:
        """The process id, 0 when it was never started."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether the process is alive (a zombie is not)."""
        if self._child is not None:
            return self._child.poll() is None
        return self._process is not None and _is_alive(self._process)

    @property
    def exit_code(self) -> int | None:
        """The exit code of a process that this object started, None while it runs (negative: killed by a signal)."""
        return self._child.poll() if self._child else None

    @property
    def stop_signal(self) -> signal.Signals:
        """The signal that asks it to end in order."""
        return self._stop_signal

    def record(self) -> ProcessRecord:
        """What a later command needs to find this process again."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return ProcessRecord(self.name, self._process.pid, self._started, str(self.log))

    def start(self) -> None:
        """Start the command. Does not wait for readiness. Raises StartFailed when it cannot be executed."""
        if self.running:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._log_start = output.tell()

            def spawn() -> subprocess.Popen[bytes]:
                return subprocess.Popen(
                    self._full_command(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._env,
                    cwd=self._cwd,
                    start_new_session=True,
                )

            try:
                self._child = _spawner.call(spawn) if self.owned else spawn()
            except OSError as error:
                raise StartFailed(f"{self.name}: {error}") from error
        try:
            self._process = psutil.Process(self._child.pid)
            self._started = self._process.create_time()
        except psutil.NoSuchProcess as error:
            raise StartFailed(f"{self.name} ended at once\n{self.tail()}") from error

    def _full_command(self) -> list[str]:
        if not self.owned and self._user is None:
            return self.command
        launch = [sys.executable, "-I", "-S", str(_LAUNCHER), f"--death-signal={int(self._death_signal)}"]
        if self.owned:
            launch.append(f"--parent={os.getpid()}")
        if self._user is not None:
            launch += [f"--uid={self._user.uid}", f"--gid={self._user.gid}"]
        return [*launch, "--", *self.command]

    def wait_ready(self, ready: Callable[[], bool], deadline_s: float, *, poll_s: float = _POLL_S) -> None:
        """Wait until `ready()` is true. Raises StartFailed, with the end of the log, on death or deadline."""
        end = time.monotonic() + deadline_s
        while not ready():
            if not self.running:
                raise StartFailed(f"{self.name} ended with code {self.exit_code} while starting\n{self.tail()}")
            if time.monotonic() > end:
                raise StartFailed(f"{self.name} was not ready after {deadline_s:.0f} s\n{self.tail()}")
            time.sleep(poll_s)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone (nothing happens when it has ended)."""
        if self._process is not None and self.running:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._process.send_signal(number)

    def stop(self, grace_s: float = 10.0) -> None:
        """End the process: its stop signal, then SIGKILL to the whole group when it outlasts the grace period."""
        if self.running:
            self.signal(self._stop_signal)
            if not self.wait(grace_s):
                self.kill()
        self.wait(1.0)

    def kill(self) -> None:
        """SIGKILL the process, its group and its descendants, and wait until all are gone."""
        if self._process is None or not self.running:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [self._process, *self._process.children(recursive=True)]
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._wait_gone(family, 10.0)
        self.wait(10.0)

    def wait(self, deadline_s: float) -> bool:
        """Wait for the end of the process. False when it still runs at the deadline."""
        end = time.monotonic() + deadline_s
        while self.running:
            if time.monotonic() > end:
                return False
            time.sleep(_POLL_S)
        return True

    def _wait_gone(self, family: Sequence[psutil.Process], deadline_s: float) -> None:
        end = time.monotonic() + deadline_s
        while time.monotonic() < end and any(_is_alive(process) for process in family):
            if self._child is not None:
                self._child.poll()
            time.sleep(_POLL_S)

    def tail(self, lines: int = 20) -> str:
        """The last lines this start of the process wrote to its log, indented for an error message."""
        return tail(self.log, lines, start=self._log_start)

    def log_since_start(self) -> str:
        """Everything this start of the process has written to its log so far."""
        return _read_from(self.log, self._log_start)


def tail(log: Path, lines: int = 20, *, start: int = 0) -> str:
    """The last `lines` lines of a log file, from byte `start` on, indented; empty when there is no such file."""
    size = log.stat().st_size if log.exists() else 0
    text = _read_from(log, max(start, size - 64 * 1024))
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def _read_from(log: Path, start: int) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def answers(port: int, path: str, *, timeout_s: float = 1.0) -> bool:
    """Whether GET http://127.0.0.1:port/path answers 200 (no proxy is ever asked)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stop_all(processes: Sequence[ManagedProcess], grace_s: float = 10.0) -> None:
    """End several processes together: all are signalled first, then awaited, so the grace periods overlap."""
    for process in processes:
        process.signal(process.stop_signal)
    end = time.monotonic() + grace_s
    for process in processes:
        if not process.wait(max(0.0, end - time.monotonic())):
            process.kill()
