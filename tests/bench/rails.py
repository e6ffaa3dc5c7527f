"""Rails and reconciliation: files written, statement lines applied, callbacks taken.

python -m tests.bench.rails [--short] [--only files,lines,callbacks]

files       pain.001 for 700,000 payments in files of the rail's size: transactions per second and peak memory,
            against writing the same bytes
lines       statement lines from a camt.054 on disk to durable postings, with events, by `ingest_in_pieces`, against
            an INSERT ... SELECT of as many ledger rows alone
callbacks   signed operator's callbacks per second through the gateway until the last one's postings are committed,
            against the same gateway's requests that change nothing
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import re
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import psutil
import uvloop
from sqlalchemy import text

from services.payments.ledger.repository import open_fund_accounts, open_programme_accounts
from services.payments.rails.port import Document, Media
from services.payments.rails.signature import sign
from services.payments.reconciliation.ingest_document import ingest_in_pieces
from services.payments.reconciliation.rules import Rules
from services.payments.settings import PaymentsSettings
from shared.crypto import KeyedHash
from shared.db import Database
from shared.testing import wait_for
from tests.bench.gateway import start_gateway
from tests.bench.rail_files import FILE, files
from tests.faults.platform import Platform, platform

SECRET: Final = "secret of the bench"
ENVIRONMENT: Final = {
    "SAMAKI_ENCRYPTION_KEY": base64.b64encode(b"e" * 32).decode(),
    "SAMAKI_HASH_KEY": base64.b64encode(b"h" * 32).decode(),
    "SAMAKI_BANK_URL": "http://127.0.0.1:1",
    "SAMAKI_BANK_DEBTOR_ACCOUNT": "KH25NATB0000000001",
    "SAMAKI_BANK_DEBTOR_BIC": "NATBKHPP",
    "SAMAKI_MOBILE_MONEY_URL": "http://127.0.0.1:1",
    "SAMAKI_MOBILE_MONEY_CALLBACK_URL": "http://127.0.0.1:1",
    "SAMAKI_MOBILE_MONEY_CALLBACK_SECRET": SECRET,
}
Figures = dict[str, dict[str, float]]


# --- statement lines ------------------------------------------------------------------------------------------------

_FUND = text(
    """
    INSERT INTO fund (code, currency, programme_lines, allotment, created_by)
    VALUES ('F1', 'KHR', '{L1}', 900000000000, 'bench') ON CONFLICT DO NOTHING
    """
)
_PAYMENTS = text(
    """
    INSERT INTO payment (id, entitlement_id, cycle_id, payment_list_id, programme_code, period, beneficiary_id,
        beneficiary_reference, village_code, component, amount, currency, fund_code, status, attempt)
    SELECT uuidv7(), uuidv7(), :list, :list, 'P1', '2020-07', uuidv7(), 'HH-' || n, '01020304', 'cash',
        80000 + n % 1000, 'KHR', 'F1', 'instructed', 1
    FROM generate_series(1, :count) AS n
    """
)
_BATCH = text(
    """
    INSERT INTO batch (id, rail, provider, payment_list_id, message_id, state, count, amount, currency, execution_on,
        next_at, created_at, submitted_at, tries)
    VALUES (:list, :rail, '', :list, 'B' || replace(CAST(CAST(:list AS uuid) AS text), '-', ''), 'submitted', :count, 1,
        'KHR', current_date, now(), now(), now(), 1)
    """
)
_ATTEMPTS = text(
    """
    INSERT INTO payment_attempt (id, payment_id, attempt, rail, provider, account_id, account_version, end_to_end_id,
        state, amount, currency, batch_id)
    SELECT a.id, p.id, 1, :rail, 'ACLBKHPP', uuidv7(), 1, replace(CAST(a.id AS text), '-', ''), 'sent', p.amount,
        p.currency, :list
    FROM payment p CROSS JOIN LATERAL (SELECT uuidv7() AS id WHERE p.id IS NOT NULL) a
    WHERE p.payment_list_id = :list
    """
)
_REFERENCES = text(
    "SELECT a.end_to_end_id, a.amount FROM payment_attempt a JOIN payment p ON p.id = a.payment_id"
    " WHERE p.payment_list_id = :list"
)
_RAW = (
    text(
        """
        CREATE TABLE IF NOT EXISTS raw_posting (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, attempt_id uuid NOT NULL, debit integer NOT NULL,
            credit integer NOT NULL, amount numeric(18, 2) NOT NULL, on_date date NOT NULL
        )
        """
    ),
    text(
        """
        INSERT INTO raw_posting (attempt_id, debit, credit, amount, on_date)
        SELECT a.id, 1, 2, a.amount, current_date FROM payment_attempt a WHERE a.batch_id = :list
        """
    ),
)


async def sent_payments(database: Database, count: int, rail: str = "bank") -> UUID:
    """So many payments handed to a rail, without an outcome; the id of their list and batch."""
    identity = uuid4()
    async with database.session() as session:
        await session.execute(_FUND)
        await open_fund_accounts(session, "F1", "KHR")
        await open_programme_accounts(session, "F1", "P1", "KHR")
        values = {"list": identity, "count": count, "rail": rail}
        await session.execute(_PAYMENTS, {"list": identity, "count": count})
        await session.execute(_BATCH, values)
        await session.execute(_ATTEMPTS, {"list": identity, "rail": rail})
    async with database.session() as session:
        await session.execute(text("ANALYZE payment, payment_attempt, batch"))
    return identity


async def write_camt(database: Database, identity: UUID, path: Path) -> None:
    """A camt.054 that books every payment of a list."""
    async with database.session() as session:
        rows = (await session.execute(_REFERENCES, {"list": identity})).all()
    with path.open("w", encoding="utf-8") as out:
        out.write(
            '<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08">'
            f"<BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>N{identity.hex}</MsgId><CreDtTm>2020-07-28T18:00:00Z</CreDtTm>"
            f"</GrpHdr><Ntfctn><Id>N{identity.hex}</Id>"
        )
        for row in rows:
            out.write(
                f'<Ntry><Amt Ccy="KHR">{row.amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt>'
                f"<Dt>2020-07-28</Dt></BookgDt><AcctSvcrRef>B{row.end_to_end_id[:30]}</AcctSvcrRef><NtryDtls><TxDtls>"
                f"<Refs><EndToEndId>{row.end_to_end_id}</EndToEndId></Refs>"
                f'<Amt Ccy="KHR">{row.amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd></TxDtls></NtryDtls></Ntry>\n'
            )
        out.write("</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>")


def _database(running: Platform) -> Database:
    environment = dict(running.environment)
    settings = PaymentsSettings(
        database_url=environment["SAMAKI_DATABASE_URL"],
        bus="postgres",
        bus_database_url=environment["SAMAKI_BUS_DATABASE_URL"],
        **{name.removeprefix("SAMAKI_").lower(): value for name, value in ENVIRONMENT.items()},  # type: ignore[arg-type]
    )
    return Database(settings)


def _server_cpu(running: Platform) -> float:
    """Seconds of processor time that PostgreSQL has used: on a machine that others use too, a rate says little."""
    family = [psutil.Process(running.postgres.pid)]
    spent = 0.0
    for process in [*family, *family[0].children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            spent += times.user + times.system
    return spent


async def lines(running: Platform, directory: Path, short: bool) -> dict[str, float]:
    """Statement lines applied per second, and what the database alone does with as many ledger rows."""
    count, database = 20_000 if short else 200_000, _database(running)
    rules = Rules(KeyedHash(ENVIRONMENT["SAMAKI_HASH_KEY"]))
    try:
        for size in (2_000, count):  # a small one first: plans, pages, connections
            identity = await sent_payments(database, size)
            path = directory / f"{identity}.xml"
            await write_camt(database, identity, path)
            document = Document("bank", Media.ISO20022, "bench", b"", path=path)
            started, own, server = time.perf_counter(), time.process_time(), _server_cpu(running)
            taken = await ingest_in_pieces(database, document, rules, received_by="bench", now=datetime.now(UTC))
            spent = time.perf_counter() - started
            own, server = time.process_time() - own, _server_cpu(running) - server
            assert (taken.lines, taken.matched, taken.breaks) == (size, size, 0), taken
        async with database.session() as session:
            settled = await session.scalar(
                text("SELECT count(*) FROM payment WHERE payment_list_id = :list AND status = 'settled'"),
                {"list": identity},
            )
            await session.execute(_RAW[0])
        assert settled == count
        started = time.perf_counter()
        async with database.session() as session:
            await session.execute(_RAW[1], {"list": identity})
        raw = time.perf_counter() - started
    finally:
        await database.engine.dispose()
    return {
        "count": count,
        "per_s": count / spent,
        "raw_per_s": count / raw,
        "own_us": own / count * 1e6,
        "server_us": server / count * 1e6,
        "mib": path.stat().st_size / 2**20,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


# --- callbacks ------------------------------------------------------------------------------------------------------


async def callbacks(running: Platform, directory: Path, short: bool) -> dict[str, float]:
    """Genuine callbacks per second through the gateway, from so many connections at once."""
    count, at_once, database = 300 if short else 3_000, 16, _database(running)
    identity = await sent_payments(database, count, "mobile_money")
    async with database.session() as session:
        rows = (await session.execute(_REFERENCES, {"list": identity})).all()
    await database.engine.dispose()
    for role in ("api", "worker"):
        running.start(role)
    envoy, port = await start_gateway(running, directory)
    try:
        base = f"http://127.0.0.1:{port}"
        # Callbacks are signed and carry no token; the gateway lets them pass on their own route.
        async with httpx.AsyncClient(base_url=base, timeout=30, trust_env=False) as client:

            async def answers() -> bool:
                try:
                    return (await client.put(_CALLBACKS, content=b"{}")).status_code == httpx.codes.UNAUTHORIZED
                except httpx.TransportError:
                    return False

            await wait_for(answers, 60, "the gateway answers for the service")
        raw = await _rate(port, [(b"{}", "", "", "")] * count, at_once, httpx.codes.UNAUTHORIZED)
        calls = [_callback(row) for row in rows]
        started = time.perf_counter()
        ours = await _rate(port, calls, at_once, httpx.codes.NO_CONTENT)
        answered = time.perf_counter()

        async def settled() -> bool:
            statement = "SELECT count(*) FROM payment_attempt WHERE batch_id = $1 AND state = 'settled'"
            return await running.number(statement, identity) == count

        await wait_for(settled, 120, "every callback to be applied", every_s=0.05)
        ended = time.perf_counter()
    finally:
        await asyncio.to_thread(envoy.stop)
        for role in ("api", "worker"):
            await asyncio.to_thread(running.processes[role].stop)
    return {
        "count": count,
        "answered_per_s": ours,
        "per_s": count / (ended - started),
        "lag_s": ended - answered,
        "raw_per_s": raw,
    }


_CALLBACKS: Final = "/payments/v1/rails/mobile_money/callbacks"


def _callback(row: Any) -> tuple[bytes, str, str, str]:
    body = json.dumps(
        {
            "transactionReference": "T" + row.end_to_end_id[:20],
            "requestingOrganisationTransactionReference": row.end_to_end_id,
            "type": "disbursement",
            "transactionStatus": "completed",
            "amount": f"{row.amount:f}",
            "currency": "KHR",
            "modificationDate": "2020-07-28T10:00:00Z",
        }
    ).encode()
    sent_at, correlation = datetime.now(UTC).isoformat(), str(uuid4())
    return body, sent_at, correlation, sign(SECRET, sent_at, correlation, body)


async def _rate(port: int, calls: list[tuple[bytes, str, str, str]], at_once: int, status: int) -> float:
    """Calls per second over so many connections, by the barest client: the operator's cost is not ours."""

    async def work(mine: list[tuple[bytes, str, str, str]]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for body, sent_at, correlation, signature in mine:
                writer.write(
                    f"PUT {_CALLBACKS} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\nX-Date: {sent_at}\r\nX-CorrelationID: {correlation}\r\n"
                    f"X-Signature: {signature}\r\n\r\n".encode()
                    + body
                )
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = re.search(r"content-length: (\d+)", head)
                answer = await reader.readexactly(int(length[1]) if length else 0)
                assert int(head.split(" ", 2)[1]) == status, (head, answer)
        finally:
            writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(work(calls[n::at_once]) for n in range(at_once)))
    return len(calls) / (time.perf_counter() - started)


