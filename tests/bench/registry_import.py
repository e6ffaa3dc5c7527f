"""`python -m tests.bench.registry_import [--short]`: a household file from socket to register, against raw COPY.

Ours: parsed, sealed, staged, checked as a set, exact keys compared, loaded with history and events, all durable. Raw:
binary COPY of the same rows of household, person, membership and identifier into the same tables, with all indexes,
from memory, triggers off. Memory: the peak of this process after a small file and after one eight times as large.
"""

from __future__ import annotations

import asyncio
import base64
import csv
import gc
import io
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg

from services.registry.app import SERVICE
from services.registry.imports.rules import COLUMNS
from services.registry.places import repository as places
from services.registry.places.gazetteer import PlaceRow
from services.registry.places.location_class import load_class_rules
from services.registry.settings import RegistrySettings
from shared.clock import FixedClock
from shared.embedded.postgres import EmbeddedPostgres
from shared.migrations import upgrade
from shared.testing.keys import TestKeys
from shared.testing.service import TestService, running
from tests.bench.registry_read import FAMILIES, GIVEN, cpu_seconds

TABLES: Final = ("household", "person", "membership", "identifier")
Figures = dict[str, dict[str, float]]
_BIRTHS: Final = [str(date(1955, 1, 1) + timedelta(days=day)) for day in range(23_700)]
_GROWN_BIRTHS: Final = _BIRTHS[:16_000]
VILLAGES: Final = [f"0102{commune:02}{village:02}" for commune in range(1, 20) for village in range(1, 16)]


def household_file(households: int, prefix: str) -> Iterator[bytes]:
    """A file of households of four, three in ten with an identity number, half of the heads with a telephone.

    Names are drawn from those of `registry_read`, days of birth from sixty years, each alone: about as many people as
    in a country share name, sex and day of birth with somebody else, and are listed for a decision.
    """
    yield (",".join(COLUMNS) + "\n").encode()
    draw = random.Random(prefix)  # the same file every time
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number in range(households):
        ref, village = f"{prefix}{number}", VILLAGES[number % len(VILLAGES)]
        card = ("1" if number % 2 else "2", f"C{prefix}{number}", "2020-01-01", "2023-01-01")
        for member in range(4):
            serial = number * 4 + member
            head = member == 0
            born = draw.choice(_GROWN_BIRTHS if head else _BIRTHS)
            (family_en, family_km), (given_en, given_km) = draw.choice(FAMILIES), draw.choice(GIVEN)
            names = (f"{family_km} {given_km}", f"{family_en} {given_en}")
            number_cell = f"{int(prefix[1:]) * 10_000_000 + serial + 100_000_000:09}" if serial % 10 < 3 else ""
            phone = f"01{serial % 10_000_000:07}" if head and number % 2 else ""
            relationship = ("head", "spouse", "child", "child")[member]
            row = (ref, village, *card, str(member + 1), *names, ("female", "male")[serial % 2], born, relationship)
            writer.writerow((*row, number_cell, phone, "none", "false", "false"))
        if number % 2_000 == 1_999:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


async def _stream(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1 << 18):
            yield chunk


async def measure(*, short: bool) -> Figures:
    """Import a small file, then one eight times as large; then COPY what the second wrote."""
    small, large = (1_250, 10_000) if short else (2_500, 20_000)
    with tempfile.TemporaryDirectory(prefix="samaki-bench-") as home, EmbeddedPostgres.temporary() as postgres:
        dsn = postgres.provision(["registry"])["registry"]
        await upgrade(SERVICE.migrations, dsn, "registry")
        keys = TestKeys(Path(home))
        settings = settings_of(dsn, keys)
        async with running(SERVICE, settings, keys, FixedClock(datetime(2020, 7, 1, tzinfo=UTC))) as service:
            await place_villages(service)
            for size, prefix in ((small, "A0"), (large, "B1")):
                path = Path(home) / f"{prefix}.csv"
                path.write_bytes(b"".join(household_file(size, prefix)))
            await send(service, Path(home) / "A0.csv")
            gc.collect()  # as every role of a service does when it starts (shared/runner.py)
            gc.freeze()
            gc.set_threshold(50_000, 20, 100)
            before = _peak_mib()
            worked = cpu_seconds(os.getpid(), postgres.pid)
            seconds = await send(service, Path(home) / "B1.csv")
            cpu = cpu_seconds(os.getpid(), postgres.pid) - worked
            after = _peak_mib()
        raw = await _raw_seconds(postgres.dsn())
    people = large * 4
    scale = (large + small) / large
    return {
        "import": {
            "people": people,
            "seconds": seconds,
            "cpu_seconds": cpu,
            "load": os.getloadavg()[0],
            "people_per_s": people / seconds,
            "raw_per_s": people * scale / raw,
            "ratio": (people / seconds) / (people * scale / raw),
            "peak_mib": after,
            "grew_mib": after - before,
        }
    }


