"""`python -m tests.bench.grievance [--short]`: work lists among millions of cases, and payment failures into cases.

Two figures, each beside what the machine does without us in the same run: a work list through the gateway beside the
same SELECT on the driver; failures into cases beside bare INSERTs of the rows that they leave behind, and of the case
alone, into tables of the same columns and indexes.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import uvloop
from rich.console import Console
from rich.table import Table

from services.grievance.app import SERVICE
from services.grievance.settings import GrievanceSettings
from shared.bus.port import Delivery
from shared.consumer import Consumer
from shared.contracts.payments import PAYMENTS, PaymentFailed
from shared.events import Event
from shared.ids import uuid7
from shared.service import open_context
from shared.testing import wait_for
from tests.bench.gateway import start_gateway
from tests.bench.measure import quantile
from tests.faults.platform import Platform, platform

Figures = dict[str, float]
COMMUNES: Final = 1_652
DESK: Final = 3
"""Officers of one commune."""
BATCH: Final = 2_000
KEYS: Final = {
    "SAMAKI_ENCRYPTION_KEY": base64.b64encode(b"e" * 32).decode(),
    "SAMAKI_HASH_KEY": base64.b64encode(b"h" * 32).decode(),
    "SAMAKI_SEALED_KEY": base64.b64encode(b"s" * 32).decode(),
    "SAMAKI_LOG_LEVEL": "warning",
}
FILL_CASES: Final = """
INSERT INTO grievance_case (id, reference, version, category, route, priority, subject_type, subject_id, beneficiary_id,
  channel, language, place_code, state, level, assigned_to, outcome, opened_at, due_on, changed_at, sealed)
SELECT uuidv7(), 'B-' || n, 1, 'payment', 'payments', 'high', 'payment', uuidv7(), uuidv7(), 'platform', 'km',
  lpad((1 + commune % 25)::text, 2, '0') || lpad((1 + commune / 25)::text, 4, '0') || '01',
  CASE WHEN turn % 4 = 0 THEN 'assigned' WHEN turn % 4 = 1 THEN 'opened' ELSE 'closed' END, 'commune',
  CASE WHEN turn % 4 <> 1 THEN 'officer-' || commune || '-' || turn / 4 % 3 END,
  CASE WHEN turn % 4 > 1 THEN 'upheld' END, now(), current_date - 10 + (n / 7 % 30)::int, now(), false
FROM (SELECT n, n % 1652 AS commune, n / 1652 AS turn FROM generate_series($1::int, $2::int) n) numbered
"""
"""A quarter is on somebody's list, a quarter waits for anybody, half is answered; all in the officer's own commune."""
RAW_LIST: Final = """
SELECT id, reference, version, state, level, category, route, priority, subject_type, subject_id, channel, place_code,
  assigned_to, outcome, opened_at, due_on, complainant_person_id, merged_into, answered, sealed FROM grievance_case
WHERE assigned_to = $1 AND NOT answered ORDER BY due_on, id LIMIT 50
"""
RAW_INSERT: Final = """
INSERT INTO bare_case (id, reference, version, category, route, priority, subject_type, subject_id, beneficiary_id,
  channel, language, place_code, state, level, opened_at, due_on, changed_at, sealed, auto_payment_id)
SELECT case_id, reference, 1, 'payment', 'payments', 'high', 'payment', payment_id, payment_id, 'platform', 'km',
  '01020304', 'opened', 'commune', now(), current_date, now(), false, payment_id
