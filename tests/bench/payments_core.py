"""`python -m tests.bench.payments_core [--short]`: the payments core against the same rows and postings written raw.

Raw is one INSERT ... SELECT each, in a durable database, into tables of the same columns and keys without our
checks, hashes,
events and jobs: the floor. Everything of ours runs as the jobs run it: in chunks, each committed, resumable.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from services.payments.app import SERVICE
from services.payments.instructions.outcomes import apply_staged_outcomes, stage_outcomes
from services.payments.ledger.reading_repository import trial_balance
from services.payments.ledger.repository import movements, open_fund_accounts, open_programme_accounts, post
from services.payments.ledger.run_self_check import find_differences
from services.payments.ledger.self_check_repository import close_days
from services.payments.lists import build_list, disburse_list
from services.payments.lists.approve_list import _reserve
from services.payments.lists.repository import add_list, change_list
from services.payments.statistics import Bulk, refresh
from shared.clock import FixedClock
from shared.embedded.postgres import EmbeddedPostgres
from shared.ids import uuid7
from shared.migrations import upgrade
from shared.service import Context, open_context
from shared.testing.keys import TestKeys

PROGRAMME: Final = "KH-BENCH"
TODAY: Final = date(2020, 7, 28)
CHUNK: Final = 10_000
PAST_CHUNK: Final = 25_000
PAST_DAYS: Final = 90
KEY: Final = "a" * 43 + "="
_SEED: Final = (
    """
    INSERT INTO fund (code, currency, programme_lines, created_by) VALUES ('F', 'KHR', '{L}', 'bench')
    """,
    """
    INSERT INTO entitlement (id, payment_id, cycle_id, programme_code, programme_version, period, beneficiary_id,
        beneficiary_reference, village_code, component, amount, currency, lines, lines_agree, decision_id, version)
    SELECT uuidv7(), gen_random_uuid(), :cycle, 'KH-BENCH', 1, '2020-07', gen_random_uuid(), 'HH-' || n,
           lpad(CAST(1 + n % 25 AS text), 2, '0') || '010101', 'monthly', 100000 + n % 1000, 'KHR', '[]', true,
           uuidv7(), 1
    FROM generate_series(1, :count) AS n
    """,
    """
    INSERT INTO account (beneficiary_id, rail, provider, number_encrypted, number_hash, holder_name_encrypted,
        holder_name_hash, purpose, status, village_code)
    SELECT beneficiary_id, CASE WHEN random() < 0.5 THEN 'bank' ELSE 'mobile_money' END, 'wing', 'x',
           sha256(CAST(CAST(beneficiary_id AS text) AS bytea)), 'x', sha256(CAST(beneficiary_reference AS bytea)),
           'any',
           'active', village_code
    FROM entitlement
    """,
    """
    INSERT INTO cycle (id, programme_code, programme_version, period, reference_date, payment_window_from,
        payment_window_until, funding_line, currency, count, amount, totals, content_hash, closed_by, version)
    SELECT :cycle, 'KH-BENCH', 1, '2020-07', '2020-07-01', '2020-07-25', '2020-08-24', 'L', 'KHR', count(*),
    sum(amount),
           (SELECT jsonb_agg(jsonb_build_object('component', component, 'province_code', p, 'count', n, 'amount',
                CAST(trim_scale(a) AS text)))
            FROM (SELECT component, left(village_code, 2) AS p, count(*) AS n, sum(amount) AS a FROM entitlement
                  GROUP BY 1, 2) AS t),
           repeat('0', 64), 'bench', 1
    FROM entitlement
    """,
)
_RAW_TABLES: Final = (
    "CREATE TABLE raw_line (LIKE payment_list_line INCLUDING DEFAULTS, PRIMARY KEY (payment_list_id, payment_id))",
    "CREATE TABLE raw_posting (transaction_id uuid, account integer, amount numeric(18, 2), currency text,"
    " PRIMARY KEY (transaction_id, account))",
)
_RAW_LINES: Final = text(
    """
    INSERT INTO raw_line (payment_list_id, payment_id, entitlement_id, beneficiary_id, beneficiary_reference,
    village_code,
        component, amount, currency, account_id, account_version, rail, provider, status, reasons)
    SELECT :list, e.payment_id, e.id, e.beneficiary_id, e.beneficiary_reference, e.village_code, e.component, e.amount,
           e.currency, a.id, a.version, a.rail, a.provider, 'ready', '{}'
    FROM entitlement e JOIN account a ON a.beneficiary_id = e.beneficiary_id WHERE e.cycle_id = :cycle
    """
)
_RAW_POSTINGS: Final = text(
    """
    INSERT INTO raw_posting SELECT payment_id, side.account, side.sign * amount, currency
    FROM raw_line CROSS JOIN (VALUES (1, 1), (2, -1)) AS side (account, sign)
    """
)
_MANY: Final = movements(
    """
    SELECT CAST(lpad(to_hex(CAST(:first AS bigint) + n), 32, '0') AS uuid) AS subject_id, 'settle' AS kind,
           0 AS number, CAST('2020-07-28' AS date) AS effective_on, 'F' AS fund_code, 'KH-BENCH' AS programme_code,
           CASE WHEN n % 2 = 0 THEN 'bank' ELSE 'mobile_money' END AS rail, '' AS party,
           CAST(1000 + n AS numeric(18, 2)) AS amount, 'KHR' AS currency
    FROM generate_series(1, CAST(:count AS integer)) AS n
    """
)
"""Movements as our own code books them; their ids lie together, as those of a chunk of payments do."""
_PAST: Final = text(
    """
    WITH account AS (
        SELECT d.id AS debit, c.id AS credit, d.rail FROM ledger_account d JOIN ledger_account c ON c.rail = d.rail
        WHERE d.type = 'paid' AND c.type = 'in_transit' AND d.rail IN ('bank', 'mobile_money')
    ), entry AS (
        INSERT INTO journal (recorded_at) SELECT now() - make_interval(days => CAST(:days AS integer))
        RETURNING id
    )
    INSERT INTO movement (journal_id, subject_id, kind, number, effective_on, debit_account_id, credit_account_id,
        amount, currency)
    SELECT entry.id, CAST(lpad(to_hex(CAST(:first AS bigint) + n), 32, '0') AS uuid), 'settle', 0, '2020-07-28',
           account.debit, account.credit, 1000 + n, 'KHR'
    FROM generate_series(1, CAST(:count AS integer)) AS n CROSS JOIN entry
    JOIN account ON account.rail = CASE WHEN n % 2 = 0 THEN 'bank' ELSE 'mobile_money' END
    """
)
"""The postings of past months, set-wise; the triggers that keep balances run as always."""
_PLAIN_SUM: Final = text(
    """
    SELECT account, sum(amount) AS balance FROM (
        SELECT debit_account_id AS account, sum(amount) AS amount FROM movement GROUP BY 1
        UNION ALL SELECT credit_account_id, -sum(amount) FROM movement GROUP BY 1) AS legs
    GROUP BY account
    """
)
_OFFER: Final = text(
    """
    INSERT INTO offered_outcome
    SELECT row_number() OVER (ORDER BY id), id, 'settled', '2020-07-29', 'camt.054', 'M-1#' || id, '', ''
    FROM (SELECT id FROM payment_attempt WHERE id > :after ORDER BY id LIMIT :most) AS chunk
    """
)


class Timed:
    """Seconds of a block."""

    def __enter__(self) -> Timed:
        self.started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self.started


class Run:
    """What a job's handler is given, without a queue: every chunk still commits."""

    def __init__(self, context: Context, list_id: UUID) -> None:
        self.context, self.payload, self.created_by = context, {"payment_list_id": str(list_id)}, "bench"

    async def still_mine(self, session: Any) -> None:
        """Nobody else works here."""

    async def progress(self, *_: Any) -> None:
        """Nobody looks."""


