"""The bank and the tests' fake keep every rail's promises, and what only a bank does."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from services.payments.rails.bank import BankRail
from services.payments.rails.mobile_money import MobileMoneyRail
from services.payments.rails.port import Answer, Rail
from services.payments.rails.tests.builders import DEBTOR, header, instructions
from services.payments.rails.tests.contract import Counterpart, RailContract
from services.payments.rails.tests.platform import FakeRail, LostAnswers, mock_bank
from services.payments.reconciliation.ingest_document import reader_of

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