FROM json_to_recordset($1::json) AS r(case_id uuid, reference text, payment_id uuid)
"""

RAW_ROWS: Final = (
    "INSERT INTO bare_inbox (event_id, topic) SELECT payment_id, 'payments.payments'"
    " FROM json_to_recordset($1::json) AS r(payment_id uuid)",
    """
    INSERT INTO bare_payment_step (payment_id, version, status, attempt, rail, reason_code, reason, told_at)
    SELECT payment_id, 2, 'failed', 1, 'bank', 'AC04', 'closed account', now()
    FROM json_to_recordset($1::json) AS r(payment_id uuid)
    """,
    """
    INSERT INTO bare_payment_view (payment_id, version, status, attempt, programme_code, period, beneficiary_id,
      village_code, component, amount, currency, rail, reason_code, reason, told_at)
    SELECT payment_id, 2, 'failed', 1, 'KH-CTP-COVID', '2020-07', payment_id, '01020304', 'monthly_transfer', 80000,
      'KHR', 'bank', 'AC04', 'closed account', now()
    FROM json_to_recordset($1::json) AS r(payment_id uuid)
    """,
    RAW_INSERT,
    """
    INSERT INTO bare_case_step (case_id, version, action, state, actor, at, detail)
    SELECT case_id, 1, 'open', 'opened', 'system:payments', now(), '{"channel": "platform"}'::jsonb
    FROM json_to_recordset($1::json) AS r(case_id uuid)
    """,
    """
    INSERT INTO bare_outbox (topic, key, type, data)
    SELECT 'grievance.cases', case_id::text, 'samaki.grievance.case.opened.v1', row_to_json(r)
    FROM json_to_recordset($1::json) AS r(case_id uuid, reference text, payment_id uuid)
    """,
)
"""The rows that one failure leaves behind, in tables of the same columns and indexes."""
BARE: Final = ("inbox", "payment_step", "payment_view", "grievance_case", "case_step", "outbox")


async def work_list(running: Platform, directory: Path, *, cases: int, samples: int) -> Figures:
    """Milliseconds of one work list through the gateway among so many cases, taken in turns with a bare SELECT."""
    for first in range(1, cases + 1, 100_000):
        await running.query(FILL_CASES, first, min(cases, first + 99_999))
    await running.query("VACUUM ANALYZE grievance_case")
    running.start("api")
    taken: dict[str, list[float]] = {"mine": [], "unassigned": [], "raw": []}
    dice = random.Random(7)
    shown = 0
    async with _gateway(running, directory) as through:
        connection = await asyncpg.connect(running.environment["SAMAKI_DATABASE_URL"])
        for sample in range(samples + 20):
            commune = dice.randrange(COMMUNES)
            subject = f"officer-{commune}-{dice.randrange(DESK)}"
            headers = _token(running, subject, f"{1 + commune % 25:02}{1 + commune // 25:04}")
            for part in ("mine", "unassigned"):
                started = time.perf_counter()
                answer = await through.get("/grievance/v1/work", params={"part": part}, headers=headers)
                elapsed = (time.perf_counter() - started) * 1000
                assert answer.status_code == httpx.codes.OK, answer.text
                shown += len(answer.json()["items"])
                if sample >= 20:  # the first ones open connections
                    taken[part].append(elapsed)
            started = time.perf_counter()
            await connection.fetch(RAW_LIST, subject)
            taken["raw"].append((time.perf_counter() - started) * 1000)
        await connection.close()
    await asyncio.to_thread(running.processes["api"].stop)
    both = taken["mine"] + taken["unassigned"]
    return {
        "cases": cases,
        "rows": shown / (2 * (samples + 20)),
        "p50_ms": statistics.median(both),
        "p99_ms": quantile(both, 0.99),
        "mine_p99_ms": quantile(taken["mine"], 0.99),
        "unassigned_p99_ms": quantile(taken["unassigned"], 0.99),
        "raw_p50_ms": statistics.median(taken["raw"]),
        "raw_p99_ms": quantile(taken["raw"], 0.99),
    }


async def failures(running: Platform, *, events: int) -> Figures:
    """Payment failures per second from decoded batch to committed case, step, event and inbox; and bare inserts."""
    settings = GrievanceSettings(
        database_url=running.environment["SAMAKI_DATABASE_URL"],  # type: ignore[arg-type]
        bus_database_url="postgresql://unused",  # type: ignore[arg-type]
        bus="postgres",
        **{name.removeprefix("SAMAKI_").lower(): value for name, value in KEYS.items() if name.endswith("_KEY")},  # type: ignore[arg-type]
    )
    raw = events / await _bare_seconds(running, events, (RAW_INSERT,))
    raw_rows = events / await _bare_seconds(running, events, RAW_ROWS)
    batches = [[_failure() for _ in range(BATCH)] for _ in range(events // BATCH)]
    async with open_context(SERVICE, settings, "bench") as context:
        consumer = Consumer(context, None)
        await consumer.apply([_failure() for _ in range(BATCH)])  # statements prepared
        started = time.monotonic()
        for batch in batches:
            await consumer.apply(batch)
        seconds = time.monotonic() - started
    opened = await running.number("SELECT count(*) FROM grievance_case WHERE auto_payment_id IS NOT NULL")
    assert opened == events + BATCH, "every failure opened one case"
    rate = events / seconds
    return {
        "events": events,
        "per_s": rate,
        "raw_per_s": raw,
        "ratio": rate / raw,
        "raw_rows_per_s": raw_rows,
        "ratio_rows": rate / raw_rows,
    }


async def _bare_seconds(running: Platform, events: int, statements: Sequence[str]) -> float:
    """Seconds of these statements alone, a batch a transaction, on empty tables like ours."""
    for table in BARE:  # names of this file
        bare = f"bare_{table.removeprefix('grievance_')}"
        await running.query(f"DROP TABLE IF EXISTS {bare}")
        await running.query(f"CREATE TABLE {bare} (LIKE {table} INCLUDING ALL)")
    connection = await asyncpg.connect(running.environment["SAMAKI_DATABASE_URL"])
    batches = []
    for start in range(0, events, BATCH):
        rows = [
            {"case_id": str(uuid7()), "reference": f"R-{start + n}", "payment_id": str(uuid7())} for n in range(BATCH)
        ]
        batches.append(json.dumps(rows))
    started = time.monotonic()
    for batch in batches:
        async with connection.transaction():
            for statement in statements:
                await connection.execute(statement, batch)
    seconds = time.monotonic() - started
    await connection.close()
    for table in BARE:
        await running.query(f"DROP TABLE bare_{table.removeprefix('grievance_')}")
    return seconds


def _failure() -> Delivery:
    payment = uuid7()
    payload = PaymentFailed.model_validate(
        {
            "version": 2,
            "payment_id": payment,
            "entitlement_id": payment,
            "cycle_id": payment,
            "programme_code": "KH-CTP-COVID",
            "period": "2020-07",
            "beneficiary_id": payment,
            "beneficiary_reference": "HH-7K2M9Q4X-5",
            "village_code": "01020304",
            "component": "monthly_transfer",
            "amount": "80000",
            "currency": "KHR",
            "attempt": 1,
            "rail": "bank",
            "reason_code": "AC04",
            "reason": "closed account",
        }
    )
    data = payload.model_dump_json().encode()
    event = Event(uuid7(), payload.TYPE, "/samaki/payments", PAYMENTS, payload.key, datetime.now(UTC), data, None)
    key, value, headers = event.to_kafka()
    return Delivery(event, None, PAYMENTS, 0, 0, key, value, tuple(headers))


def _token(running: Platform, subject: str, area: str) -> dict[str, str]:
    signed = running.keys.token(
        "grievance_officer", areas=(area,), subject=subject, now=datetime.now(UTC), ttl=timedelta(hours=2)
    )
    return {"Authorization": f"Bearer {signed}"}


@asynccontextmanager
async def _gateway(running: Platform, directory: Path) -> AsyncIterator[httpx.AsyncClient]:
    envoy, port = await start_gateway(running, directory)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as through:

            async def answers() -> bool:
                try:
                    headers = _token(running, "officer-0-0", "010001")
                    answer = await through.get("/grievance/v1/work", headers=headers)
                except httpx.TransportError:
                    return False
                return answer.status_code == httpx.codes.OK

            await wait_for(answers, 60, "the work list answers through the gateway")
            yield through
    finally:
        await asyncio.to_thread(envoy.stop)


async def measure(*, short: bool) -> dict[str, Figures]:
    """Both figures; `short`: a twentieth of the cases."""
    with tempfile.TemporaryDirectory(prefix="samaki-bench-") as home:
        directory = Path(home)
        async with platform(
            directory,
            "postgres",
            roles=(),
            service="grievance",
            module="services.grievance",
            environment=KEYS | {"SAMAKI_NOTIFICATION_DIR": str(directory / "messages")},
        ) as running:
            turned = await failures(running, events=10_000 if short else 100_000)
            lists = await work_list(
                running, directory, cases=100_000 if short else 2_000_000, samples=200 if short else 500
            )
    return {"payment failures into cases": turned, "work list": lists}


def rows(figures: dict[str, Figures]) -> list[Sequence[str]]:
    """Lines of the table: measured, result, compared with, aim, met or not."""
    turned, lists = figures["payment failures into cases"], figures["work list"]
    return [
        (
            f"{turned['events']:,.0f} payment failures into cases",
            f"{turned['per_s']:,.0f} events/s",
            f"the same rows by bare INSERTs {turned['raw_rows_per_s']:,.0f}/s: ratio {turned['ratio_rows']:.2f}; "
            f"one row of each case alone {turned['raw_per_s']:,.0f}/s: ratio {turned['ratio']:.2f}",
            "",
            "",
        ),
        (
            f"work list among {lists['cases']:,.0f} cases, through the gateway, p99",
            f"{lists['p99_ms']:.1f} ms",
            f"median {lists['p50_ms']:.1f} ms, {lists['rows']:.0f} cases a page; "
            f"bare SELECT p99 {lists['raw_p99_ms']:.1f} ms",
            "under 50 ms",
            "met" if lists["p99_ms"] < 50 else "[bold]not met[/]",
        ),
    ]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.grievance", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    figures = uvloop.run(measure(short=options.short))
    table = Table("measured", "result", "compared with", "aim", "")
    for row in rows(figures):
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