async def measure(*, short: bool) -> dict[str, dict[str, float]]:
    """Take the figures: list, disbursement, outcomes, ledger, trial balance. Seconds, rates, and ratios to raw."""
    with (
        tempfile.TemporaryDirectory(prefix="samaki-bench-") as home,
        EmbeddedPostgres.temporary(durable=True) as postgres,
    ):
        postgres.provision(["payments"])
        await upgrade(SERVICE.migrations, postgres.dsn("payments"), "payments")
        settings = SERVICE.settings(**_settings(postgres.dsn("payments"), str(TestKeys(Path(home)).jwks)))
        clock = FixedClock(datetime(2020, 7, 28, 9, tzinfo=UTC))
        async with open_context(SERVICE, settings, "worker", clock=clock) as context:
            figures = await _payments(context, 50_000 if short else 700_000)
            figures["ledger"] = await _ledger(context, 500_000 if short else 10_000_000)
    return figures


def _settings(dsn: str, jwks: str) -> dict[str, Any]:
    nowhere = "http://127.0.0.1:1"
    return {
        "database_url": dsn,
        "database_schema": "payments",
        "kafka_bootstrap_servers": "127.0.0.1:1",
        "jwks": jwks,
        "encryption_key": KEY,
        "hash_key": KEY,
        "bank_url": nowhere,
        "bank_debtor_account": "KH000000000001",
        "bank_debtor_bic": "TESTKHPP",
        "mobile_money_url": nowhere,
        "mobile_money_callback_url": nowhere,
        "mobile_money_callback_secret": "not-a-secret",
        "chunk_size": CHUNK,
    }


