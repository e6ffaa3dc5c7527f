"""The three measurements. Each returns figures; none judges them."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg
import httpx

from shared.bus import ensure_topics
from shared.testing import wait_for
from tests.bench.bench_service import FILLS, BenchSettings
from tests.bench.gateway import start_gateway
from tests.faults.platform import ROOT, Platform

WARM_UP: Final = 2_000
PAUSE_S: Final = 0.03
"""Between two events of the latency measurement: about thirty a second, so each is alone on its way."""


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


# --- outbox -> bus -> committed projection ------------------------------------------------------------------------


async def throughput(running: Platform, kind: str, events: int) -> dict[str, float]:
    """Events per second: the client library alone, and from the outbox to the committed projection on one consumer.

    `kind` is a key of FILLS.

    The relay and the consumer are started here; the outbox is filled first, so that both ways carry the same events.
    """
    raw_topic = f"raw.{time.monotonic_ns()}"
    settings = BenchSettings(
        database_url="unused",  # type: ignore[arg-type]
        kafka_bootstrap_servers=running.environment["KAFKA_BOOTSTRAP_SERVERS"],
        topic_prefix=running.environment["SAMAKI_TOPIC_PREFIX"],
    )
    await ensure_topics(settings.model_copy(update={"topic_prefix": ""}), [raw_topic])
    await _fill(running, kind, events)
    raw = events / await _raw_seconds(running, raw_topic, events)
    await running.query("TRUNCATE outbox")
    for role in ("relay", "consumer"):
        running.start(role)
    await _move(running, kind, WARM_UP)
    seconds = await _move(running, kind, events)
    for role in ("relay", "consumer"):
        await asyncio.to_thread(running.processes[role].stop)
    return {"events": events, "raw_per_s": raw, "ours_per_s": events / seconds, "ratio": events / seconds / raw}


async def _fill(running: Platform, kind: str, events: int) -> None:
    await running.query(FILLS[kind], events)


async def _move(running: Platform, kind: str, events: int) -> float:
    """Seconds from the commit of so many outbox rows to the commit of the last one's projection."""
    count = "SELECT coalesce(sum(count), 0) FROM inbox_consumed"
    before = await running.number(count)
    await _fill(running, kind, events)
    started = time.monotonic()
    connection = await asyncpg.connect(running.environment["SAMAKI_DATABASE_URL"])
    try:

        async def arrived() -> bool:
            return int(await connection.fetchval(count)) >= before + events

        await wait_for(arrived, 600, f"{events} events in the projection", every_s=0.01)
        return time.monotonic() - started
    finally:
        await connection.close()


async def _raw_seconds(running: Platform, topic: str, events: int) -> float:
    consumer = await _child(running, "consume", topic, str(events))
    producer = await _child(running, "produce", topic)
    for child in (consumer, producer):
        assert await _line(child) == "ready"
    started = time.monotonic()
    for child in (consumer, producer):
        assert child.stdin is not None
        child.stdin.write(b"\n")
        await child.stdin.drain()
    ended = max(float(await _line(producer)), float(await _line(consumer)))
    await asyncio.gather(producer.wait(), consumer.wait())
    return ended - started


async def _child(running: Platform, *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "tests.bench.raw", *arguments)
    environment = dict(running.environment)
    return await asyncio.create_subprocess_exec(*command, env=environment, cwd=ROOT, stdin=pipe, stdout=pipe)


async def _line(child: asyncio.subprocess.Process) -> str:
    assert child.stdout is not None
    return (await asyncio.wait_for(child.stdout.readline(), 600)).decode().strip()


# --- latency ------------------------------------------------------------------------------------------------------


async def latency(running: Platform, samples: int) -> dict[str, float]:
    """Milliseconds from the commit of one event to the commit of its projection, one event at a time."""
    for role in ("relay", "consumer"):
        running.start(role)
    await _move(running, "households", 100)
    connection = await asyncpg.connect(running.environment["SAMAKI_DATABASE_URL"])
    arrived: asyncio.Queue[float] = asyncio.Queue()
    await connection.add_listener("bench", lambda *_: arrived.put_nowait(time.monotonic()))
    writer = await asyncpg.connect(running.environment["SAMAKI_DATABASE_URL"])
    taken: list[float] = []
    for _ in range(samples + 10):
        await writer.execute(FILLS["households"], 1)
        committed = time.monotonic()
        taken.append((await asyncio.wait_for(arrived.get(), 30) - committed) * 1000)
        await asyncio.sleep(PAUSE_S)
    await writer.close()
    await connection.close()
    for role in ("relay", "consumer"):
        await asyncio.to_thread(running.processes[role].stop)
    taken = taken[10:]
    return {"samples": samples, "p50_ms": statistics.median(taken), "p99_ms": quantile(taken, 0.99)}


# --- gateway ------------------------------------------------------------------------------------------------------


async def gateway(running: Platform, directory: Path, samples: int) -> dict[str, float]:
    """Milliseconds of one request at a time, directly and through the gateway, taken in turns."""
    running.start("api")
    envoy, port = await start_gateway(running, directory)
    token = running.keys.token("auditor", now=datetime.now(UTC), ttl=timedelta(hours=1))
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}", headers=headers, trust_env=False) as direct,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False) as through,
        ):
            await wait_for(lambda: _answers(direct), 30, "the api answers")
            await wait_for(lambda: _answers(through), 30, "the gateway answers")
            taken: dict[str, list[float]] = {"direct": [], "through": []}
            for _ in range(samples):
                for name, client in (("direct", direct), ("through", through)):
                    taken[name].append(await _request_ms(client))
    finally:
        await asyncio.to_thread(envoy.stop)
        await asyncio.to_thread(running.processes["api"].stop)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    return {
        "samples": samples,
        "direct_ms": medians["direct"],
        "through_ms": medians["through"],
        "cost_ms": medians["through"] - medians["direct"],
    }


async def _request_ms(client: httpx.AsyncClient) -> float:
    started = time.perf_counter()
    answer = await client.get("/registry/v1/ping")
    elapsed = (time.perf_counter() - started) * 1000
    assert answer.status_code == httpx.codes.OK, answer.text
    return elapsed


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/registry/v1/ping")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
