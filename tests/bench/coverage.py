"""The entitlement check at the point of service: one at a time, as they arrive, and eight at once, by the gateway.

`python -m tests.bench.coverage [--short] [--households N]`. The population is built by SQL in the projection's own
tables. "Raw" is the same look-up and audit entry by hand over the driver, committed, in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
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

from shared.ids import reference, uuid7
from shared.testing import wait_for
from tests.bench.gateway import start_gateway
from tests.bench.measure import quantile
from tests.faults.platform import Platform, platform

AIM_MS: Final = 50
PACK: Final = Path("services/eligibility/packs/kh/KH-HEF.yaml")
SAMPLE: Final = 2_000
"""Households with real references, which are asked about."""
AT_ONCE: Final = 8
"""Desks that ask again as soon as they are answered: how much one process can do, not how fast a desk is served."""
PER_SECOND: Final = 30
"""Questions that arrive a second, whether those before are answered or not: over 100,000 an hour."""
_HOUSEHOLDS: Final = """
    INSERT INTO household_fact (household_id, version, effective_on, reference, village_code, location_class,
      poverty_level, card_valid_from, card_valid_until, at_risk, dissolved, facts_hash)
    SELECT h, 1, '2020-01-01', r, '01020304', 'rural', 1 + n % 2, '2020-01-01',
      CASE WHEN n % 4 = 0 THEN date '2021-12-31' END, false, false, sha256(convert_to(h::text, 'UTF8'))
"""
_SAMPLE: Final = _HOUSEHOLDS + " FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS given (h, r, n)"
_REST: Final = (
    _HOUSEHOLDS + " FROM (SELECT n, uuidv7() AS h, 'HH-' || n AS r FROM generate_series(1, $1::int) n) numbered"
)
_MEMBERS: Final = """
    INSERT INTO member_fact (household_id, version, person_id, birth_date, birth_ymd, living_with_hiv, pregnant, sex,
      relationship, disability, birth_date_precision)
    SELECT household_id, version, uuidv7(), '1990-02-03', 19900203, false, false, 'female', 'other', 'none', 'day'
    FROM household_fact, generate_series(1, 4)
"""
_RAW_READ: Final = """
    SELECT f.poverty_level, f.card_valid_from, f.card_valid_until, m.birth_ymd
    FROM household_fact f JOIN member_fact m USING (household_id, version) WHERE f.reference = $1
"""
_RAW_AUDIT: Final = """
    INSERT INTO audit_entry (actor, roles, areas, action, object_type, object_id, detail)
    VALUES ('raw', '{health_worker}', '{*}', 'coverage.check', 'household', $1, '{}')
