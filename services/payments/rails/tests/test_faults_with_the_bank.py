"""faults.md 1, 2 and 7 with the third-party mock-bank, and its behaviours, through jobs as in a running service."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from services.payments.rails.bank import BankRail
from services.payments.rails.form_batches import form_batches
from services.payments.rails.poll_rails import poll_rails
from services.payments.rails.tests.builders import DEBTOR
from services.payments.rails.tests.platform import (
    SERVICE,
    SETTINGS,
    LostAnswers,
    MockBank,
    Waiting,
    balanced,
    mock_bank,
    queue,
    rows,
    states,
    use_rail,
)
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

ROUTING = "999999992"
"""mock-bank's own bank code: a payee's domestic number is looked up among its accounts only under it."""


@pytest.fixture
def bank() -> Iterator[MockBank]:
    with mock_bank("2020-07-01T09:00") as running:
        yield running


@pytest.fixture
async def service(make_service: MakeService, bank: MockBank) -> TestService:
    return await make_service(SERVICE, **SETTINGS | {"bank_url": bank.url})


@pytest.fixture
async def losing(service: TestService, bank: MockBank) -> AsyncIterator[LostAnswers]:
    """The bank over a line that loses answers."""
    transport = LostAnswers(0)
    async with httpx.AsyncClient(base_url=bank.url, transport=transport) as client:
        use_rail(service, BankRail(client, DEBTOR))
        yield transport


def behave(bank: MockBank, behaviour: str, **parameters: Any) -> None:
    body: dict[str, Any] = {"behaviour": behaviour}
    bank.call("PATCH", "/_mock/accounts/TREASURY", body | ({"parameters": parameters} if parameters else {}))


def payee(bank: MockBank, number: str, behaviour: str) -> None:
    account = {"id": f"P{number}", "name": "payee", "iban": "KH03NATB0000000009", "currency": "KHR", "balance": 0}
    bank.call("POST", "/_mock/accounts", account | {"behaviour": behaviour, "account_number": number})


async def send(service: TestService, numbers: list[str]) -> list[Waiting]:
    """Queue, form and dispatch."""
    waiting = await queue(service, numbers, rail="bank", provider=ROUTING)
    await form_batches(service.context)
    await service.run_jobs()
    return waiting


async def days(service: TestService, bank: MockBank, count: int = 1) -> None:
    bank.call("POST", f"/_mock/advance?days={count}", {})
    await poll_rails(service.context)


def paid(bank: MockBank) -> Counter[str]:
    return Counter(
        payment["end_to_end_id"] for payment in bank.call("GET", "/_mock/payments") if payment["status"] != "rejected"
    )


async def outcomes(service: TestService) -> dict[str, str]:
    """Reason codes by reference."""
    found = await rows(service, "SELECT end_to_end_id, reason_code FROM payment_attempt")
    return {row["end_to_end_id"]: row["reason_code"] for row in found}


async def test_fault_1_a_file_whose_answer_is_lost_is_paid_once(
    service: TestService, bank: MockBank, losing: LostAnswers
):
    losing.lose = 1
    waiting = await send(service, ["0001", "0002", "0003"])
    for _ in range(3):
        await service.http.post("/payments/v1/rails:poll", headers=service.token("payment_officer"))
        await service.run_jobs()
    await days(service, bank, 2)
    assert await states(service, waiting) == ["settled"] * 3
    assert set(paid(bank).values()) == {1}
    assert await balanced(service)


async def test_fault_2_the_same_file_again_is_refused_by_the_bank_and_fails_nobody(
    service: TestService, bank: MockBank
):
    waiting = await send(service, ["0001", "0002"])
    async with service.database.session() as session:
        from sqlalchemy import text

        await session.execute(text("UPDATE batch SET state = 'unknown', next_at = now()"))  # the answer was lost
    await form_batches(service.context)
    await service.run_jobs()
    await days(service, bank, 2)
    assert await states(service, waiting) == ["settled"] * 2
    assert set(paid(bank).values()) == {1}


async def test_fault_7_two_payments_to_one_person_in_one_file_are_two(service: TestService, bank: MockBank):
    waiting = await send(service, ["0001", "0001"])
    await days(service, bank, 2)
    assert await states(service, waiting) == ["settled"] * 2
    assert paid(bank) == {one.reference: 1 for one in waiting}
    (batch,) = await rows(service, "SELECT count FROM batch")
    assert batch["count"] == 2


@pytest.mark.parametrize(("behaviour", "code"), [("closed-account", "AC04"), ("bad-bank-id", "RC01")])
async def test_a_payee_that_cannot_be_paid_fails_with_the_banks_reason_and_the_others_are_paid(
    service: TestService, bank: MockBank, behaviour: str, code: str
):
    payee(bank, "0009", behaviour)
    waiting = await send(service, ["0001", "0009"])
    await days(service, bank, 2)
    assert await states(service, waiting) == ["settled", "failed"]
    assert (await outcomes(service))[waiting[1].reference] == code
    moved = await rows(service, "SELECT kind FROM movement WHERE subject_id = :id", id=waiting[1].id)
    assert [row["kind"] for row in moved] == ["fail"]  # back in the fund
    assert await balanced(service)


async def test_without_funds_the_bank_refuses_and_the_money_is_back_in_the_fund(service: TestService, bank: MockBank):
    bank.call("PATCH", "/_mock/accounts/TREASURY", {"balance": 8_000_050, "behaviour": "insufficient-funds"})
    waiting = await send(service, ["0001", "0002"])  # 80,000 and 80,001 riel; there are 80,000.50
    await days(service, bank, 2)
    assert sorted(await states(service, waiting)) == ["failed", "settled"]
    assert "AM04" in (await outcomes(service)).values()
    assert await balanced(service)


async def test_a_file_that_the_bank_refuses_as_a_whole_fails_all_of_it(service: TestService, bank: MockBank):
    behave(bank, "reject-file")
    waiting = await send(service, ["0001", "0002"])
    await days(service, bank)
    assert await states(service, waiting) == ["failed"] * 2
    (batch,) = await rows(service, "SELECT state FROM batch")
    assert batch["state"] == "rejected"
    assert await balanced(service)


async def test_a_payment_that_comes_back_days_later_is_returned_and_announced(service: TestService, bank: MockBank):
    behave(bank, "return-later", days=3, reason="MD07")
    waiting = await send(service, ["0001"])
    await days(service, bank, 1)
    assert await states(service, waiting) == ["settled"]
    await days(service, bank, 7)
    assert await states(service, waiting) == ["returned"]
    events = [type(event).__name__ for event in await service.outbox()]
    assert events == ["PaymentSettled", "PaymentReturned"]
    assert await rows(service, "SELECT id FROM reconciliation_break WHERE kind <> 'unknown_credit'") == []
    assert await balanced(service)


async def test_a_silent_bank_is_believed_when_it_books(service: TestService, bank: MockBank):
    behave(bank, "silent")
    waiting = await send(service, ["0001", "0002"])
    await days(service, bank, 2)
    assert await states(service, waiting) == ["settled"] * 2
    found = await rows(service, "SELECT DISTINCT kind FROM statement_file")
    assert "pain.002" not in {row["kind"] for row in found}


async def test_an_entry_left_off_the_statement_is_noticed(service: TestService, bank: MockBank):
    behave(bank, "statement-gap")
    waiting = await send(service, ["0001", "0002", "0003"])
    await days(service, bank, 2)
    assert await states(service, waiting) == ["settled"] * 3  # camt.054 told of each
    found = await rows(service, "SELECT kind, detail FROM reconciliation_break")
    assert {row["kind"] for row in found} >= {"balance"}
    assert any("an entry is missing" in row["detail"] for row in found)


async def test_an_honest_bank_over_a_week_leaves_no_break(service: TestService, bank: MockBank):
    for number in range(4):
        await send(service, [f"00{number}1", f"00{number}2"])
        await days(service, bank)
    await days(service, bank, 4)
    assert await rows(service, "SELECT kind, detail, end_to_end_id FROM reconciliation_break") == []
    found = await rows(service, "SELECT kind, count(*) AS n FROM statement_file GROUP BY kind")
    assert {row["kind"] for row in found} == {"pain.002", "camt.054", "camt.053"}
    assert await balanced(service)