async def _payments(context: Context, count: int) -> dict[str, dict[str, float]]:
    cycle, list_id = uuid7(), uuid7()
    async with context.database.session() as session:
        for statement in _SEED:
            values = {
                name: value for name, value in {"cycle": cycle, "count": count}.items() if f":{name}" in statement
            }
            await session.execute(text(statement), values)
        await open_fund_accounts(session, "F", "KHR")
        await open_programme_accounts(session, "F", PROGRAMME, "KHR")
        for statement in _RAW_TABLES:
            await session.execute(text(statement))
        await refresh(session, Bulk.BUILD)
    with Timed() as raw_lines:
        async with context.database.session() as session:
            await session.execute(_RAW_LINES, {"list": list_id, "cycle": cycle})
    with Timed() as raw_postings:
        async with context.database.session() as session:
            await session.execute(_RAW_POSTINGS)
    raw = raw_lines.seconds + raw_postings.seconds
    async with context.database.session() as session:
        row = await add_list(session, list_id, cycle, ["F"], "bench")
    run: Any = Run(context, list_id)
    with Timed() as built:
        await build_list.build_list(run)
    async with context.database.session() as session:
        await post(session, _ALLOT, {"amount": 10**15})
        row = await change_list(session, list_id, status="disbursing", approvals=1)
        await _reserve(session, row, 1, TODAY)
    with Timed() as disbursed:
        await disburse_list.run_disbursement(run)
    return {
        "list": _figure(count, built.seconds, raw_lines.seconds, raw),
        "disbursement": _figure(count, disbursed.seconds, raw, raw),
        "outcomes": await _outcomes(context, count, raw),
    }


_ALLOT: Final = movements(
    """
    SELECT uuidv7() AS subject_id, 'release_funds' AS kind, 0 AS number, CAST('2020-07-01' AS date) AS effective_on,
           'F' AS fund_code, '' AS programme_code, '' AS rail, '' AS party, CAST(:amount AS numeric(18, 2)) AS amount,
           'KHR' AS currency
    """
)


def _figure(count: int, seconds: float, raw_s: float, with_postings_s: float) -> dict[str, float]:
    return {
        "count": count,
        "seconds": seconds,
        "per_s": count / seconds,
        "raw_seconds": raw_s,
        "times_raw": seconds / raw_s,
        "times_raw_with_postings": seconds / with_postings_s,
    }


async def _outcomes(context: Context, count: int, raw: float) -> dict[str, float]:
    """Staged statement lines settled: attempts, payments, history, movements and events, committed per chunk."""
    async with context.database.session() as session:
        await session.execute(text("UPDATE payment_attempt SET state = 'sent'"))
    async with context.database.session() as session:
        await refresh(session, Bulk.DISBURSE)
    after, done = UUID(int=0), 0
    with Timed() as applied:
        while done < count:
            async with context.database.session() as session:
                await stage_outcomes(session)
                await session.execute(_OFFER, {"after": after, "most": CHUNK})
                after = (
                    await session.execute(text("SELECT attempt_id FROM offered_outcome ORDER BY 1 DESC LIMIT 1"))
                ).scalar_one()
                done += (await apply_staged_outcomes(session)).applied
    return _figure(count, applied.seconds, raw, raw)


