"""The payments service with both of its counterparts as separate processes: a durable database, worker, api, the
third-party mock-bank and the operator's simulator. Made to be killed, and kept over many rounds.

What a killed process held (a job's lease, a schedule's turn) is given up as soon as the process is certainly dead: the
minutes until its lease runs out are let pass in the database, not in the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

import httpx

from services.payments.rails.policy import RailPolicy
from services.payments.rails.tests.builders import DEBTOR_IBAN
from services.payments.rails.tests.platform import SETTINGS, Waiting, queue
from services.payments.resources import Resources
from services.payments.settings import PaymentsSettings
from shared.crypto import FieldCipher, KeyedHash
from shared.db import Database
from shared.embedded import ports
from shared.embedded.process import ManagedProcess
from shared.testing import wait_for
from tests.faults.platform import ROOT, Platform, platform

ROLES: Final = ("api", "worker")
CLOSED: Final = "000999001"
"""A payee's account that is closed at the bank."""
ROUTING: Final = "999999992"
"""mock-bank's own bank code: a payee's domestic number is looked up among its accounts only under it."""
POLICY: Final = RailPolicy(
    batch_size=7,
    first_retry_seconds=1,
    longest_retry_seconds=2,
    breaker_failures=50,
    breaker_pause_seconds=1,
    breaker_longest_pause_seconds=1,
    max_tries=1000,
    poll_shortest_seconds=1,
    poll_longest_seconds=1,
)
_POLICY_ROW: Final = (
    "INSERT INTO rail_policy (rail, policy, version, changed_by, changed_at) VALUES ($1, $2::jsonb, 1, 'test', now())"
)
_DEAD: Final = """
    WITH jobs AS (
        UPDATE job SET lease_until = now() - interval '1 second' WHERE state = 'running' AND lease_owner LIKE $1
    )
    UPDATE schedule_run SET lease_until = now() - interval '1 second' WHERE lease_owner LIKE $1
"""
_DUE: Final = """
    WITH jobs AS (
        UPDATE job SET run_at = now() WHERE state = 'queued' AND run_at > now()
    ), batches AS (
        UPDATE batch SET next_at = now() WHERE state IN ('formed', 'submitting', 'unknown') AND next_at > now()
    ), rails AS (
        UPDATE rail_health SET poll_at = NULL, probe_until = NULL, retry_at = NULL, opened_at = NULL
    )
    UPDATE schedule_run SET next_run_at = now() WHERE name = 'poll_rails' AND next_run_at > now()
"""
"""One statement, since each opens a connection of its own."""


@dataclass
class Stack:
    """The running processes, and what the test asks of them."""

    running: Platform
    bank_url: str
    operator_url: str
    counterparts: list[ManagedProcess] = field(default_factory=list)

    async def add_payments(self, bank: int, closed: int, operator: int, refused: int) -> list[Waiting]:
        """Queue payments: to good and closed bank accounts, to good and unknown wallets."""
        environment = self.running.environment
        settings = PaymentsSettings(
            database_url=environment["SAMAKI_DATABASE_URL"],
            bus="postgres",
            bus_database_url=environment["SAMAKI_BUS_DATABASE_URL"],
            **SETTINGS,
        )
        database = Database(settings)
        resources = Resources(FieldCipher(SETTINGS["encryption_key"]), KeyedHash(SETTINGS["hash_key"]), None)
        service: Any = SimpleNamespace(database=database, context=SimpleNamespace(resources=resources))
        made: list[Waiting] = []
        try:
            for numbers, more in (
                ([f"0001234{i:03d}" for i in range(bank)], {"rail": "bank", "provider": ROUTING}),
                ([CLOSED] * closed, {"rail": "bank", "provider": ROUTING}),
                ([f"85512{i:06d}" for i in range(operator)], {}),
                (["85512990001"] * refused, {}),
            ):
                made += await queue(service, numbers, **more) if numbers else []
        finally:
            await database.engine.dispose()
        return made

    async def kill(self, name: str) -> None:
        """SIGKILL a role or the database, restart it, and let the leases of the dead run out."""
        process = self.running.processes.get(name)
        owner = f"%:{process.pid}:%" if process is not None else "%"  # without its database no worker keeps a lease
        await self.running.kill(name)
        await self.running.query(_DEAD, owner)

    async def let_time_pass(self) -> None:
        """Whatever waits for a later moment is due now."""
        await self.running.query(_DUE)

    async def next_bank_day(self) -> None:
        """The bank books and reports what came due. It states every day of every account: not to be overdone."""
        async with httpx.AsyncClient(base_url=self.bank_url, timeout=30, trust_env=False) as client:
            (await client.post("/_mock/advance", params={"days": 1}, json={})).raise_for_status()

    async def misbehave(self, **behaviour: Any) -> None:
        """How the operator treats the next submissions."""
        async with httpx.AsyncClient(base_url=self.operator_url, timeout=30, trust_env=False) as client:
            (await client.put("/_control/behaviour", json=behaviour)).raise_for_status()

    async def paid(self) -> dict[str, int]:
        """By the counterparts' own books: reference -> how often it was paid."""
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            payments = (await client.get(self.bank_url + "/_mock/payments")).raise_for_status().json()
            wallets = (await client.get(self.operator_url + "/_control/payments")).raise_for_status().json()
        found: dict[str, int] = dict(wallets)
        for payment in payments:
            if payment["status"] not in ("rejected", "RJCT"):
                reference = payment["end_to_end_id"]
                found[reference] = found.get(reference, 0) + 1
        return found

    async def describe(self) -> str:
        """Where everything stands, for a failure's message. No personal data."""
        told = []
        for statement in (
            "SELECT rail, state, count(*) FROM payment_attempt GROUP BY 1, 2",
            "SELECT rail, state, tries, waits_for, reference, count, next_at > now() AS later FROM batch"
            " WHERE state <> 'completed' ORDER BY id",
            "SELECT kind, state, attempt, lease_owner, lease_until > now(), error FROM job WHERE state <> 'succeeded'",
            "SELECT name, next_run_at > now(), lease_owner, lease_until > now(), last_error FROM schedule_run",
            "SELECT kind, state, refused, lines, matched, breaks FROM statement_file ORDER BY id DESC LIMIT 12",
            "SELECT kind, status FROM reconciliation_break",
        ):
            told += [str(tuple(row)) for row in await self.running.query(statement)]
        return "\n".join(told)

    async def states(self, ids: list[UUID]) -> dict[UUID, str]:
        """The attempts' states."""
        rows = await self.running.query("SELECT id, state FROM payment_attempt WHERE id = ANY($1)", ids)
        return {UUID(str(row[0])): row[1] for row in rows}