"""


async def measure(*, short: bool, households: int | None = None) -> dict[str, float]:
    """Milliseconds of the check: through the gateway, directly, and by hand.

    Returns:
        households, questions, {through,direct,raw}_p50_ms, {through,direct,raw}_p99_ms, at_once_p99_ms, ratio (of the
        medians through the gateway and by hand), at_once_per_s, arriving_{p50,p99}_ms.
    """
    population = households or (20_000 if short else 700_000)
    questions = 300 if short else 2_000
    with tempfile.TemporaryDirectory(prefix="samaki-bench-") as home:
        running_platform = platform(
            Path(home),
            "postgres",
            roles=(),
            service="eligibility",
            module="services.eligibility",
            environment={"SAMAKI_LOG_LEVEL": "warning"},
        )
        async with running_platform as running:
            references = await _populate(running, population)
            return {"households": population} | await _ask(running, Path(home), references, questions)


async def _populate(running: Platform, population: int) -> list[str]:
    ids = [uuid7() for _ in range(SAMPLE)]
    references = [reference("HH", identity) for identity in ids]
    await running.query(_SAMPLE, ids, references)
    await running.query(_REST, population - SAMPLE)
    await running.query(_MEMBERS)
    await running.query("ANALYZE household_fact, member_fact")
    return references


async def _ask(running: Platform, home: Path, references: Sequence[str], questions: int) -> dict[str, float]:
    running.start("api")
    envoy, port = await start_gateway(running, home)
    try:
        async with _client(running, running.port) as direct, _client(running, port) as through:
            await _publish(direct)
            await wait_for(lambda: _answers(through), 30, "the gateway answers")
            return await _figures(running, direct, through, references, questions)
    finally:
        await asyncio.to_thread(envoy.stop)
        await asyncio.to_thread(running.processes["api"].stop)


def _client(running: Platform, port: int) -> httpx.AsyncClient:
    roles = ("health_worker", "programme_officer")
    token = running.keys.token(*roles, now=datetime.now(UTC), ttl=timedelta(hours=1))
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/eligibility/v1", headers=headers, trust_env=False)


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/programmes")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


async def _publish(client: httpx.AsyncClient) -> None:
    await wait_for(lambda: _answers(client), 30, "the api answers")
    source = await asyncio.to_thread(PACK.read_bytes)
    for answer in (
        await client.post("/programmes", content=source),
        await client.post("/programmes/KH-HEF/versions/1:publish"),
    ):
        assert answer.status_code < 300, answer.text


async def _figures(
    running: Platform,
    direct: httpx.AsyncClient,
    through: httpx.AsyncClient,
    references: Sequence[str],
    questions: int,
) -> dict[str, float]:
    by_hand = await asyncpg.connect(running.environment["SAMAKI_DATABASE_URL"])
    asked: dict[str, Callable[[str], Awaitable[None]]] = {
        "through": lambda key: _check(through, key),
        "direct": lambda key: _check(direct, key),
        "raw": lambda key: _raw(by_hand, key),
    }
    taken: dict[str, list[float]] = {name: [] for name in asked}
    for number in range(questions + 50):
        for name, ask in asked.items():
            elapsed = await _timed(ask, references[number % len(references)])
            if number >= 50:
                taken[name].append(elapsed)
    await by_hand.close()
    figures = {"questions": float(questions)}
    for name, values in taken.items():
        figures[f"{name}_p50_ms"] = statistics.median(values)
        figures[f"{name}_p99_ms"] = quantile(values, 0.99)
    await _desks(asked["through"], references, 10)  # each desk has its connections by then
    started = time.perf_counter()
    together = await _desks(asked["through"], references, questions // AT_ONCE)
    figures["at_once_per_s"] = len(together) / (time.perf_counter() - started)
    figures["at_once_p99_ms"] = quantile(together, 0.99)
    arriving = await _arrivals(asked["through"], references, questions)
    figures |= {"arriving_p50_ms": statistics.median(arriving), "arriving_p99_ms": quantile(arriving, 0.99)}
    return figures | {"ratio": figures["through_p50_ms"] / figures["raw_p50_ms"]}


async def _desks(ask: Callable[[str], Awaitable[None]], references: Sequence[str], questions: int) -> list[float]:
    together: list[float] = []

    async def one_desk(desk: int) -> None:
        keys = [references[(desk * 211 + number) % len(references)] for number in range(questions)]
        together.extend([await _timed(ask, key) for key in keys])

    await asyncio.gather(*(one_desk(desk) for desk in range(AT_ONCE)))
    return together


async def _arrivals(ask: Callable[[str], Awaitable[None]], references: Sequence[str], questions: int) -> list[float]:
    """Questions at even intervals, each from its arrival to its answer: a slow one makes those behind it wait too."""
    begun = asyncio.get_running_loop().time()
    waiting: list[asyncio.Task[float]] = []
    for number in range(questions):
        await asyncio.sleep(max(0.0, begun + number / PER_SECOND - asyncio.get_running_loop().time()))
        waiting.append(asyncio.create_task(_timed(ask, references[number % len(references)])))
    return list(await asyncio.gather(*waiting))


async def _timed(ask: Callable[[str], Awaitable[None]], key: str) -> float:
    started = time.perf_counter()
    await ask(key)
    return (time.perf_counter() - started) * 1000


async def _check(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.get("/coverage", params={"programme_code": "KH-HEF", "reference": key})
    assert answer.status_code == httpx.codes.OK, answer.text


async def _raw(connection: Any, key: str) -> None:
    async with connection.transaction():
        rows = await connection.fetch(_RAW_READ, key)
        assert len(rows) == 4
        await connection.execute(_RAW_AUDIT, key)


def rows(figures: dict[str, float]) -> list[tuple[str, str, str, str, bool]]:
    """Lines of the table: figure, result, compared with, aim, met or not."""
    compared = (
        f"directly {figures['direct_p99_ms']:.1f} ms; by hand {figures['raw_p50_ms']:.1f} ms median, "
        f"ratio of medians {figures['ratio']:.1f}"
    )
    what = f"entitlement check of {figures['households']:,.0f} households, gateway"
    p99, arriving = figures["through_p99_ms"], figures["arriving_p99_ms"]
    return [
        (f"{what}, p99", f"{p99:.1f} ms", compared, f"under {AIM_MS} ms", p99 < AIM_MS),
        (
            f"{what}, {PER_SECOND} arriving a second, p99",
            f"{arriving:.1f} ms",
            f"median {figures['arriving_p50_ms']:.1f} ms",
            f"under {AIM_MS} ms",
            arriving < AIM_MS,
        ),
        (
            f"{what}, {AT_ONCE} desks without a pause",
            f"{figures['at_once_per_s']:.0f}/s",
            f"p99 {figures['at_once_p99_ms']:.1f} ms",
            "",
            True,
        ),
    ]


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.coverage", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--households", type=int)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = uvloop.run(measure(short=options.short, households=options.households))
    table = Table("measured", "result", "compared with", "aim", "")
    for *texts, met in rows(figures):
        table.add_row(*map(str, texts), "met" if met else "[bold]not met[/]")
    Console(stderr=options.json).print(table)
    if options.json:
        json.dump(figures, sys.stdout, indent=2)
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