async def _ledger(context: Context, postings: int) -> dict[str, float]:
    """Postings booked per second in chunks; the trial balance over all of them, now and at past instants; the
    self-check.
    """
    booked_count = min(postings, 1_000_000)
    past = (postings - booked_count) // 2
    for number in range(past // PAST_CHUNK):
        async with context.database.session() as session:
            values = {"days": PAST_DAYS - number * PAST_DAYS * PAST_CHUNK // past, "first": 2**40 + number * PAST_CHUNK}
            await session.execute(_PAST, values | {"count": PAST_CHUNK})
    with Timed() as booked:
        for number in range(booked_count // 2 // CHUNK):
            async with context.database.session() as session:
                await post(session, _MANY, {"count": CHUNK, "first": 2**50 + number * CHUNK})
    open_days = await _read_balance(context, None)
    now = datetime.now(UTC)
    with Timed() as closed:
        async with context.database.session() as session:
            await close_days(session, (now - timedelta(days=2)).date())
    taken = await _read_balance(context, None)
    then = await _read_balance(context, now - timedelta(days=PAST_DAYS // 2, hours=1))
    with Timed() as summed:
        async with context.database.session() as session:
            plain = {row.account: row.balance for row in await session.execute(_PLAIN_SUM)}
            kept = {row.id: row.balance for row in await trial_balance(session)}
    assert {account: balance for account, balance in kept.items() if balance} == {
        account: balance for account, balance in plain.items() if balance
    }
    with Timed() as checked:
        async with context.database.session() as session:
            await find_differences(session)
    return {
        "postings": float(postings),
        "per_s": booked_count / booked.seconds,
        "trial_balance_s": taken,
        "trial_balance_open_days_s": open_days,
        "trial_balance_past_s": then,
        "plain_sum_s": summed.seconds,
        "close_days_s": closed.seconds,
        "self_check_s": checked.seconds,
    }


async def _read_balance(context: Context, at: datetime | None) -> float:
    """Seconds of a trial balance: the median of five."""
    taken = []
    for _ in range(5):
        with Timed() as read:
            async with context.database.session() as session:
                rows = await trial_balance(session, at)
        taken.append(read.seconds)
    assert sum(row.balance for row in rows) == 0
    return statistics.median(taken)


def rows(figures: dict[str, dict[str, float]]) -> list[tuple[str, str, str, str, bool]]:
    """The table's rows: what, result, compared with, aim, met."""
    made, ledger = figures["list"], figures["ledger"]
    table = [
        (
            f"list of {made['count']:,.0f} payments built and checked",
            f"{made['seconds']:.1f} s, {made['per_s']:,.0f}/s",
            f"raw INSERT ... SELECT of the lines {made['raw_seconds']:.1f} s: {made['times_raw']:.1f} times;"
            f" with their postings {made['times_raw_with_postings']:.1f} times",
            "within 3 times",
            made["times_raw_with_postings"] <= 3,
        ),
        (
            "trial balance over "
            f"{ledger['postings']:,.0f} postings",
            f"{_ms(ledger['trial_balance_s'])}; at a past instant {_ms(ledger['trial_balance_past_s'])};"
            f" before any day is closed {_ms(ledger['trial_balance_open_days_s'])}",
            f"the plain sum of the movements {ledger['plain_sum_s']:.1f} s; booked at {ledger['per_s']:,.0f}"
            f" postings/s; self-check {ledger['self_check_s']:.1f} s",
            "under 1 s",
            ledger["trial_balance_s"] < 1,
        ),
    ]  # fmt: skip
    for name, aim in (("disbursement", ""), ("outcomes", "above 10,000/s")):
        found = figures[name]
        met = name == "disbursement" or found["per_s"] > 10_000
        compared = f"raw rows and postings {found['raw_seconds']:.1f} s: {found['times_raw']:.1f} times"
        table.append((f"{name}, {found['count']:,.0f}", f"{found['per_s']:,.0f}/s", compared, aim, met))
    return table


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def main() -> None:
    """Run alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = asyncio.run(measure(short=arguments.short))
    if arguments.json:
        json.dump(figures, sys.stdout, indent=2)
        return
    for row in rows(figures):
        sys.stdout.write(" | ".join(map(str, row)) + "\n")


if __name__ == "__main__":
    main()
