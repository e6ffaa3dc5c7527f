"""`python -m tests.bench.registry_feed [--short]`: a civil-registration feed over a register, as sets and line by line.

Births and marriages of a fortnight, each about a household of its own, as most of a nation's are. Line by line is what
an event costs that an officer tells, and what every line of a feed cost before there were sets. Raw: for each birth the
four rows alone (person, membership, event; the household's next version) over the bare driver, triggers off.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from unittest.mock import AsyncMock, patch

import asyncpg
from sqlalchemy import event

from services.registry.app import SERVICE
from services.registry.life_events import apply_feed
from services.registry.search.index_people import start_indexing
from shared.clock import FixedClock
from shared.embedded.postgres import EmbeddedPostgres
from shared.migrations import upgrade
from shared.testing.keys import TestKeys
from shared.testing.service import TestService, running
from tests.bench import registry_import
from tests.bench.registry_read import cpu_seconds

PREFIX: Final = "C2"
DAYS: Final = 14
Figures = dict[str, dict[str, float]]
_MOTHERS: Final = """
    SELECT i.owner_id, m.household_id FROM identifier i
    JOIN person p ON p.id = i.owner_id AND p.sex = 'female'
    JOIN membership m ON m.person_id = p.id AND m.valid_until IS NULL AND m.relationship = 'head'
    WHERE i.type = 'national_id' ORDER BY i.owner_id DESC LIMIT $1"""
_RAW: Final = (
    """INSERT INTO person (id, name_km, name_en, sex, birth_date, birth_date_precision, disability, living_with_hiv,
         pregnant, change_id) VALUES ($1, '', 'Raw', 'female', '2020-06-10', 'day', 'none', false, false, $2)""",
    """INSERT INTO membership (household_id, person_id, person_ref, relationship, valid_from, change_id)
       VALUES ($1, $2, 'raw', 'child', '2020-06-10', $3)""",
    """UPDATE household SET version = version + 1, effective_on = '2020-06-10', updated_at = now() WHERE id = $1""",
    """INSERT INTO life_event (id, kind, person_id, household_id, occurred_on, source, detail, change_id, recorded_by,
         recorded_at) VALUES ($1, 'birth', $1, $2, '2020-06-10', 'civil_registration',
         jsonb_build_object('mother_person_id', $3::uuid), $4, 'raw', now())""",
)


def _number(household: int, member: int) -> dict[str, str]:
    """The identity document of a member of `registry_import.household_file`; three in ten have one."""
    serial = household * 4 + member
    number = f"{int(PREFIX[1:]) * 10_000_000 + serial + 100_000_000:09}"
    return {"type": "national_id", "number": number}


def _day(place: int) -> str:
    return str(date(2020, 6, 1) + timedelta(days=place % DAYS))


def births(households: Sequence[int]) -> list[dict[str, Any]]:
    """A birth for each; half with a certificate, a quarter with a telephone."""
    lines = []
    for place, household in enumerate(households):
        child: dict[str, Any] = {"name_en": f"Sok Bopha {household}", "name_km": "សុខ បុប្ផា", "sex": "female"}
        if place % 2:
            certificate = {"type": "birth_certificate", "number": f"BC-{household:08}", "issuer": "commune"}
            child["identifiers"] = [certificate]
        if place % 4 == 0:
            child["phone"] = f"01{household % 10_000_000:07}"
        line = {"feed_id": f"b{household}", "kind": "birth", "occurred_on": _day(place), "child": child}
        lines.append({**line, "mother": _number(household, 0)})
    return lines


def marriages(couples: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """A child of the first household joins the head of the second."""
    return [
        {
            "feed_id": f"m{one}",
            "kind": "marriage",
            "occurred_on": _day(place),
            "person": _number(one, 2),
            "spouse": _number(other, 0),
        }
        for place, (one, other) in enumerate(couples)
    ]


async def measure(*, short: bool) -> Figures:
    """Figures by kind and way: lines, seconds, cpu_ms and statements a line."""
    households, many, few = (6_000, 500, 200) if short else (30_000, 4_000, 600)
    with tempfile.TemporaryDirectory(prefix="samaki-bench-") as home, EmbeddedPostgres.temporary() as postgres:
        dsn = postgres.provision(["registry"])["registry"]
        await upgrade(SERVICE.migrations, dsn, "registry")
        keys = TestKeys(Path(home))
        settings = registry_import.settings_of(dsn, keys)
        async with running(SERVICE, settings, keys, FixedClock(datetime(2020, 7, 1, tzinfo=UTC))) as service:
            await registry_import.place_villages(service)
            path = Path(home) / f"{PREFIX}.csv"
            path.write_bytes(b"".join(registry_import.household_file(households, PREFIX)))
            await registry_import.send(service, path)
            gc.collect()  # as every role of a service does when it starts (shared/runner.py)
            gc.freeze()
            gc.set_threshold(50_000, 20, 100)
            figures = await _ways(service, postgres, households, many, few)
        figures["raw"] = await _raw(postgres, many)
    return figures


async def _ways(service: TestService, postgres: EmbeddedPostgres, households: int, many: int, few: int) -> Figures:
    """Each way has households of its own: those whose head has a number and is no other line's (0 and 3 of five)."""
    heads = iter([number for number in range(households) if number % 5 == 3])
    children = iter([number for number in range(households) if number % 5 == 2])
    figures: Figures = {}
    for way, lines in (("line by line", few), ("as sets", many)):
        told = births([next(heads) for _ in range(lines)])
        figures[f"births {way}"] = await _fed(service, postgres, told, way)
        couples = [(next(children), next(heads)) for _ in range(min(few, lines))]
        figures[f"marriages {way}"] = await _fed(service, postgres, marriages(couples), way)
    return figures


