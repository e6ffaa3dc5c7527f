"""Clerk search and household read at national size: `python -m tests.bench.registry_read [--short]`.

The register is built by SQL (2.8 million people in 700,000 households; `--short`: 100,000), then asked over HTTP:
gateway, service, database, audit record committed. Compared with one row by its key over the bare driver.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import uvloop
from rich.console import Console
from rich.table import Table

from services.registry.sealing import NATIONAL_ID, PHONE, Sealer
from services.registry.search.names import name_keys
from shared.crypto import FieldCipher, KeyedHash
from shared.testing import wait_for
from tests.bench.gateway import start_gateway
from tests.bench.measure import quantile
from tests.faults.platform import Platform, platform

PEOPLE_A_HOUSEHOLD: Final = 4
FULL, SHORT = 700_000, 25_000
AIM_P99_MS: Final = 50
KEYS: Final = {
    "SAMAKI_ENCRYPTION_KEY": base64.b64encode(bytes(range(32))).decode(),
    "SAMAKI_HASH_KEY": base64.b64encode(bytes(range(1, 33))).decode(),
}
FAMILIES: Final = (
    *(("Sok", "សុខ"), ("Chan", "ចាន់"), ("Chea", "ជា"), ("Keo", "កែវ"), ("Kim", "គឹម"), ("Ly", "លី"), ("Heng", "ហេង")),
    *(("Meas", "មាស"), ("Nguon", "ងួន"), ("Ouk", "អ៊ុក"), ("Pich", "ពេជ្រ"), ("Ros", "រស់"), ("Sam", "សំ"), ("Tep", "ទេព")),
    *(("Um", "អ៊ុំ"), ("Vong", "វង្ស"), ("Yem", "យឹម"), ("Mao", "ម៉ៅ"), ("Nhem", "ញ៉ែម"), ("Prak", "ប្រាក់")),
)
GIVEN: Final = (
    *(("Dara", "ដារ៉ា"), ("Sopheap", "សុភាព"), ("Vuthy", "វុទ្ធី"), ("Bopha", "បុប្ផា"), ("Phalla", "ផល្លា")),
    *(("Rithy", "រិទ្ធី"), ("Vichea", "វិជ្ជា"), ("Borey", "បូរី"), ("Kosal", "កុសល"), ("Samrin", "សំរិន"), ("Thida", "ធីតា")),
    *(("Sokha", "សុខា"), ("Sreymom", "ស្រីមុំ"), ("Chanthou", "ចាន់ធូ"), ("Pisey", "ពិសី"), ("Rany", "រ៉ានី"), ("Sothea", "សុធា")),
    *(
        ("Makara", "មករា"),
        ("Kunthea", "គន្ធា"),
        ("Sophal", "សុផល"),
        ("Visal", "វិសាល"),
        ("Nary", "ណារី"),
        ("Piseth", "ពិសិដ្ឋ"),
    ),
)
CHANGE: Final = """
    INSERT INTO register_change (id, kind, source, reason, recorded_by, recorded_at)
    VALUES (uuidv7(), 'registration', 'platform', 'bench', 'system:bench', now()) RETURNING id::text"""
PLACES: Final = """
    INSERT INTO place (code, level, parent_code, name_km, name_en, path)
    SELECT code, level, nullif(left(code, -2), ''), code, code, code FROM (
      SELECT DISTINCT left(v.code, n * 2) AS code, (ARRAY['province', 'district', 'commune', 'village'])[n] AS level
      FROM villages v, generate_series(1, 4) AS n) AS listed ORDER BY code"""
VILLAGES: Final = """
    CREATE TEMP TABLE villages AS
    SELECT at, lpad((1 + at / 584)::text, 2, '0') || lpad((1 + at % 584 / 70)::text, 2, '0')
      || lpad((1 + at % 584 % 70 / 9)::text, 2, '0') || lpad((1 + at % 584 % 70 % 9)::text, 2, '0') AS code
    FROM generate_series(0, $1 - 1) AS at"""
HOUSEHOLDS: Final = """
    INSERT INTO household (id, reference, village_code, household_ref, location_class, poverty_level, card_valid_from,
      card_valid_until, effective_on)
    SELECT uuidv7(), 'HH-' || lpad(n::text, 8, '0') || '-X', v.code, 'H' || n, 'rural', 1 + n % 2, '2024-01-01',
      '2027-01-01', '2024-01-01'
    FROM generate_series(1, $1) AS n JOIN villages v ON v.at = n % 14576"""
PEOPLE: Final = """
    CREATE TEMP TABLE people AS
    SELECT uuidv7() AS id, h.id AS household_id, h.village_code, m AS number,
      1 + floor($2 * random() ^ 1.5)::int AS name
    FROM household h CROSS JOIN generate_series(1, $1) AS m"""
PERSONS: Final = """
    INSERT INTO person (id, name_km, name_en, sex, birth_date, birth_date_precision, disability, living_with_hiv,
      pregnant)
    SELECT p.id, f.km, f.en, CASE p.number % 2 WHEN 0 THEN 'male' ELSE 'female' END,
      date '1950-01-01' + (random() * 25000)::int, 'day', 'none', false, false
    FROM people p JOIN full_names f ON f.n = p.name ORDER BY p.id"""
MEMBERSHIPS: Final = """
    INSERT INTO membership (household_id, person_id, person_ref, relationship, valid_from)
    SELECT household_id, id, number::text, CASE number WHEN 1 THEN 'head' ELSE 'child' END, '2024-01-01'
    FROM people ORDER BY household_id"""
IDENTIFIERS: Final = """
    INSERT INTO identifier (type, hash, owner_id, cipher)
    SELECT 'national_id', sha256(id::text::bytea), id, '\\x00'::bytea FROM people WHERE number <= 2"""
NAME_KEYS: Final = """
    INSERT INTO name_key (key, village_code, person_id)
    SELECT key, p.village_code, p.id FROM people p JOIN full_names f ON f.n = p.name CROSS JOIN unnest(f.keys) AS key
    ORDER BY 1, 2, 3"""
SAMPLE: Final = """
    SELECT p.id, p.household_id, p.village_code, f.en, f.km
    FROM people p JOIN full_names f ON f.n = p.name WHERE p.number = 1 ORDER BY random() LIMIT $1"""


def sealer() -> Sealer:
    """The service's own, with the bench's keys."""
    return Sealer(FieldCipher(KEYS["SAMAKI_ENCRYPTION_KEY"]), KeyedHash(KEYS["SAMAKI_HASH_KEY"]))


async def build(running: Platform, households: int, sample: int) -> list[dict[str, Any]]:
    """The register, by a dozen statements. Returns people of whom numbers and phones are known."""
    connection = await asyncpg.connect(running.environment["SAMAKI_DATABASE_URL"], command_timeout=3600)
    try:
        change = await connection.fetchval(CHANGE)
        await connection.execute("SELECT set_config('samaki.change', $1, false)", change)
        await connection.execute("SET work_mem = '256MB'")
        await connection.execute("SET maintenance_work_mem = '512MB'")
        await connection.execute(VILLAGES, 14_576)
        await connection.execute(PLACES)
        await _names(connection)
        await connection.execute(HOUSEHOLDS, households)
        names = len(FAMILIES) * len(GIVEN)
        await connection.execute(PEOPLE, PEOPLE_A_HOUSEHOLD, names)
        for statement in (PERSONS, MEMBERSHIPS, IDENTIFIERS):
            await connection.execute(statement)
        await connection.execute("ALTER TABLE name_key DROP CONSTRAINT pk_name_key")
        await connection.execute("DROP INDEX ix_name_key_person_id")
        await connection.execute(NAME_KEYS)
        await connection.execute(
            "ALTER TABLE name_key ADD CONSTRAINT pk_name_key PRIMARY KEY (key, village_code, person_id)"
        )
        await connection.execute("CREATE INDEX ix_name_key_person_id ON name_key (person_id)")
        people = [dict(row) for row in await connection.fetch(SAMPLE, sample)]
        await _seal(connection, people)
        await connection.execute("DROP TABLE people")
        await connection.execute("VACUUM ANALYZE")
        return people
    finally:
        await connection.close()


async def _names(connection: asyncpg.Connection) -> None:
    await connection.execute("CREATE TEMP TABLE full_names (n int, en text, km text, keys text[])")
    pairs = [(f"{f[0]} {g[0]}", f"{f[1]} {g[1]}") for g in GIVEN for f in FAMILIES]
    random.Random(7).shuffle(pairs)
    rows = [(n, en, km, sorted(name_keys(en, km))) for n, (en, km) in enumerate(pairs, 1)]
    await connection.copy_records_to_table("full_names", records=rows)


async def _seal(connection: asyncpg.Connection, people: list[dict[str, Any]]) -> None:
    seals = sealer()
    numbers, phones = [], []
    for index, person in enumerate(people):
        person["number"], person["phone"] = f"{index:09d}", f"09{index:07d}"
        number, phone = seals.seal(person["number"], NATIONAL_ID), seals.seal(person["phone"], PHONE)
        numbers.append((person["id"], number.hash, number.cipher))
        phones.append((person["id"], phone.hash, phone.cipher))
    await connection.executemany("UPDATE identifier SET hash = $2, cipher = $3 WHERE owner_id = $1", numbers)
    await connection.executemany("UPDATE person SET phone_hash = $2, phone_cipher = $3 WHERE id = $1", phones)


def respelt(name: str) -> str:
    """A name as another clerk would write it."""
    for one, other in (("ph", "p"), ("th", "t"), ("Ch", "J"), ("y", "i"), ("ea", "ia")):
        name = name.replace(one, other)
    return " ".join(reversed(name.split()))


def cpu_seconds(*roots: int) -> float:
    """Processor time of these processes and their children, also of those that have ended: says more on a busy machine
    than the clock does."""
    own = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                told = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:  # it has just ended
                continue
            if int(entry.name) in roots:
                own += [*told[11:13], *told[13:15]]
            elif int(told[1]) in roots:
                own += told[11:13]
    return sum(map(int, own)) / os.sysconf("SC_CLK_TCK")


Ask = Callable[[dict[str, Any]], Awaitable[httpx.Response]]


def questions(running: Platform, client: httpx.AsyncClient) -> dict[str, Ask]:
    """What is asked, by name; of one person of the sample each."""

    def bearer(*areas: str) -> dict[str, str]:
        token = running.keys.token(
            "commune_officer", areas=areas, now=datetime.now(UTC), ttl=timedelta(hours=2), subject="clerk"
        )
        return {"Authorization": f"Bearer {token}"}

    communes: dict[str, dict[str, str]] = {}

    def clerk(person: dict[str, Any]) -> dict[str, str]:
        commune = person["village_code"][:6]
        return communes.setdefault(commune, bearer(commune))

    national = bearer("*")

    def search(headers: dict[str, str], **body: Any) -> Awaitable[httpx.Response]:
        return client.post("/registry/v1/search", json={"reason": "bench", **body}, headers=headers)

    return {
        "search by name, a commune's clerk": lambda one: search(clerk(one), name=respelt(one["en"])),
        "search by Khmer name, whole country": lambda one: search(national, name=one["km"]),
        "search by identity number": lambda one: search(clerk(one), number=one["number"]),
        "search by phone": lambda one: search(clerk(one), phone=one["phone"]),
        "household read": lambda one: client.get(f"/registry/v1/households/{one['household_id']}", headers=clerk(one)),
    }


async def _timed(ask: Ask, people: Sequence[dict[str, Any]], clients: int) -> list[float]:
    waiting = list(people)
    taken: list[float] = []

    async def client() -> None:
        while waiting:
            person = waiting.pop()
            started = time.perf_counter()
            answer = await ask(person)
            taken.append((time.perf_counter() - started) * 1000)
            assert answer.status_code == httpx.codes.OK, answer.text
            found = answer.json()
            assert found["items"] if "items" in found else found["members"], "nobody was found"

    await asyncio.gather(*(client() for _ in range(clients)))
    return taken


async def _raw(running: Platform, people: Sequence[dict[str, Any]]) -> list[float]:
    """One row by its key over the bare driver: what the database itself takes in the same run."""
    connection = await asyncpg.connect(running.environment["SAMAKI_DATABASE_URL"])
    try:
        taken = []
        for person in people:
            started = time.perf_counter()
            await connection.fetchrow("SELECT * FROM person WHERE id = $1", person["id"])
            taken.append((time.perf_counter() - started) * 1000)
        return taken
    finally:
        await connection.close()


async def measure(*, short: bool, say: Callable[[str], None] = lambda _: None) -> dict[str, dict[str, float]]:
    """Figures by question: people, p50_ms, p99_ms, ratio of the medians to the raw read."""
    households, asked = (SHORT, 200) if short else (FULL, 500)
    with tempfile.TemporaryDirectory(prefix="samaki-bench-") as home:
        bench = platform(
            Path(home),
            "postgres",
            roles=(),
            service="registry",
            module="services.registry",
            environment={**KEYS, "SAMAKI_LOG_LEVEL": "warning"},
        )
        async with bench as running:
            say(f"building {households * PEOPLE_A_HOUSEHOLD:,} people")
            started = time.monotonic()
            people = await build(running, households, asked)
            built_s = time.monotonic() - started
            running.start("api")
            envoy, port = await start_gateway(running, Path(home))
            try:
                base = f"http://127.0.0.1:{port}"
                async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=30) as client:
                    await wait_for(lambda: _answers(client), 30, "the gateway answers")
                    servers = (running.processes["api"].pid, running.postgres.pid, envoy.pid)
                    return await _measure_all(running, client, people, built_s, say, servers)
            finally:
                await asyncio.to_thread(envoy.stop)


async def _measure_all(
    running: Platform,
    client: httpx.AsyncClient,
    people: list[dict[str, Any]],
    built_s: float,
    say: Callable[[str], None],
    servers: Sequence[int],
) -> dict[str, dict[str, float]]:
    """Figures of every question, after each was asked often enough for the services' caches to be filled."""
    asks = questions(running, client)
    for ask in asks.values():
        await _timed(ask, people[:50], 1)
    raw = statistics.median(await _raw(running, people))
    count = float(await running.number("SELECT count(*) FROM person"))
    figures: dict[str, dict[str, float]] = {"register": {"people": count, "built_s": built_s, "raw_p50_ms": raw}}
    for name, ask in asks.items():
        for clients in (1, 4):
            say(f"{name}, {clients} at once, load {os.getloadavg()[0]:.1f}")
            before = cpu_seconds(*servers)
            taken = await _timed(ask, people, clients)
            cpu_ms = (cpu_seconds(*servers) - before) * 1000 / len(taken)
            middle = statistics.median(taken)
            row = {"p50_ms": middle, "p99_ms": quantile(taken, 0.99), "ratio": middle / raw, "asked": float(len(taken))}
            row |= {"cpu_ms": cpu_ms, "load": os.getloadavg()[0]}
            figures[f"{name}, {clients} at once"] = row
    return figures


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        answer = await client.get("/registry/ready")
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.OK


def rows(figures: dict[str, dict[str, float]]) -> list[tuple[str, str, str, str, bool]]:
    """Lines of the table: measured, result, compared with, aim, met."""
    register = figures["register"]
    compared = f"raw row {register['raw_p50_ms']:.2f} ms"
    return [
        (
            f"{name}, {register['people'] / 1e6:.1f} m people",
            f"p99 {row['p99_ms']:.1f} ms, median {row['p50_ms']:.1f} ms",
            f"{compared}: {row['ratio']:.0f} times; {row['cpu_ms']:.1f} ms of processor, load {row['load']:.1f}",
            f"p99 under {AIM_P99_MS} ms",
            row["p99_ms"] < AIM_P99_MS,
        )
        for name, row in figures.items()
        if name != "register"
    ]


def main() -> None:
    """Run alone."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.registry_read", description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    console = Console(stderr=True)
    figures = uvloop.run(measure(short=options.short, say=console.print))
    table = Table("measured", "result", "compared with", "aim", "")
    for what, result, compared, aim, met in rows(figures):
        table.add_row(what, result, compared, aim, "met" if met else "[bold]not met[/]")
    console.print(table)
    if options.json:
        print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