@contextlib.asynccontextmanager
async def rails_stack(directory: Path) -> AsyncIterator[Stack]:
    """Everything running; killed at the end of the block."""
    bank_port, operator_port, api_port = ports.free_ports(3)
    bank_url, operator_url = f"http://127.0.0.1:{bank_port}", f"http://127.0.0.1:{operator_port}"
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in SETTINGS.items()}
    environment = {f"SAMAKI_{name.upper()}": value for name, value in texts.items()} | {
        "SAMAKI_BANK_URL": bank_url,
        "SAMAKI_MOBILE_MONEY_URL": operator_url,
        "SAMAKI_MOBILE_MONEY_CALLBACK_URL": f"http://127.0.0.1:{api_port}/payments/v1/rails/mobile_money/callbacks",
        "SAMAKI_RAIL_TIMEOUT_SECONDS": "1",
        "SAMAKI_HTTP_PORT": str(api_port),
    }
    async with platform(
        directory, "postgres", roles=(), service="payments", module="services.payments", environment=environment
    ) as running:
        running.port = api_port
        counterparts = [
            _process(running, "bank", ["-m", "mockbank", "--port", str(bank_port), "--clock", _today(), "-q"]),
            _process(running, "operator", ["-m", "deploy.simulators.mobile_money", "--port", str(operator_port)]),
        ]
        try:
            for one in counterparts:
                await asyncio.to_thread(one.start)
            await _ready(bank_url + "/_mock/health")
            await _ready(operator_url + "/heartbeat")
            await _open_accounts(bank_url)
            for rail in ("bank", "mobile_money"):
                await running.query(_POLICY_ROW, rail, POLICY.model_dump_json())
            for role in ROLES:
                running.start(role)
            yield Stack(running, bank_url, operator_url, counterparts)
        finally:
            for one in counterparts:
                one.kill()


def _today() -> str:
    """The bank begins on the day on which the service asks for execution."""
    return f"{datetime.now(UTC):%Y-%m-%d}T00:00"


def _process(running: Platform, name: str, arguments: list[str]) -> ManagedProcess:
    log = running.directory / f"{name}.log"
    return ManagedProcess(name, [sys.executable, *arguments], log=log, env=running.environment, cwd=ROOT)


async def _ready(url: str) -> None:
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:

        async def answers() -> bool:
            try:
                return (await client.get(url)).is_success
            except httpx.TransportError:
                return False

        await wait_for(answers, 60, f"{url} answers", every_s=0.1)


async def _open_accounts(bank_url: str) -> None:
    treasury = {"id": "TREASURY", "name": "Treasury", "iban": DEBTOR_IBAN, "currency": "KHR", "balance": 10**15}
    closed = {
        "id": "CLOSED",
        "name": "closed",
        "iban": "KH03NATB0000000009",
        "currency": "KHR",
        "balance": 0,
        "behaviour": "closed-account",
        "account_number": CLOSED,
    }
    async with httpx.AsyncClient(base_url=bank_url, timeout=30, trust_env=False) as client:
        for account in (treasury, closed):
            (await client.post("/_mock/accounts", json=account)).raise_for_status()
