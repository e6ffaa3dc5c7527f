"""What integration tests of rails and reconciliation stand on: payments waiting to be sent, and real counterparts."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import uvicorn
from mockbank.server import Config, make_server
from sqlalchemy import text

import services.payments
from services.payments.accounts.model import seal
from services.payments.ledger.repository import open_fund_accounts, open_programme_accounts
from services.payments.rails.form_batches import form_batches
from services.payments.rails.port import Answer, BatchHeader, Document, Instruction, Submission
from services.payments.rails.tests.builders import DEBTOR_IBAN
from services.payments.rails.wiring import JOBS, ROUTERS, SCHEDULES, clients_of
from services.payments.resources import open_resources
from services.payments.settings import PaymentsSettings
from shared.service import Service
from shared.testing.service import TestService
from shared.testing.waiting import wait_for

SECRET = "callback secret of the tests"
SERVICE = Service(
    name="payments",
    settings=PaymentsSettings,
    migrations=Path(services.payments.__file__).parent / "migrations",
    routers=ROUTERS,
    jobs=JOBS,
    schedules=SCHEDULES,
    resources=open_resources,
)
SETTINGS: dict[str, Any] = {
    "encryption_key": base64.b64encode(b"e" * 32).decode(),
    "hash_key": base64.b64encode(b"h" * 32).decode(),
    "bank_url": "http://127.0.0.1:1",
    "bank_debtor_account": DEBTOR_IBAN,
    "bank_debtor_bic": "NATBKHPP",
    "mobile_money_url": "http://127.0.0.1:1",
    "mobile_money_callback_url": "http://127.0.0.1:1/payments/v1/rails/mobile_money/callbacks",
    "mobile_money_callback_secret": SECRET,
    "rail_timeout_seconds": 5,
    "statement_senders": ["officer-1"],
}


@dataclass(frozen=True)
class Waiting:
    """An attempt waiting to be sent."""

    id: UUID
    payment_id: UUID
    reference: str
    amount: Decimal
    number: str


_FUND = """
INSERT INTO fund (code, currency, programme_lines, allotment, created_by)
VALUES ('F1', 'KHR', '{L1}', 1000000000, 'test') ON CONFLICT DO NOTHING
"""
_PAYMENT = """
INSERT INTO payment (id, entitlement_id, cycle_id, payment_list_id, programme_code, period, beneficiary_id,
    beneficiary_reference, village_code, component, amount, currency, fund_code, status, attempt)
VALUES (:payment, uuidv7(), :cycle, :list, 'P1', '2020-07', :beneficiary, 'HH-1', '01020304', 'cash', :amount, 'KHR',
    'F1', 'instructed', 1)
"""
_ACCOUNT = """
INSERT INTO account (id, beneficiary_id, rail, provider, number_encrypted, number_hash, holder_name_encrypted, purpose,
    status, village_code)
VALUES (:account, :beneficiary, :rail, :provider, :number, :hash, :name, 'any', 'active', '01020304')
"""
_HISTORY = """
INSERT INTO account_history (account_id, version, rail, provider, number_encrypted, number_hash, holder_name_encrypted,
    status, changed_by, reason)
VALUES (:account, 1, :rail, :provider, :number, :hash, :name, 'active', 'test', 'added')
"""
_ATTEMPT = """
INSERT INTO payment_attempt (id, payment_id, attempt, rail, provider, account_id, account_version, end_to_end_id, state,
    amount, currency)
VALUES (:attempt, :payment, 1, :rail, :provider, :account, 1, :reference, 'queued', :amount, 'KHR')
"""


async def queue(
    service: TestService,
    numbers: Sequence[str],
    *,
    rail: str = "mobile_money",
    provider: str = "",
    payment_list: UUID | None = None,
) -> list[Waiting]:
    """Attempts waiting to be sent to these numbers, each for another amount."""
    resources = service.context.resources
    provider = provider or ("WING" if rail == "mobile_money" else "ACLBKHPP")
    cycle, waiting, rows = uuid4(), [], []
    for i, number in enumerate(numbers):
        attempt = uuid4()
        sealed = seal(resources.cipher, resources.number_hash, rail, provider, number, f"Sok Dara {i}")
        one = Waiting(attempt, uuid4(), attempt.hex, Decimal(80_000 + i), number)
        waiting.append(one)
        rows.append(
            {
                "payment": one.payment_id,
                "attempt": attempt,
                "reference": one.reference,
                "amount": one.amount,
                "account": uuid4(),
                "beneficiary": uuid4(),
                "cycle": cycle,
                "list": payment_list or cycle,
                "rail": rail,
                "provider": provider,
                "number": sealed.number_encrypted,
                "hash": sealed.number_hash,
                "name": sealed.holder_name_encrypted,
            }
        )
    async with service.database.session() as session:
        await session.execute(text(_FUND))
        await open_fund_accounts(session, "F1", "KHR")
        await open_programme_accounts(session, "F1", "P1", "KHR")
        for statement in (_PAYMENT, _ACCOUNT, _HISTORY, _ATTEMPT):
            await session.execute(text(statement), rows)
    return waiting


async def states(service: TestService, waiting: Sequence[Waiting]) -> list[str]:
    """The states of these attempts, in this order."""
    async with service.database.session() as session:
        rows = await session.execute(text("SELECT id, state FROM payment_attempt"))
        by_id = {row.id: row.state for row in rows}
    return [by_id[one.id] for one in waiting]


async def rows(service: TestService, statement: str, **values: Any) -> list[dict[str, Any]]:
    """What a query gives."""
    async with service.database.session() as session:
        return [dict(row) for row in (await session.execute(text(statement), values)).mappings()]


async def balanced(service: TestService) -> bool:
    """Whether all postings sum to zero."""
    (row,) = await rows(service, "SELECT COALESCE(sum(amount), 0) AS total FROM posting")
    return row["total"] == 0


def use_rail(service: TestService, rail: Any) -> None:
    """Replace the rail of the same name in a running service."""
    clients = clients_of(service.context)
    clients.rails[rail.name] = rail  # type: ignore[index]


async def sent(service: TestService, count: int, rail: str = "bank") -> tuple[str, list[Waiting]]:
    """So many attempts handed to a rail; the batch's message id."""
    use_rail(service, FakeRail(rail))
    waiting = await queue(service, [f"0001234{i:03d}" for i in range(count)], rail=rail)
    await form_batches(service.context)
    await service.run_jobs()
    (batch,) = await rows(service, "SELECT message_id FROM batch")
    return batch["message_id"], waiting


