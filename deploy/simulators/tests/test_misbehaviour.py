"""Whatever the operator does, our rail pays once, believes only what is signed, and knows what it does not know.

Each misbehaviour drives the platform's own rail, callbacks and reconciliation against the running operator.
(Time-outs after accepting, forged, doubled, early and contradictory callbacks: `test_disbursement.py`; a lost answer to
a reversal: `test_reversals.py`.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest

from deploy.simulators.mobile_money.app import create_app
from deploy.simulators.tests.conftest import CALLBACKS
from deploy.simulators.tests.test_disbursement import all_dispatched
from services.payments.days import ZONE
from services.payments.rails.apply_callbacks import apply_callbacks
from services.payments.rails.form_batches import form_batches
from services.payments.rails.mobile_money import MobileMoneyRail
from services.payments.rails.poll_rails import poll_rails
from services.payments.rails.port import Answer
from services.payments.rails.signature import sign
from services.payments.rails.tests.builders import header, instructions
from services.payments.rails.tests.platform import SECRET, balanced, queue, rows, serving, states
from services.payments.reconciliation.gsma import CALLBACKS as IN_A_ROW
from services.payments.reconciliation.gsma import COMPLETIONS, TRANSACTION, GsmaReader
from shared.clock import SystemClock
from shared.testing.service import TestService
from shared.testing.waiting import wait_for


async def behave(operator: httpx.AsyncClient, **behaviour: Any) -> None:
    (await operator.put("/_control/behaviour", json=behaviour)).raise_for_status()


async def operator_paid(operator: httpx.AsyncClient) -> dict[str, int]:
    found: dict[str, int] = (await operator.get("/_control/payments")).json()
    return found


async def told(service: TestService, body: Any, correlation: UUID, secret: str = SECRET) -> int:
    """A callback, signed now; the status it is answered with."""
    content, sent_at = orjson.dumps(body), service.context.clock.now().isoformat()
    answer = await service.http.put(
        CALLBACKS,
        content=content,
        headers={
            "X-Date": sent_at,
            "X-CorrelationID": str(correlation),
            "X-Signature": sign(secret, sent_at, str(correlation), content),
        },
    )
    await apply_callbacks(service.context)
    return answer.status_code


async def kinds(service: TestService) -> list[str]:
    return [row["kind"] for row in await rows(service, "SELECT kind FROM reconciliation_break ORDER BY id")]


async def test_in_a_maintenance_window_nothing_is_lost_and_nothing_paid_twice(
    service: TestService, operator: httpx.AsyncClient
) -> None:
    await behave(operator, maintenance=True)
    waiting = await queue(service, ["85512000001", "85512000002"])
    await form_batches(service.context)
    assert await all_dispatched(service) == ["unknown"]
    assert await all_dispatched(service) == ["unknown"]  # asked, and not answered: still not sent again
    assert await states(service, waiting) == ["unknown", "unknown"]
    await behave(operator, callbacks="off")

    async def through() -> bool:
        return await all_dispatched(service) == ["submitted"]

    await wait_for(through, what="the batch to be asked about, found absent, and sent")
    await wait_for(lambda: _count(operator, 2), what="the operator to pay")
    await poll_rails(service.context)
    assert await states(service, waiting) == ["settled", "settled"]
    assert set((await operator_paid(operator)).values()) == {1}
    assert await kinds(service) == []
    assert await balanced(service)


async def _count(operator: httpx.AsyncClient, paid: int) -> bool:
    return sum((await operator_paid(operator)).values()) == paid


async def test_a_batch_that_is_decided_in_part_stays_open_for_the_rest(
    service: TestService, operator: httpx.AsyncClient
) -> None:
    await behave(operator, partial=2, callbacks="off")
    waiting = await queue(service, [f"8551200000{n}" for n in range(5)])
    await form_batches(service.context)
    await all_dispatched(service)
    await wait_for(lambda: _count(operator, 2), what="two to be paid")
    await poll_rails(service.context)
    assert sorted(await states(service, waiting)) == ["sent"] * 3 + ["settled"] * 2
    ((batch),) = await rows(service, "SELECT state FROM batch")
    assert batch["state"] == "submitted"
    await behave(operator, callbacks="off")
    await operator.post("/_control/decide")
    await wait_for(lambda: _count(operator, 5), what="all to be paid")
    await poll_rails(service.context)
    assert await states(service, waiting) == ["settled"] * 5
    ((batch),) = await rows(service, "SELECT state FROM batch")
    assert batch["state"] == "completed"
    assert await kinds(service) == []


async def test_an_operator_that_gives_shorter_pages_than_it_is_asked_for_is_read_to_the_end() -> None:
    app = create_app(SECRET)
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        await behave(client, page_limit=7)
        rail = MobileMoneyRail(client, "", "samaki")
        members = instructions(40)
        batch = header(members, rail="mobile_money")
        located = replace(batch, reference=(await rail.submit(batch, members)).reference)
        await wait_for(lambda: len(app.state.operator.books.payments) == 40, what="the operator to pay")
        documents = [document async for document in rail.fetch([located])]
        named = [
            line.end_to_end_id
            for document in documents
            for line in GsmaReader(document.body, document.kind, "", "").lines()
        ]
        assert sorted(named) == sorted(one.end_to_end_id for one in members)
        assert len(documents) == 6


async def test_an_operator_that_does_not_count_is_read_to_the_end_too() -> None:
    members = instructions(3)
    rows_ = [{"requestingOrganisationTransactionReference": one.end_to_end_id, "completionDate": "2020-07-28T09:00:00Z"}
             for one in members]  # fmt: skip

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/completions"):
            offset = int(request.url.params["offset"])
            return httpx.Response(200, json=rows_[offset : offset + 2])
        return httpx.Response(
            200, json=[] if "rejections" in request.url.path else {"batchId": "B", "batchStatus": "x"}
        )

    async with httpx.AsyncClient(base_url="http://operator", transport=httpx.MockTransport(answer)) as client:
        batch = replace(header(members, rail="mobile_money"), reference="B")
        documents = [document async for document in MobileMoneyRail(client, "", "samaki").fetch([batch])]
    assert [document.reference for document in documents] == [f"B/{COMPLETIONS}/0", f"B/{COMPLETIONS}/2"]


@pytest.mark.parametrize(
    ("status", "error", "answer"),
    [
        (400, {"errorCategory": "businessRule", "errorCode": "rateLimitError"}, Answer.DEFERRED),
        (400, {"errorCategory": "authorisation", "errorCode": "clientAuthorisationError"}, Answer.DEFERRED),
        (400, {"errorCategory": "businessRule", "errorCode": "insufficientFunds"}, Answer.REJECTED),
        (400, {"errorCategory": "businessRule", "errorCode": "duplicateRequest"}, Answer.UNKNOWN),
        (401, {"errorCategory": "authorisation", "errorCode": "clientAuthorisationError"}, Answer.DEFERRED),
        (500, {"errorCategory": "internal", "errorCode": "genericError"}, Answer.UNKNOWN),
        (503, {"errorCategory": "serviceUnavailable", "errorCode": "genericError"}, Answer.UNKNOWN),
    ],
)
async def test_an_error_refuses_a_batch_only_where_it_speaks_of_the_batch(
    status: int, error: dict[str, str], answer: Answer
) -> None:
    """`duplicateRequest`, and yet no trace of it: nobody is called unpaid, and nothing is sent again at once."""

    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=error) if request.method == "POST" else httpx.Response(404, json={})

    async with httpx.AsyncClient(base_url="http://operator", transport=httpx.MockTransport(respond)) as client:
        members = instructions(2)
        submission = await MobileMoneyRail(client, "", "samaki").submit(header(members), members)
    assert submission.answer is answer


async def test_a_duplicate_request_is_asked_about_and_found_to_be_ours() -> None:
    app = create_app(SECRET)
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        rail = MobileMoneyRail(client, "", "samaki")
        members = instructions(2)
        batch = header(members, rail="mobile_money")
        first = await rail.submit(batch, members)
        other = [replace(one, holder_name="x", number="85512000009") for one in members]
        assert await rail.submit(batch, other) == first  # 400 duplicateRequest, then what became of the first


async def test_an_asynchronous_error_fails_the_payment_it_is_about_and_a_duplicate_fails_nobody(
    service: TestService, operator: httpx.AsyncClient
) -> None:
    (refused,) = await queue(service, ["85512990001"])
    await form_batches(service.context)
    await all_dispatched(service)

    async def failed() -> bool:
        return await states(service, [refused]) == ["failed"]

    await wait_for(failed, what="the errorObject callback")
    ((attempt),) = await rows(service, "SELECT reason_code FROM payment_attempt")
    assert attempt["reason_code"] == "identifierError"
    ((batch),) = await rows(service, "SELECT state, id FROM batch")
    assert batch["state"] == "rejected"

    await behave(operator, decide=False)
    paid = await queue(service, ["85512000001", "85512000002"])
    await form_batches(service.context)
    await all_dispatched(service)
    ((second),) = await rows(service, "SELECT id FROM batch WHERE id <> :id", id=batch["id"])
    duplicate = {"errorCategory": "businessRule", "errorCode": "duplicateRequest"}
    assert await told(service, duplicate, second["id"]) == 204
    assert await states(service, paid) == ["sent", "sent"]
    assert await told(service, duplicate, uuid4()) == 204  # of nothing that we know
    forged = {"errorCategory": "businessRule", "errorCode": "genericError"}
    assert await told(service, forged, second["id"], "not the secret") == 401
    assert await states(service, paid) == ["sent", "sent"]


async def test_a_completed_reversal_is_a_return_and_never_a_second_payment(
    service: TestService, operator: httpx.AsyncClient
) -> None:
    (one,) = await queue(service, ["85512000001"])
    await form_batches(service.context)
    await all_dispatched(service)

    async def settled() -> bool:
        await apply_callbacks(service.context)
        return await states(service, [one]) == ["settled"]

    await wait_for(settled, what="the callback")
    reversal = {
        "type": "reversal",
        "transactionReference": "R1",
        "originalTransactionReference": "T1",
        "transactionStatus": "completed",
    }
    assert await told(service, reversal, uuid4()) == 204  # it names no payment of ours: nothing is concluded from it
    assert await states(service, [one]) == ["settled"]
    named = {"requestingOrganisationTransactionReference": one.reference, "amount": str(one.amount), "currency": "KHR"}
    assert await told(service, reversal | named | {"transactionStatus": "failed"}, uuid4()) == 204
    assert await states(service, [one]) == ["settled"]
    assert await told(service, reversal | named, uuid4()) == 204
    assert await states(service, [one]) == ["returned"]
    assert await kinds(service) == []
    assert await balanced(service)


async def test_a_reversal_that_the_operator_refuses_or_fails_says_so() -> None:
    app = create_app(SECRET)
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        rail = MobileMoneyRail(client, "", "samaki")
        members = instructions(1)
        batch = header(members, rail="mobile_money")
        await rail.submit(batch, members)
        books = app.state.operator.books
        await wait_for(lambda: books.payments[members[0].end_to_end_id] == 1, what="the operator to pay")
        (reference,) = books.transactions
        await behave(client, reversals="refuse")
        refused = await rail.reverse(reference, uuid4(), batch.created_at)
        assert (refused.answer, refused.reason_code) == (Answer.REJECTED, "incorrectState")
        await behave(client, reversals="fail")
        identity = uuid4()
        assert (await rail.reverse(reference, identity, batch.created_at)).answer is Answer.ACCEPTED
        failed = await rail.reverse(reference, identity, batch.created_at)  # asked again, it is told what became of it
        assert (failed.answer, failed.reason_code) == (Answer.REJECTED, "incorrectState")
        assert books.payments[members[0].end_to_end_id] == 1


def transaction(**changes: Any) -> bytes:
    body = {
        "transactionReference": "T1",
        "requestingOrganisationTransactionReference": "E1",
        "type": "disbursement",
        "transactionStatus": "completed",
        "amount": "80000",
        "currency": "KHR",
        "creditParty": [{"key": "msisdn", "value": "85512000001"}],
        "debitParty": [{"key": "accountid", "value": "samaki"}],
    } | changes
    return orjson.dumps(body)


@pytest.mark.parametrize("kind", [TRANSACTION, IN_A_ROW])
def test_a_callback_without_any_date_is_of_today(kind: str) -> None:
    """The specification requires none; a callback of this hour is not refused for it."""
    body = transaction()
    reader = GsmaReader(body if kind == TRANSACTION else b"[" + body + b"]", kind, "", str(uuid4()))
    reader.check()
    (line,) = reader.lines()
    assert (line.kind, line.problem) == ("settled", "")
    assert line.on == SystemClock(ZONE).today()


def test_a_harmonised_code_is_kept_and_free_text_is_not() -> None:
    failed = {"transactionStatus": "failed", "customData": [{"key": "errorCode", "value": "weeklyValueLimitExceeded"}]}
    (line,) = GsmaReader(transaction(**failed), TRANSACTION, "", "").lines()
    assert line.reason_code == "weeklyValueLimitExceeded"
    failed["customData"] = [{"key": "errorCode", "value": "Sok Dara has no wallet"}]
    (line,) = GsmaReader(transaction(**failed), TRANSACTION, "", "").lines()
    assert line.reason_code == "genericError"
