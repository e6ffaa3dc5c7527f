"""The bank and the tests' fake keep every rail's promises, and what only a bank does."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.payments.rails import mobile_money
from services.payments.rails.bank import BankRail
from services.payments.rails.mobile_money import MobileMoneyRail
from services.payments.rails.port import Answer, Rail
from services.payments.rails.tests.builders import DEBTOR, header, instructions
from services.payments.rails.tests.contract import Counterpart, RailContract
from services.payments.rails.tests.platform import SETTINGS, FakeRail, LostAnswers, mock_bank
from services.payments.reconciliation.ingest_document import reader_of
from services.payments.settings import PaymentsSettings

NOBODY = "http://127.0.0.1:1"


class TestBankAsARail(RailContract):
    """The contract, against the third-party mock-bank."""

    @pytest.fixture
    async def other(self) -> AsyncIterator[Counterpart]:
        transport = LostAnswers(0)
        with mock_bank() as bank:
            async with httpx.AsyncClient(base_url=bank.url, transport=transport) as client:

                def paid() -> dict[str, int]:
                    return dict(Counter(payment["end_to_end_id"] for payment in bank.call("GET", "/_mock/payments")))

                yield Counterpart(BankRail(client, DEBTOR), paid, lambda n: setattr(transport, "lose", n))


class TestFakeAsARail(RailContract):
    """The contract, against the fake that other tests use."""

    @pytest.fixture
    async def other(self) -> Counterpart:
        fake = FakeRail()
        return Counterpart(
            fake, lambda: dict(fake.paid), lambda n: fake.script.extend([Answer.UNKNOWN] * n), silent=True
        )


@pytest.mark.parametrize("name", ["bank", "mobile_money"])
async def test_with_nobody_there_the_batch_certainly_did_not_leave(name: str):
    async with httpx.AsyncClient(base_url=NOBODY, trust_env=False) as client:
        rail: Rail = BankRail(client, DEBTOR) if name == "bank" else MobileMoneyRail(client, "", "samaki")
        members = instructions(1)
        assert (await rail.submit(header(members), members)).answer is Answer.DEFERRED
        assert [document async for document in rail.fetch([header(members)])] == []


@pytest.mark.parametrize("name", ["bank", "mobile_money"])
async def test_a_batch_that_is_not_what_it_promises_is_not_sent(name: str):
    async with httpx.AsyncClient(base_url=NOBODY, trust_env=False) as client:
        rail: Rail = BankRail(client, DEBTOR) if name == "bank" else MobileMoneyRail(client, "", "samaki")
        members = instructions(2)
        with pytest.raises(ValueError, match="promise"):
            await rail.submit(header(members), members[:1])


def answering(status: int, **answer: Any) -> httpx.AsyncClient:
    """A client whose every question has this answer."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, **answer))
    return httpx.AsyncClient(base_url=NOBODY, transport=transport)


PAGE = {"html": "<html><body>Please sign in</body></html>"}


