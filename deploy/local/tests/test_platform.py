"""The local platform as a whole, with stand-ins for the services: it starts, recovers, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.local.home import PROJECT, Home, HomeInUse
from deploy.local.platform import Platform
from deploy.local.topology import ServiceSpec
from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.process import StartFailed

DUMMY = "deploy.local.tests.dummy"
SPECS = (
    ServiceSpec("registry", ("api", "relay"), package=DUMMY),
    ServiceSpec("payments", ("api", "consumer"), package=DUMMY),
)
kafka_usable, kafka_reason = EmbeddedKafka.available()


def platform_in(home: Path, **options: object) -> Platform:
    settings = {"bus": "postgres", "random_ports": True, "services": SPECS, "simulators": False} | options
    return Platform(home, **settings)


def pids_of(platform: Platform) -> list[int]:
    pids = [process.pid for process in platform.processes.values()] + [platform.postgres.pid]
    return [*pids, platform.kafka.pid] if platform.kafka else pids


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def until(condition, deadline_s: float = 15.0) -> bool:
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "a home with spaces"
    yield place
    Home(place).wipe()


@pytest.mark.parametrize(
    "bus",
    [
        "postgres",
        pytest.param(
            "kafka",
            marks=[pytest.mark.kafka, pytest.mark.skipif(not kafka_usable, reason=kafka_reason)],
        ),
    ],
)
def test_everything_starts_answers_through_the_gateway_and_stops(home: Path, bus: str) -> None:
    platform = platform_in(home, bus=bus)
    with platform:
        assert platform.missing() == []
        headers = {"Authorization": f"Bearer {platform.token('auditor')}"}
        answer = httpx.get(f"{platform.gateway_url}/payments/v1/funds", headers=headers)
        assert (answer.status_code, answer.text) == (200, "payments")
        assert httpx.get(f"{platform.gateway_url}/payments/v1/funds").status_code == 401
        pids = pids_of(platform)
    assert all(gone(pid) for pid in pids)


def test_a_killed_role_is_noticed_and_starts_again_on_its_port(home: Path) -> None:
    with platform_in(home) as platform:
        registry = platform.services["registry"]
        before = registry.pids["relay"]
        registry.kill("relay")
        assert platform.missing() == ["registry-relay"]
        registry.start("relay")
        assert platform.missing() == []
        assert registry.pids["relay"] != before


def test_a_service_that_fails_to_start_stops_everything_and_shows_its_log(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMMY_FAILS", "consumer")
    platform = platform_in(home)
    with pytest.raises(StartFailed, match="the dummy fails as told"):
        platform.start()
    assert platform.processes == {}
    assert not platform.postgres.running
    assert Home(home).load() is None


def test_a_failing_migration_stops_the_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUMMY_FAILS", "migrate")
    with pytest.raises(StartFailed, match="migrate ended with code 1"):
        platform_in(home).start()


def test_a_platform_left_running_is_found_and_stopped_by_a_later_command(home: Path) -> None:
    started = platform_in(home, owned=False)
    started.start()
    try:
        found = Platform.attach(Home(home), services=SPECS, simulators=False)
        assert found is not None
        assert found.missing() == []
        assert found.services["registry"].pids == started.services["registry"].pids
        pids = pids_of(started)
        found.stop()
        assert until(lambda: all(gone(pid) for pid in pids))
        assert Platform.attach(Home(home)) is None
    finally:
        started.stop()


def test_a_second_owner_of_a_home_is_refused(home: Path) -> None:
    with platform_in(home), pytest.raises(HomeInUse):
        platform_in(home).start()


def test_data_and_keys_survive_a_stop(home: Path) -> None:
    with platform_in(home) as platform:
        platform.postgres.execute("CREATE TABLE registry.kept AS SELECT 1 AS n")
        token = platform.token("auditor")
    with platform_in(home) as platform:
        assert platform.postgres.execute("SELECT n FROM registry.kept").strip() == "1"
        answer = httpx.get(f"{platform.gateway_url}/registry/v1/places", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_process_outlives_an_interrupted_owner(home: Path, end: signal.Signals) -> None:
    script = f"""
import signal, sys, time
from pathlib import Path
sys.path[:0] = [{str(PROJECT)!r}]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
from deploy.local.platform import Platform
from deploy.local.topology import ServiceSpec
specs = [ServiceSpec("registry", ("api", "relay"), package={DUMMY!r})]
with Platform(Path({str(home)!r}), bus="postgres", random_ports=True, services=specs, simulators=False) as platform:
    pids = [process.pid for process in platform.processes.values()] + [platform.postgres.pid]
    print(*pids, flush=True)
    time.sleep(600)
"""
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    assert owner.stdout is not None
    pids = [int(pid) for pid in owner.stdout.readline().split()]
    assert len(pids) == 4
    os.kill(owner.pid, end)
    owner.wait(30)
    assert until(lambda: all(gone(pid) for pid in pids))
