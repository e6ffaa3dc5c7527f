"""A disbursement over both rails with real counterparts: closed accounts, unknown wallets, time-outs, forged news."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deploy.simulators.mobile_money.app import create_app
from services.payments.days import ZONE
from services.payments.rails.apply_callbacks import apply_callbacks
from services.payments.rails.dispatch_batch import dispatch_batch
from services.payments.rails.form_batches import form_batches
from services.payments.rails.model import BatchState
from services.payments.rails.poll_rails import poll_rails
from services.payments.rails.tests.platform import (
    SECRET,
    SERVICE,
    SETTINGS,
    LostAnswers,
    MockBank,
    balanced,
    mock_bank,
    queue,
    rows,
    serving,
    states,
)
from shared.clock import SystemClock
from shared.testing.plugin import MakeService
from shared.testing.service import TestService
from shared.testing.waiting import wait_for

CALLBACKS = "/payments/v1/rails/mobile_money/callbacks"


@pytest.fixture
def bank() -> Any:
    with mock_bank() as running:
        yield running


@pytest.fixture
async def operator() -> AsyncIterator[httpx.AsyncClient]:
    async with serving(create_app(SECRET)) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        yield client


@pytest.fixture
async def service(
    make_service: MakeService, bank: MockBank, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TestService]:
    made = await make_service(
        SERVICE,
        **SETTINGS | {"bank_url": bank.url, "mobile_money_url": str(operator.base_url), "rail_timeout_seconds": 1.0},
    )
    async with serving(made.app, lifespan="off") as url:
        rail: Any = made.context.resources.rails.rail("mobile_money")
        monkeypatch.setattr(rail, "_callback_url", url + CALLBACKS)
        yield made


async def all_dispatched(service: TestService) -> list[BatchState]:
    found = await rows(service, "SELECT id FROM batch ORDER BY id")
    return [await dispatch_batch(service.context, row["id"]) for row in found]


async def test_a_month_over_two_rails_ends_with_every_riel_accounted_for(
    service: TestService, bank: MockBank, operator: httpx.AsyncClient
):
    bank.call(
        "POST",
        "/_mock/accounts",
        {
            "id": "CLOSED",
            "name": "closed",
            "iban": "KH03NATB0000000009",
            "currency": "KHR",
            "balance": 0,
            "behaviour": "closed-account",
            "account_number": "000999001",
        },
    )
    by_bank = await queue(service, [f"00012340{i}" for i in range(5)], rail="bank")
    closed = await queue(service, ["000999001"], rail="bank", provider="999999992")
    wallets = await queue(
        service, ["85512000001", "85512000002", "85512990001", "85512990002", "85512990004", "85512990005"]
    )
    await operator.put("/_control/behaviour", json={"stall": 1, "stall_seconds": 3})
    await form_batches(service.context)
    assert sorted(await all_dispatched(service)) == ["submitted", "submitted", "unknown"]
    assert sorted(await all_dispatched(service)) == ["submitted", "submitted", "submitted"]
    await wait_for(lambda: _decided(operator, 3), what="the operator to pay three")
    await poll_rails(service.context)
    bank.call("POST", "/_mock/advance?days=3")
    await poll_rails(service.context)
    assert await states(service, by_bank) == ["settled"] * 5
    assert await states(service, closed) == ["failed"]
    assert await states(service, wallets) == ["settled", "settled", "failed", "failed", "sent", "sent"]
    (other_amount,) = await rows(service, "SELECT kind, end_to_end_id FROM reconciliation_break")
    assert other_amount == {"kind": "amount_mismatch", "end_to_end_id": wallets[4].reference}
    assert await balanced(service)
    counts = (await operator.get("/_control/state")).json()
    assert (counts["submissions"], counts["paid_twice"]) == (1, 0)
    again = await poll_rails(service.context)
    assert again["breaks"] == 0
    assert bank.call("GET", "/_mock/mailbox?leave") == []


async def test_the_banks_lost_answer_is_settled_by_the_same_message_id(service: TestService, bank: MockBank):
    waiting = await queue(service, ["000123401", "000123402"], rail="bank")
    await form_batches(service.context)
    rail: Any = service.context.resources.rails.rail("bank")
    rail._client = httpx.AsyncClient(base_url=bank.url, transport=LostAnswers(1))
    assert await all_dispatched(service) == [BatchState.UNKNOWN]
    assert await all_dispatched(service) == [BatchState.SUBMITTED]  # by DUPL: the bank had it
    payments = bank.call("GET", "/_mock/payments")
    assert sorted(p["end_to_end_id"] for p in payments) == sorted(one.reference for one in waiting)
    await poll_rails(service.context)
    assert await states(service, waiting) == ["settled", "settled"]
    assert await rows(service, "SELECT kind FROM reconciliation_break") == []


async def test_money_that_comes_back_later_is_returned(service: TestService, bank: MockBank):
    waiting = await queue(service, ["000123401", "000123402"], rail="bank")
    bank.call(
        "PATCH",
        "/_mock/accounts/TREASURY",
        {
            "behaviour": "return-later",
            "parameters": {"days": 2, "reason": "AC04", "end_to_end_id": waiting[1].reference},
        },
    )
    await form_batches(service.context)
    await all_dispatched(service)
    await poll_rails(service.context)
    assert await states(service, waiting) == ["settled", "settled"]
    bank.call("POST", "/_mock/advance?days=6")
    await poll_rails(service.context)
    assert await states(service, waiting) == ["settled", "returned"]
    assert await rows(service, "SELECT kind FROM reconciliation_break") == []
    assert await balanced(service)


async def test_operators_callbacks_arrive_signed_forged_doubled_and_contradictory(
    service: TestService, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(service.context, "clock", SystemClock(ZONE))  # the operator signs its own, real time
    rail: Any = service.context.resources.rails.rail("mobile_money")
    rail._client.timeout = 30
    waiting = await queue(service, ["85512000001", "85512990001", "85512990006"])
    behaviour = {"callbacks": "transaction", "forge": True, "callback_copies": 2, "callback_first": True}
    await operator.put("/_control/behaviour", json=behaviour)
    await form_batches(service.context)
    await all_dispatched(service)
    await apply_callbacks(service.context)
    assert await states(service, waiting) == ["settled", "failed", "settled"]
    (batch,) = await rows(service, "SELECT state FROM batch")
    assert batch["state"] == "completed"
    (contradiction,) = await rows(service, "SELECT kind, end_to_end_id FROM reconciliation_break")
    assert contradiction == {"kind": "contradiction", "end_to_end_id": waiting[2].reference}
    callbacks = (await operator.get("/_control/state")).json()["callbacks"]
    assert callbacks == {"401": 4, "204": 8}
    assert len(await service.outbox()) == 3


async def _decided(operator: httpx.AsyncClient, paid: int) -> bool:
    return (await operator.get("/_control/state")).json()["paid"] >= paid