@pytest.mark.parametrize(
    ("status", "answer", "first", "repeated"),
    [
        (200, {"json": {}}, Answer.ACCEPTED, Answer.ACCEPTED),
        (200, PAGE, Answer.UNKNOWN, Answer.UNKNOWN),
        (409, {}, Answer.ACCEPTED, Answer.ACCEPTED),
        (422, {"json": {"reason": "DUPL"}}, Answer.ACCEPTED, Answer.ACCEPTED),
        (422, {"json": {"reason": "AM05"}}, Answer.ACCEPTED, Answer.ACCEPTED),
        (422, {"json": {"reason": "DT01"}}, Answer.REJECTED, Answer.UNKNOWN),
        (422, PAGE, Answer.REJECTED, Answer.UNKNOWN),
        (400, {}, Answer.REJECTED, Answer.UNKNOWN),
        (429, {}, Answer.DEFERRED, Answer.DEFERRED),
        (302, {}, Answer.UNKNOWN, Answer.UNKNOWN),
        (503, {}, Answer.UNKNOWN, Answer.UNKNOWN),
    ],
)
async def test_what_a_bank_answers_never_fails_a_file_that_it_may_have(
    status: int, answer: dict[str, Any], first: Answer, repeated: Answer
):
    members = instructions(2)
    async with answering(status, **answer) as client:
        rail = BankRail(client, DEBTOR)
        assert (await rail.submit(header(members), members)).answer is first
        assert (await rail.submit(replace(header(members), repeated=True), members)).answer is repeated


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    ("status", "answer", "meaning"),
    [
        (202, {"json": {"serverCorrelationId": "s", "status": "pending"}}, Answer.ACCEPTED),
        (200, {"json": {"transactionReference": "T1", "transactionStatus": "pending"}}, Answer.ACCEPTED),
        (200, {"content": b""}, Answer.UNKNOWN),
        (200, {"json": []}, Answer.UNKNOWN),
        (200, {"json": {"hello": "world"}}, Answer.UNKNOWN),
        (200, PAGE, Answer.UNKNOWN),
        (202, {"json": {"status": "pending"}, "headers": {"X-CorrelationID": str(uuid4())}}, Answer.UNKNOWN),
        (202, {"json": {"status": "failed", "error": {"errorCode": "insufficientFunds"}}}, Answer.REJECTED),
        (409, {"json": {"errorCode": "genericError"}}, Answer.UNKNOWN),
        (400, {"content": b"oops"}, Answer.REJECTED),
        (503, PAGE, Answer.UNKNOWN),
    ],
)
async def test_an_operator_has_a_batch_only_if_it_says_so(
    status: int, answer: dict[str, Any], meaning: Answer, count: int
):
    members = instructions(count)
    async with answering(status, **answer) as client:
        rail = MobileMoneyRail(client, "http://callbacks.test", "samaki")
        assert (await rail.submit(header(members), members)).answer is meaning


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"mobile_money_api_key": "k-1", "mobile_money_client_id": "treasury"}, ("k-1", "treasury")),
        ({}, (None, None)),
    ],
)
async def test_the_operator_is_told_who_asks(given: dict[str, Any], told: tuple[Any, Any]):
    values = {"database_url": NOBODY, "bus": "postgres", "bus_database_url": NOBODY} | SETTINGS | given
    async with mobile_money.KIND.open(PaymentsSettings(**values)) as rail:
        assert isinstance(rail, MobileMoneyRail)
        request = rail._client.build_request("GET", "/heartbeat")
    assert (request.headers.get("X-API-Key"), request.headers.get("X-Client-Id")) == told


async def test_the_bank_says_of_a_closed_account_that_it_is_closed():
    with mock_bank() as bank:
        closed = {"id": "CLOSED", "name": "closed", "iban": "KH03NATB0000000009", "currency": "KHR"}
        bank.call(
            "POST",
            "/_mock/accounts",
            closed | {"balance": 0, "behaviour": "closed-account", "account_number": "000999001"},
        )
        async with httpx.AsyncClient(base_url=bank.url) as client:
            rail = BankRail(client, DEBTOR)
            (member,) = instructions(1, provider="999999992")
            member = replace(member, number="000999001")
            await rail.submit(header([member]), [member])
            (document,) = [document async for document in rail.fetch([])]
            (line,) = reader_of(document, b"").lines()
            assert (line.kind, line.reason_code) == ("failed", "AC04")


async def test_a_message_that_comes_while_the_mailbox_is_emptied_is_not_lost():
    with mock_bank() as bank:
        async with httpx.AsyncClient(base_url=bank.url) as client:
            rail = BankRail(client, DEBTOR)
            first, second = instructions(1), instructions(1)
            await rail.submit(header(first), first)
            seen = [document async for document in rail.fetch([])]
            await rail.submit(header(second), second)
            await rail.acknowledge(seen)
            left = [document async for document in rail.fetch([])]
            told = {line.end_to_end_id for document in left for line in reader_of(document, b"").lines()}
            assert second[0].end_to_end_id in told
            await rail.acknowledge(left)
            assert [document async for document in rail.fetch([])] == []


async def test_messages_that_a_dead_process_took_and_never_recorded_are_handed_over_to_the_next():
    with mock_bank() as bank:
        async with httpx.AsyncClient(base_url=bank.url) as client:
            members = instructions(1)
            await BankRail(client, DEBTOR).submit(header(members), members)
            taken = bank.call("GET", "/_mock/mailbox")  # killed right after the mailbox was emptied
            assert bank.call("GET", "/_mock/mailbox") == []
            found = [document async for document in BankRail(client, DEBTOR).fetch([])]
            assert {d.reference for d in found} == {str(entry["id"]) for entry in taken}