def settings_of(dsn: str, keys: TestKeys) -> RegistrySettings:
    """Settings of a registry with keys of its own."""
    values: dict[str, Any] = {
        "database_url": dsn,
        "database_schema": "registry",
        "kafka_bootstrap_servers": "127.0.0.1:1",
        "jwks": str(keys.jwks),
        "encryption_key": base64.b64encode(os.urandom(32)).decode(),
        "hash_key": base64.b64encode(os.urandom(32)).decode(),
    }
    return RegistrySettings(**values)


async def place_villages(service: TestService) -> None:
    """The file's villages, with their classes."""
    rows: dict[str, PlaceRow] = {}
    for village in VILLAGES:
        for length, level in ((2, "province"), (4, "district"), (6, "commune"), (8, "village")):
            code = village[:length]
            rows[code] = PlaceRow(code, level, code[:-2] or None, code, code, code)
    rules = load_class_rules()
    async with service.database.session() as session:
        await places.upsert_places(session, list(rows.values()))
        await places.set_rule_classes(session, {code: rules.class_of(code) for code in VILLAGES}, rules.valid_from)


async def send(service: TestService, path: Path) -> float:
    """Seconds from the first byte sent to the job's end."""
    headers = {**service.token("registry_officer"), "Content-Type": "text/csv"}
    started = time.monotonic()
    answer = await service.http.post(
        "/registry/v1/household-imports", content=_stream(path), headers=headers, timeout=900
    )
    assert answer.status_code == 202, answer.text
    received = time.monotonic()
    await service.run_jobs()
    seconds = time.monotonic() - started
    print(f"{path.name}: received in {received - started:.1f} s, done in {seconds:.1f} s", file=sys.stderr)
    url = f"/registry/v1/household-imports/{answer.json()['import_id']}"
    done = (await service.http.get(url, headers=headers)).json()
    assert (done["rejected_rows"], done["state"]) == (0, "finished"), done
    return seconds


async def _raw_seconds(dsn: str) -> float:
    """Seconds of COPY of everything in the four tables into the same four, emptied."""
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "registry"})
    kept = {}
    for table in TABLES:
        out = io.BytesIO()
        await connection.copy_from_table(table, schema_name="registry", output=out, format="binary")
        kept[table] = out
        await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    await connection.execute(f"TRUNCATE {', '.join(TABLES)}")
    await connection.execute("CHECKPOINT")
    seconds = 0.0
    for table, data in kept.items():
        data.seek(0)
        started = time.monotonic()
        await connection.copy_to_table(table, schema_name="registry", source=data, format="binary")
        seconds += time.monotonic() - started
    await connection.close()
    return seconds


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rows(figures: Figures) -> list[tuple[str, str, str, str, bool]]:
    """Lines of the table: what, result, compared with, aim, met."""
    found = figures["import"]
    speed = f"{found['people_per_s']:,.0f} people/s"
    raw = f"raw COPY {found['raw_per_s']:,.0f}/s: ratio {found['ratio']:.2f}"
    raw += f"; {found['cpu_seconds']:.1f} s of processor in {found['seconds']:.1f} s, load {found['load']:.1f}"
    memory = f"{found['grew_mib']:.0f} MiB more", f"peak {found['peak_mib']:.0f} MiB"
    return [
        (f"import of {found['people']:,.0f} people", speed, raw, "ratio at least 0.33", found["ratio"] >= 1 / 3),
        ("memory, a file eight times as large", *memory, "under 30 MiB more", found["grew_mib"] < 30),
    ]


if __name__ == "__main__":
    for line in rows(asyncio.run(measure(short="--short" in sys.argv))):
        print(" | ".join(map(str, line)))
