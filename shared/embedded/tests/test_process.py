"""Supervised processes: their ends, their logs, and that nothing outlives its owner unless asked to."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from shared.embedded.process import ManagedProcess, ProcessRecord, StartFailed

SLEEPER = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"]
ROOT = Path(__file__).resolve().parents[3]


def sleeper(log: Path, **options: bool) -> ManagedProcess:
    process = ManagedProcess("sleeper", SLEEPER, log=log, **options)
    process.start()
    process.wait_ready(lambda: "ready" in process.log_since_start(), 20)
    return process


def until(condition, deadline_s: float = 10.0) -> bool:
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_process_stops_in_order(tmp_path: Path) -> None:
    process = sleeper(tmp_path / "log")
    process.stop()
    assert not process.running
    assert process.exit_code == -signal.SIGTERM


def test_a_process_that_ignores_its_stop_signal_is_killed(tmp_path: Path) -> None:
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
    process = ManagedProcess("stubborn", [sys.executable, "-c", stubborn], log=tmp_path / "log")
    process.start()
    process.wait_ready(lambda: "ready" in process.log_since_start(), 20)
    process.stop(grace_s=0.2)
    assert process.exit_code == -signal.SIGKILL


def test_killing_takes_the_descendants_too(tmp_path: Path) -> None:
    family = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    process = ManagedProcess("family", [sys.executable, "-c", family], log=tmp_path / "log")
    process.start()
    process.wait_ready(lambda: process.log_since_start().endswith("\n"), 20)
    child = int(process.log_since_start())
    process.kill()
    assert gone(child)


def test_a_death_while_starting_shows_the_end_of_the_log(tmp_path: Path) -> None:
    process = ManagedProcess(
        "broken", [sys.executable, "-c", "raise SystemExit('no such setting')"], log=tmp_path / "log"
    )
    process.start()
    with pytest.raises(StartFailed, match="no such setting"):
        process.wait_ready(lambda: False, 20)


def test_a_start_that_never_becomes_ready_meets_its_deadline(tmp_path: Path) -> None:
    process = sleeper(tmp_path / "log")
    with pytest.raises(StartFailed, match="not ready"):
        process.wait_ready(lambda: False, 0.1)
    process.kill()


def test_a_missing_command_is_reported(tmp_path: Path) -> None:
    process = ManagedProcess("missing", ["/no/such/command"], log=tmp_path / "log", owned=False)
    with pytest.raises(StartFailed, match="missing"):
        process.start()


def _start_from_another_process(tmp_path: Path, *, owned: bool) -> tuple[subprocess.Popen[str], int]:
    # From a thread that ends at once: the kernel ties the death signal to the thread that forked.
    starter = f"""
import sys, threading, time
from pathlib import Path
from shared.embedded.process import ManagedProcess
process = ManagedProcess("inner", {SLEEPER!r}, log=Path({str(tmp_path / "inner")!r}), owned={owned})
thread = threading.Thread(target=process.start)
thread.start()
thread.join()
process.wait_ready(lambda: "ready" in process.log_since_start(), 20)
print(process.pid, flush=True)
time.sleep(600)
"""
    outer = subprocess.Popen([sys.executable, "-c", starter], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert outer.stdout is not None
    return outer, int(outer.stdout.readline())


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_an_owned_process_does_not_outlive_a_killed_owner(tmp_path: Path) -> None:
    outer, inner = _start_from_another_process(tmp_path, owned=True)
    assert not gone(inner)
    outer.kill()
    outer.wait(10)
    assert until(lambda: gone(inner))


def test_a_process_that_is_not_owned_lives_on_and_is_found_again(tmp_path: Path) -> None:
    outer, inner = _start_from_another_process(tmp_path, owned=False)
    record = ProcessRecord("inner", inner, psutil.Process(inner).create_time(), str(tmp_path / "inner"))
    outer.kill()
    outer.wait(10)
    found = ManagedProcess.attach(record)
    assert found.running
    found.stop()
    assert until(lambda: gone(inner))


def test_a_reused_pid_is_not_mistaken_for_the_recorded_process(tmp_path: Path) -> None:
    stale = ProcessRecord("old", os.getpid(), psutil.Process().create_time() - 3600, str(tmp_path / "log"))
    assert not ManagedProcess.attach(stale).running