async def _fed(
    service: TestService, postgres: EmbeddedPostgres, lines: list[dict[str, Any]], way: str
) -> dict[str, float]:
    """Send, then apply: measured is the job."""
    headers = service.token("integration")
    answer = await service.http.post("/registry/v1/life-event-feeds/bench", json=lines, headers=headers, timeout=900)
    assert answer.status_code == 202, answer.text
    worked, started = cpu_seconds(os.getpid(), postgres.pid), time.monotonic()
    with _one_by_one(way), _counted(service) as statements:
        jobs = await service.run_jobs()
        await start_indexing(service.context)  # a day's many households are indexed by a job of its own
        await service.run_jobs()
    seconds = time.monotonic() - started
    cpu = cpu_seconds(os.getpid(), postgres.pid) - worked
    assert jobs[-1]["result"] == {"applied": len(lines)}, jobs[-1]["result"]
    return {
        "lines": len(lines),
        "seconds": seconds,
        "per_s": len(lines) / seconds,
        "cpu_ms": cpu * 1000 / len(lines),
        "statements": len(statements) / len(lines),
        "load": os.getloadavg()[0],
    }


def _one_by_one(way: str) -> AbstractContextManager[Any]:
    if way == "as sets":
        return nullcontext()
    return patch.object(apply_feed, "_apply_sets", AsyncMock(return_value={}))


@contextmanager
def _counted(service: TestService) -> Iterator[list[None]]:
    sent: list[None] = []

    def count(*_: Any) -> None:
        sent.append(None)

    engine = service.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", count)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", count)


async def _raw(postgres: EmbeddedPostgres, births: int) -> dict[str, float]:
    connection = await asyncpg.connect(postgres.dsn(), server_settings={"search_path": "registry"})
    try:
        await connection.execute("SET session_replication_role = replica")
        mothers = await connection.fetch(_MOTHERS, births)
        change = await connection.fetchval("SELECT id FROM register_change LIMIT 1")
        ids = await connection.fetch("SELECT uuidv7() AS id FROM generate_series(1, $1::int)", len(mothers))
        rows = [(one["id"], mother[1], mother[0], change) for one, mother in zip(ids, mothers, strict=True)]
        used = ((0, 3), (1, 0, 3), (1,), (0, 1, 2, 3))
        started = time.monotonic()
        async with connection.transaction():
            for statement, places in zip(_RAW, used, strict=True):
                await connection.executemany(statement, [tuple(row[place] for place in places) for row in rows])
        return {"lines": len(rows), "per_s": len(rows) / (time.monotonic() - started)}
    finally:
        await connection.close()


def rows(figures: Figures) -> list[tuple[str, str, str, str, bool]]:
    """Lines of the table: what, result, compared with, aim, met."""
    raw = figures["raw"]["per_s"]
    lines = []
    for kind in ("births", "marriages"):
        now, before = figures[f"{kind} as sets"], figures[f"{kind} line by line"]
        result = (
            f"{now['per_s']:,.0f}/s, {now['cpu_ms']:.2f} ms of processor and {now['statements']:.2f} statements each"
        )
        compared = f"line by line {before['per_s']:,.0f}/s, {before['cpu_ms']:.1f} ms, {before['statements']:.1f}"
        compared += f"; four raw rows each {raw:,.0f}/s: ratio {now['per_s'] / raw:.2f}; load {now['load']:.1f}"
        met = now["cpu_ms"] * 10 <= before["cpu_ms"]
        lines.append((f"{now['lines']:,.0f} {kind} of a feed", result, compared, "a tenth of line by line", met))
    return lines


if __name__ == "__main__":
    for line in rows(asyncio.run(measure(short="--short" in sys.argv))):
        print(" | ".join(map(str, line)))
