"""The operator's callbacks: verified, taken once, in any order, and never the last word against what is known.

faults.md 13.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from sqlalchemy import text

from services.payments.rails import callback_repository
from services.payments.rails.apply_callbacks import apply_callbacks, queue_if_waiting
from services.payments.rails.form_batches import form_batches
from services.payments.rails.signature import sign
from services.payments.rails.tests.platform import (
    SECRET,
    SERVICE,
    SETTINGS,
    FakeRail,
    Waiting,
    balanced,
    breaks,
    queue,
    rows,
    sent,
    states,
    use_rail,
)
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

CALLBACKS = "/payments/v1/rails/mobile_money/callbacks"


@pytest.fixture
async def service(make_service: MakeService) -> TestService:
    return await make_service(SERVICE, **SETTINGS)


def transaction(one: Waiting, status: str = "completed", **changes: Any) -> bytes:
    return orjson.dumps(
        {
            "transactionReference": "T" + one.reference[:10],
            "requestingOrganisationTransactionReference": one.reference,
            "type": "disbursement",
            "transactionStatus": status,
            "amount": str(one.amount),
            "currency": "KHR",
            "creditParty": [{"key": "msisdn", "value": one.number}],
            "modificationDate": "2020-07-27T10:00:00Z",
            **changes,
        }
    )


async def call_back(
    service: TestService, body: bytes, *, secret: str = SECRET, age: timedelta = timedelta(0), correlation: str = ""
) -> httpx.Response:
    sent_at = (service.clock.now() - age).isoformat()
    headers = {
        "X-Date": sent_at,
        "X-CorrelationID": correlation or str(uuid4()),
        "Content-Type": "application/json",
    }
    headers["X-Signature"] = sign(secret, sent_at, headers["X-CorrelationID"], body)
    answer = await service.http.put(CALLBACKS, content=body, headers=headers)
    await apply_callbacks(service.context)  # what the job does that was queued with it
    return answer


async def test_fault_13_a_genuine_callback_settles_and_its_replays_change_nothing(service: TestService):
    _, (one,) = await sent(service, 1, "mobile_money")
    body, correlation = transaction(one), str(uuid4())
    for _ in range(3):
        assert (await call_back(service, body, correlation=correlation)).status_code == 204
    assert (await call_back(service, body)).status_code == 204  # told again under another id
    assert await states(service, [one]) == ["settled"]
    assert len(await service.outbox()) == 1
    assert await breaks(service) == []


async def test_fault_13_a_forged_unsigned_or_old_callback_is_refused(service: TestService):
    _, (one,) = await sent(service, 1, "mobile_money")
    forged = await call_back(service, transaction(one), secret="guess")
    assert (forged.status_code, forged.json()["code"]) == (401, "callback_not_genuine")
    assert (await call_back(service, transaction(one), age=timedelta(minutes=6))).status_code == 401
    assert (await service.http.put(CALLBACKS, content=transaction(one))).status_code == 401
    assert (await service.http.post(CALLBACKS, content=transaction(one))).status_code == 401
    assert await states(service, [one]) == ["sent"]
    assert await rows(service, "SELECT id FROM statement_file") == []
    assert await rows(service, "SELECT id FROM operator_callback") == []


async def test_fault_13_a_callback_before_the_answer_to_our_own_request_is_taken(service: TestService):
    class CallsBackFirst(FakeRail):
        async def submit(self, batch: Any, instructions: Any) -> Any:
            answer = await super().submit(batch, instructions)
            for one in waiting:
                assert (await call_back(service, transaction(one))).status_code == 204
            return answer

    use_rail(service, CallsBackFirst())
    waiting = await queue(service, ["85512000001", "85512000002"])
    await form_batches(service.context)
    await service.run_jobs()
    assert await states(service, waiting) == ["settled", "settled"]
    (batch,) = await rows(service, "SELECT state FROM batch")
    assert batch["state"] == "completed"


async def test_fault_13_a_callback_that_contradicts_what_is_known_is_a_break_and_changes_nothing(service: TestService):
    _, (first, second) = await sent(service, 2, "mobile_money")
    assert (await call_back(service, transaction(first))).status_code == 204
    refused = {"customData": [{"key": "errorCode", "value": "incorrectState"}]}
    assert (await call_back(service, transaction(first, "failed", **refused))).status_code == 204
    assert (await call_back(service, transaction(second, "failed", **refused))).status_code == 204
    assert (await call_back(service, transaction(second))).status_code == 204
    assert await states(service, [first, second]) == ["settled", "failed"]
    assert await breaks(service) == [("contradiction", first.reference), ("contradiction", second.reference)]
    assert await balanced(service)


async def test_fault_13_a_callback_with_another_amount_or_wallet_is_a_break(service: TestService):
    _, (one,) = await sent(service, 1, "mobile_money")
    assert (await call_back(service, transaction(one, amount="1"))).status_code == 204
    other = [{"key": "msisdn", "value": "85599999999"}]
    assert (await call_back(service, transaction(one, creditParty=other))).status_code == 204
    assert [kind for kind, _ in await breaks(service)] == ["amount_mismatch", "payee_mismatch"]
    assert await states(service, [one]) == ["sent"]


async def test_fault_13_a_callback_under_another_batchs_name_settles_the_payment_it_names_and_no_other(
    service: TestService,
):
    _, (one, other) = await sent(service, 2, "mobile_money")
    (batch,) = await rows(service, "SELECT id FROM batch")
    for correlation in (str(batch["id"]), str(uuid4())):
        assert (await call_back(service, transaction(one), correlation=correlation)).status_code == 204
    assert await states(service, [one, other]) == ["settled", "sent"]
    assert await breaks(service) == []


@pytest.mark.parametrize("written", ["+85512000001", "85512000001", "012000001", "0085512000001", "+855 12 000 001"])
async def test_a_wallet_named_in_another_way_is_the_payees_own(service: TestService, written: str):
    use_rail(service, FakeRail())
    (one,) = await queue(service, ["012 000 001"])
    await form_batches(service.context)
    await service.run_jobs()
    named = [{"key": "msisdn", "value": written}]
    assert (await call_back(service, transaction(one, creditParty=named))).status_code == 204
    assert (await states(service, [one]), await breaks(service)) == (["settled"], [])


async def test_a_callback_about_a_payment_that_never_was_is_a_break(service: TestService):
    ghost = Waiting(uuid4(), uuid4(), uuid4().hex, Decimal(5), "85512000001")
    assert (await call_back(service, transaction(ghost))).status_code == 204
    assert await breaks(service) == [("unknown_reference", ghost.reference)]


async def test_a_signed_callback_that_is_nonsense_or_huge_is_refused(service: TestService):
    assert (await call_back(service, b"{}")).status_code == 422
    assert (await call_back(service, b"[")).status_code == 422
    assert (await call_back(service, b" " * (1024 * 1024 + 1))).status_code == 413


async def test_a_batch_callback_makes_the_poll_look_there_first(service: TestService):
    await sent(service, 1, "mobile_money")
    (batch,) = await rows(service, "UPDATE batch SET polled_at = now() RETURNING id")
    body = orjson.dumps({"batchId": "B1", "batchStatus": "completed"})
    assert (await call_back(service, body, correlation=str(batch["id"]))).status_code == 204
    (after,) = await rows(service, "SELECT polled_at FROM batch")
    assert after["polled_at"] is None
    (job,) = await rows(service, "SELECT state FROM job WHERE kind = 'poll_rails'")
    assert job["state"] == "queued"


async def test_no_account_number_or_name_reaches_what_reconciliation_keeps(service: TestService):
    _, (one,) = await sent(service, 1, "mobile_money")
    await call_back(service, transaction(one, creditParty=[{"key": "msisdn", "value": "85599999999"}]))
    async with service.database.session() as session:
        for table in (
            "operator_callback",
            "statement_file",
            "statement_line",
            "reconciliation_break",
            "batch",
            "audit_entry",
            "job",
        ):
            kept = (await session.execute(text("SELECT * FROM " + table))).all()
            assert "85599999999" not in str(kept), table
            assert one.number not in str(kept), table


async def only_keep(service: TestService, *bodies: bytes) -> None:
    """Callbacks that were answered; the job that was queued with them has not begun."""
    for body in bodies:
        sent_at, correlation = service.clock.now().isoformat(), str(uuid4())
        signature = sign(SECRET, sent_at, correlation, body)
        headers = {"X-Date": sent_at, "X-CorrelationID": correlation, "X-Signature": signature}
        assert (await service.http.put(CALLBACKS, content=body, headers=headers)).status_code == 204


async def test_callbacks_are_kept_encrypted_and_applied_together_in_the_order_they_came(service: TestService):
    _, (first, second, third) = await sent(service, 3, "mobile_money")
    reversal = transaction(first, "reversed", transactionReference="R1")
    await only_keep(service, transaction(first), transaction(second), reversal, transaction(third, amount="1"))
    assert await states(service, [first, second, third]) == ["sent"] * 3
    kept = await rows(service, "SELECT body_encrypted FROM operator_callback")
    assert len(kept) == 4
    assert not any(b"transactionStatus" in bytes(row["body_encrypted"]) for row in kept)
    await service.run_jobs()
    assert await states(service, [first, second, third]) == ["returned", "settled", "sent"]
    assert await breaks(service) == [("amount_mismatch", third.reference)]
    assert await balanced(service)
    files = await rows(service, "SELECT state, kind, lines, matched, breaks FROM statement_file")
    assert [tuple(row.values()) for row in files] == [("done", "transaction", 4, 3, 1)]
    left = await rows(service, "SELECT number, body_encrypted FROM operator_callback ORDER BY id")
    assert [(row["number"], row["body_encrypted"]) for row in left] == [(n, None) for n in range(4)]


async def test_a_callback_left_behind_by_an_ending_job_is_found_by_the_schedule(service: TestService):
    _, (one,) = await sent(service, 1, "mobile_money")
    await only_keep(service, transaction(one))
    await rows(service, "UPDATE job SET state = 'succeeded' WHERE kind = 'apply_callbacks' RETURNING id")
    await queue_if_waiting(service.context)
    await service.run_jobs()
    assert await states(service, [one]) == ["settled"]
    await queue_if_waiting(service.context)
    assert await rows(service, "SELECT id FROM job WHERE state = 'queued'") == []


async def test_applying_that_dies_half_way_is_done_again_and_once(
    service: TestService, monkeypatch: pytest.MonkeyPatch
):
    _, waiting = await sent(service, 3, "mobile_money")
    await only_keep(service, *(transaction(one) for one in waiting))

    async def dies(*_: Any) -> None:
        raise ConnectionError("the database went away before the commit")

    with monkeypatch.context() as patched:
        patched.setattr(callback_repository, "applied", dies)
        with pytest.raises(ConnectionError):
            await apply_callbacks(service.context)
    assert await states(service, waiting) == ["sent"] * 3
    assert await rows(service, "SELECT id FROM statement_file") == []
    await service.run_jobs()
    assert await states(service, waiting) == ["settled"] * 3
    (moved,) = await rows(service, "SELECT count(*) AS n FROM movement WHERE kind = 'settle'")
    assert moved["n"] == 3


async def test_a_callback_too_deep_to_be_read_with_others_is_refused_at_the_door(service: TestService):
    _, (one,) = await sent(service, 1, "mobile_money")
    nested = transaction(one)[:-1] + b',"x":' + b"[" * 1023 + b"]" * 1023 + b"}"
    refused = await call_back(service, nested)
    assert (refused.status_code, refused.json()["code"]) == (422, "statement_malformed")
    assert (await call_back(service, transaction(one))).status_code == 204
    assert await states(service, [one]) == ["settled"]
