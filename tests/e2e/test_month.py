"""The main job on the whole platform, through the gateway: on Apache Kafka, and on the log in PostgreSQL."""

from __future__ import annotations

import mmap
import re
from collections.abc import Collection, Iterable
from pathlib import Path

import pytest

from deploy.local.demo import BANK_ARGUMENTS, Month, run
from deploy.local.platform import Platform
from shared.embedded.kafka import EmbeddedKafka, existing_broker

pytestmark = pytest.mark.e2e
NUMBER = re.compile(rb"(?<!\d)\d{8,20}(?!\d)")
SAMPLE_NAMES = 30


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a platform with spaces")


def run_month(home: Path, bus: str) -> tuple[Month, Path]:
    """The month, run to its closing table; the platform is stopped. Raises DemoFailed where anything is wrong."""
    platform = Platform(home, bus=bus, random_ports=True, bank_arguments=BANK_ARGUMENTS)
    with platform:
        month = run(platform)
        data = platform.postgres.pgdata
    return month, data


@pytest.mark.kafka
def test_one_month_of_cash_transfer_on_kafka_leaves_no_identity_number_in_clear(home):
    """The closing table's own checks make it fail: balance, events, counts. Then fault 26, on the run's disk."""
    available, reason = EmbeddedKafka.available()
    if not available and not existing_broker():
        pytest.skip(f"no Kafka here: {reason}")
    month, database = run_month(home, "kafka")
    secrets = month.registered.secrets | month.accounts.numbers
    names = sorted(month.registered.names)[:: len(month.registered.names) // SAMPLE_NAMES]
    assert len(secrets) > 10_000
    logs = list((home / "logs").rglob("*"))
    engines = [*database.rglob("*"), *(home / "data" / "kafka").rglob("*")]
    assert len(engines) > 500, "the database's and the broker's files were not found: nothing was searched"
    assert found_in(secrets, [*logs, *engines]) == []
    # Names are the registry's own data; they leave it neither by an event nor by a log.
    assert found_in(names, [*logs, *(home / "data" / "kafka").rglob("*")]) == []


def test_one_month_of_cash_transfer_on_the_log_in_postgres(home):
    run_month(home, "postgres")


def found_in(texts: Collection[str], files: Iterable[Path]) -> list[str]:
    """Which texts occur in which files, by their last two characters. A number counts only where it stands alone."""
    numbers = {text.encode() for text in texts if text.isdecimal()}
    words = [text.encode() for text in texts if not text.isdecimal()]
    found = []
    for file in files:
        if not file.is_file() or file.stat().st_size == 0:
            continue
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            hits = numbers.intersection(NUMBER.findall(content)) if numbers else set()
            hits.update(word for word in words if content.find(word) >= 0)
        found += [f"...{hit.decode()[-2:]} in {file.name}" for hit in hits]
    return found