# --- all of it ------------------------------------------------------------------------------------------------------


async def measure(short: bool, only: str = "files,lines,callbacks") -> Figures:
    """Run them; figures by name."""
    figures: Figures = {}
    wanted = only.split(",")
    if "files" in wanted:
        figures["files"] = await asyncio.to_thread(files, short)
    if {"lines", "callbacks"} & set(wanted):
        with tempfile.TemporaryDirectory() as home:
            directory = Path(home)
            async with platform(
                directory, "postgres", roles=(), service="payments", module="services.payments", environment=ENVIRONMENT
            ) as running:
                if "lines" in wanted:
                    figures["lines"] = await lines(running, directory, short)
                if "callbacks" in wanted:
                    figures["callbacks"] = await callbacks(running, directory, short)
    return figures


def rows(figures: Figures) -> list[tuple[str, str, str, str, bool]]:
    """For the table of `tests.bench`: what, result, compared with, aim, met."""
    table = []
    if f := figures.get("files"):
        what = f"pain.001 for {f['count']:,.0f} in files of {FILE:,}"
        result = f"{f['per_s']:,.0f} tx/s, peak {f['peak_mib']:.0f} MiB (+{f['grown_mib']:.0f})"
        raw = f"the same bytes written: {f['raw_per_s']:,.0f}/s"
        table.append((what, result, raw, "memory flat", f["grown_mib"] < 16))
    if f := figures.get("lines"):
        what = f"statement lines applied ({f['count']:,.0f}, {f['mib']:.0f} MiB)"
        raw = f"one ledger row alone: {f['raw_per_s']:,.0f}/s: ratio {f['per_s'] / f['raw_per_s']:.2f}"
        cost = f"{f['own_us']:.0f} + {f['server_us']:.0f} us CPU a line, here and in PostgreSQL"
        table.append((what, f"{f['per_s']:,.0f}/s ({cost})", raw, "over 10,000/s", f["per_s"] > 10_000))
    if f := figures.get("callbacks"):
        raw = f"refused at the door: {f['raw_per_s']:,.0f}/s: ratio {f['per_s'] / f['raw_per_s']:.2f}"
        result = (
            f"{f['per_s']:,.0f}/s settled (answered {f['answered_per_s']:,.0f}/s, the last {f['lag_s']:.1f} s later)"
        )
        table.append(("callbacks through the gateway", result, raw, "over 100/s", f["per_s"] > 100))
    return table


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rails")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", default="files,lines,callbacks")
    options = parser.parse_args()
    for row in rows(uvloop.run(measure(options.short, options.only))):
        print(" | ".join(str(cell) for cell in row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