async def breaks(service: TestService) -> list[tuple[str, str]]:
    """Kind and reference of every break, as an auditor sees them."""
    answer = await service.http.get("/payments/v1/reconciliation/breaks", headers=service.token("auditor"))
    assert answer.status_code == 200
    return [(item["kind"], item["end_to_end_id"]) for item in answer.json()["items"]]


class FakeRail:
    """A rail in memory that keeps the port's promises (it passes the contract suite), and fails as told.

    `script` holds what happens at the next submissions: an Answer, or an exception to raise *after* accepting.
    """

    def __init__(self, name: str = "mobile_money") -> None:
        self.name = name
        self.script: list[Answer | BaseException] = []
        self.submitted: list[str] = []
        self.headers: list[BatchHeader] = []
        self.hold: asyncio.Event | None = None
        self.queried: list[str] = []
        self.paid: dict[str, int] = {}
        self.had: set[str] = set()
        self.answers_queries = True
        self.documents: list[Document] = []

    async def submit(self, batch: BatchHeader, instructions: Sequence[Instruction]) -> Submission:
        self.submitted.append(batch.message_id)
        self.headers.append(batch)
        if self.hold is not None:
            await self.hold.wait()
        happens = self.script.pop(0) if self.script else Answer.ACCEPTED
        if happens in (Answer.DEFERRED, Answer.REJECTED):
            return Submission(happens, reason_code="FF01" if happens is Answer.REJECTED else "")  # type: ignore[arg-type]
        if batch.message_id not in self.had:
            self.had.add(batch.message_id)
            for instruction in instructions:
                self.paid[instruction.end_to_end_id] = self.paid.get(instruction.end_to_end_id, 0) + 1
        if isinstance(happens, BaseException):
            raise happens
        return Submission(happens, reference=batch.message_id)

    async def query(self, batch: BatchHeader) -> Submission:
        self.queried.append(batch.message_id)
        if not self.answers_queries:
            return Submission(Answer.UNKNOWN)
        known = batch.message_id in self.had
        return Submission(Answer.ACCEPTED if known else Answer.ABSENT, reference=batch.message_id if known else "")

    async def fetch(self, open_batches: Sequence[BatchHeader]) -> AsyncIterator[Document]:
        for document in list(self.documents):
            yield document

    async def acknowledge(self, documents: Sequence[Document]) -> None:
        taken = {document.reference for document in documents}
        self.documents = [document for document in self.documents if document.reference not in taken]


class LostAnswers(httpx.AsyncBaseTransport):
    """Delivers requests, and loses the answers of the next so many posts."""

    def __init__(self, lose: int) -> None:
        self.lose = lose
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        if request.method == "POST" and self.lose:
            self.lose -= 1
            await response.aread()
            await response.aclose()
            raise httpx.ReadTimeout("lost on the way back", request=request)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


@dataclass
class MockBank:
    """The third-party bank, running."""

    url: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A call to its control plane."""
        response = httpx.request(method, self.url + path, json=body, trust_env=False, timeout=30)
        response.raise_for_status()
        return response.json()


@contextmanager
def mock_bank(clock: str = "2020-07-27T09:00") -> Iterator[MockBank]:
    """mock-bank with the treasury's account in riel."""
    server = make_server(Config(port=0, quiet=True, clock=clock))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    bank = MockBank(f"http://127.0.0.1:{server.server_address[1]}")
    try:
        treasury = {"id": "TREASURY", "name": "National Treasury", "iban": DEBTOR_IBAN, "currency": "KHR"}
        bank.call("POST", "/_mock/accounts", treasury | {"balance": 10**15})
        yield bank
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@asynccontextmanager
async def serving(app: Any, *, lifespan: str = "on") -> AsyncIterator[str]:
    """An ASGI app on a port of its own; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan=lifespan))  # type: ignore[arg-type]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await wait_for(lambda: server.started, what="the server to start")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()
