"""One PostgreSQL and one Kafka for a whole test session, shared by its parallel workers.

Without pytest-xdist they start when the first test asks. With it, the controlling process starts them, since what it
starts dies with it; workers learn of them through a directory named in the environment.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres

RUN_DIR: Final = "SAMAKI_TEST_RUN_DIR"
BROKER_DEADLINE_S: Final = 120.0


class Servers:
    """The servers of this session, started here or by the controller."""

    def __init__(self) -> None:
        inherited = os.environ.get(RUN_DIR)
        self._owner = inherited is None
        self.directory = Path(inherited) if inherited else Path(tempfile.mkdtemp(prefix="samaki-test-"))
        self.directory.chmod(0o711)
        self._postgres: EmbeddedPostgres | None = None
        self._kafka: EmbeddedKafka | None = None
        self._thread: threading.Thread | None = None

    def start_for_workers(self) -> None:
        """Called in the controller, before workers start: the database now, the broker in the background."""
        os.environ[RUN_DIR] = str(self.directory)
        self.postgres()
        self._thread = threading.Thread(target=self._start_kafka, daemon=True)
        self._thread.start()

    def postgres(self) -> EmbeddedPostgres:
        """The running database server."""
        if self._postgres is None:
            self._postgres = EmbeddedPostgres(self.directory / "postgres", durable=False)
            if self._owner:
                self._postgres.start()
        return self._postgres

    def kafka_bootstrap(self) -> str | None:
        """Bootstrap servers of a running broker; None, where none can run (see `kafka_reason`)."""
        existing = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        if existing:
            return existing
        if self._owner:
            if self._kafka is None:
                self._start_kafka()
        else:
            end = time.monotonic() + BROKER_DEADLINE_S
            while not self._verdict.exists():
                if time.monotonic() > end:
                    raise TimeoutError("the test session's Kafka did not start in time")
                time.sleep(0.05)
        bootstrap, _, self.kafka_reason = self._verdict.read_text().partition("\n")
        return bootstrap or None

    kafka_reason: str = ""

    @property
    def _verdict(self) -> Path:
        return self.directory / "kafka"

    def _start_kafka(self) -> None:
        available, reason = EmbeddedKafka.available()
        bootstrap = ""
        if available:
            try:
                self._kafka = EmbeddedKafka(self.directory / "broker")
                self._kafka.start()
                bootstrap = self._kafka.bootstrap
            except (OSError, RuntimeError) as error:
                reason = f"Kafka did not start: {error}"
        partial = self.directory / "kafka.partial"
        partial.write_text(f"{bootstrap}\n{reason}")
        partial.rename(self._verdict)

    def stop(self) -> None:
        """Stop and remove what this process started."""
        if not self._owner:
            return
        if self._thread is not None:
            self._thread.join(BROKER_DEADLINE_S)
        if self._kafka is not None:
            self._kafka.destroy()
        if self._postgres is not None:
            self._postgres.destroy()
        shutil.rmtree(self.directory, ignore_errors=True)
        os.environ.pop(RUN_DIR, None)
