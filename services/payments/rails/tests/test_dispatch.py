"""Batches: formed set-wise, handed over once whatever dies on the way (faults.md 1 and 12)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.payments.rails.bank import BankRail
from services.payments.rails.dispatch_batch import dispatch_batch
from services.payments.rails.form_batches import DISPATCH, form_batches
from services.payments.rails.model import BatchState
from services.payments.rails.policy import RailPolicy
from services.payments.rails.poll_rails import take_in
from services.payments.rails.port import Answer, Document, Media
from services.payments.rails.tests.builders import DEBTOR, camt, entry, group_rejection, pain002
from services.payments.rails.tests.platform import (
    SERVICE,
    SETTINGS,
    FakeRail,
    balanced,
    queue,
    rows,
    states,
    use_rail,
)
from shared.testing.plugin import MakeService
from shared.testing.service import TestService
from shared.testing.waiting import wait_for
from shared.worker import Worker


@pytest.fixture
async def service(make_service: MakeService) -> TestService:
    return await make_service(SERVICE, **SETTINGS, mobile_money_batch_size=3, bank_batch_size=4)


@pytest.fixture
def rail(service: TestService) -> FakeRail:
    fake = FakeRail()
    use_rail(service, fake)
    return fake


async def one_batch(service: TestService, count: int = 2) -> tuple[UUID, Any]:
    waiting = await queue(service, [f"8551200000{i}" for i in range(count)])
    await form_batches(service.context)
    (batch,) = await rows(service, "SELECT id FROM batch")
    return batch["id"], waiting


async def batch_of(service: TestService, batch_id: UUID) -> dict[str, Any]:
    (batch,) = await rows(service, "SELECT * FROM batch WHERE id = :id", id=batch_id)
    return batch


# --- forming --------------------------------------------------------------------------------------------------------


async def test_queued_attempts_are_placed_by_size_list_and_rail_with_exact_totals(service: TestService):
    lists = [uuid4(), uuid4()]
    mobile = await queue(service, [f"8551200000{i}" for i in range(8)], payment_list=lists[0])
    other = await queue(service, ["85512000010"], payment_list=lists[0], provider="SMART")
    bank = await queue(service, [f"00012345{i}" for i in range(6)], rail="bank", payment_list=lists[1])
    assert await form_batches(service.context) == 15
    batches = await rows(service, "SELECT * FROM batch ORDER BY rail, provider, count DESC")
    assert [(b["rail"], b["provider"], b["count"], b["payment_list_id"]) for b in batches] == [
        ("bank", "", 4, lists[1]),
        ("bank", "", 2, lists[1]),
        ("mobile_money", "SMART", 1, lists[0]),
        ("mobile_money", "WING", 3, lists[0]),
        ("mobile_money", "WING", 3, lists[0]),
        ("mobile_money", "WING", 2, lists[0]),
    ]
    assert sum(b["amount"] for b in batches) == sum(one.amount for one in [*mobile, *other, *bank])
    unequal = await rows(
        service,
        """
        SELECT b.id FROM batch b JOIN payment_attempt a ON a.batch_id = b.id
        GROUP BY b.id HAVING count(*) <> b.count OR sum(a.amount) <> b.amount
        """,
    )
    assert unequal == []
    assert len({b["message_id"] for b in batches}) == 6
    assert await form_batches(service.context) == 0


async def test_two_workers_forming_at_once_place_each_attempt_once(service: TestService):
    waiting = await queue(service, [f"855120000{i:02d}" for i in range(40)])
    placed = await asyncio.gather(*(form_batches(service.context) for _ in range(4)))
    assert sum(placed) == 40
    (total,) = await rows(service, "SELECT sum(count) AS count, sum(amount) AS amount FROM batch")
    assert (total["count"], total["amount"]) == (40, sum(one.amount for one in waiting))


# --- fault 1 --------------------------------------------------------------------------------------------------------


async def test_fault_1_a_bank_call_that_times_out_is_queried_and_never_paid_twice(service: TestService, rail: FakeRail):
    batch_id, waiting = await one_batch(service)
    rail.script = [Answer.UNKNOWN]
    assert await dispatch_batch(service.context, batch_id) is BatchState.UNKNOWN
    assert await states(service, waiting) == ["unknown", "unknown"]
    for _ in range(5):
        await dispatch_batch(service.context, batch_id)
    batch = await batch_of(service, batch_id)
    assert batch["state"] == "submitted"
    assert rail.submitted == [batch["message_id"]]
    assert rail.queried == [batch["message_id"]]
    assert set(rail.paid.values()) == {1}
    assert await states(service, waiting) == ["sent", "sent"]


async def test_fault_1_while_the_rail_cannot_be_asked_nothing_is_sent_again(service: TestService, rail: FakeRail):
    batch_id, _ = await one_batch(service)
    rail.script, rail.answers_queries = [Answer.UNKNOWN], False
    for _ in range(6):
        assert await dispatch_batch(service.context, batch_id) is BatchState.UNKNOWN
        service.clock.advance(timedelta(hours=1))
    assert len(rail.submitted) == 1
    assert len(rail.queried) == 5


async def test_fault_1_what_the_rail_never_had_is_sent_again_under_the_same_message_id(
    service: TestService, rail: FakeRail
):
    batch_id, _ = await one_batch(service)
    rail.script = [Answer.UNKNOWN]
    await dispatch_batch(service.context, batch_id)
    rail.had.clear()  # the request got lost on its way: the other side has no trace of it
    rail.paid.clear()
    assert await dispatch_batch(service.context, batch_id) is BatchState.SUBMITTED
    assert len(rail.submitted) == 2
    assert len(set(rail.submitted)) == 1
    assert set(rail.paid.values()) == {1}


async def test_fault_1_a_worker_killed_after_the_rail_accepted_is_followed_by_a_query(
    service: TestService, rail: FakeRail
):
    batch_id, waiting = await one_batch(service)
    rail.script = [KeyboardInterrupt("kill -9 between the call and the commit")]
    with pytest.raises(KeyboardInterrupt):
        await dispatch_batch(service.context, batch_id)
    assert (await batch_of(service, batch_id))["state"] == "submitting"
    assert await states(service, waiting) == ["sent", "sent"]
    assert await dispatch_batch(service.context, batch_id) is BatchState.SUBMITTED
    assert len(rail.submitted) == 1
    assert set(rail.paid.values()) == {1}


async def test_a_batch_that_certainly_did_not_leave_waits_and_goes_later(service: TestService, rail: FakeRail):
    batch_id, _ = await one_batch(service)
    rail.script = [Answer.DEFERRED]
    assert await dispatch_batch(service.context, batch_id) is BatchState.FORMED
    before = (await batch_of(service, batch_id))["next_at"]
    assert before > service.clock.now()
    assert await dispatch_batch(service.context, batch_id) is BatchState.SUBMITTED
    assert rail.queried == []


async def test_calls_about_one_batch_are_bounded(service: TestService, rail: FakeRail):
    batch_id, _ = await one_batch(service)
    most = RailPolicy().max_tries
    rail.script = [Answer.DEFERRED] * (most + 10)
    for _ in range(most + 5):
        await dispatch_batch(service.context, batch_id)
        service.clock.advance(timedelta(hours=1))
    assert len(rail.submitted) == most


async def test_a_refused_batch_fails_everybody_in_it_and_gives_the_money_back(service: TestService, rail: FakeRail):
    batch_id, waiting = await one_batch(service)
    rail.script = [Answer.REJECTED]
    assert await dispatch_batch(service.context, batch_id) is BatchState.REJECTED
    assert await states(service, waiting) == ["failed", "failed"]
    assert (await batch_of(service, batch_id))["state"] == "rejected"
    (moved,) = await rows(service, "SELECT count(*) AS n FROM ledger_transaction WHERE kind = 'fail'")
    assert moved["n"] == 2
    assert await balanced(service)
    assert {event.reason_code for event in await service.outbox()} == {"FF01"}  # type: ignore[attr-defined]


async def test_a_stale_workers_answer_is_ignored(service: TestService, rail: FakeRail):
    batch_id, _ = await one_batch(service)
    overtaken = asyncio.Event()

    class Slow(FakeRail):
        async def submit(self, batch: Any, instructions: Any) -> Any:
            answer = await super().submit(batch, instructions)
            await overtaken.wait()
            return type(answer)(Answer.UNKNOWN)

    slow = Slow()
    use_rail(service, slow)
    stale = asyncio.create_task(dispatch_batch(service.context, batch_id))
    await wait_for(lambda: slow.submitted, what="the first worker to call")
    use_rail(service, rail)
    rail.had = slow.had
    assert await dispatch_batch(service.context, batch_id) is BatchState.SUBMITTED
    overtaken.set()
    assert await stale is BatchState.SUBMITTED
    assert (await batch_of(service, batch_id))["state"] == "submitted"


async def test_a_stale_workers_refusal_fails_nobody(service: TestService, rail: FakeRail):
    batch_id, waiting = await one_batch(service)
    slow = FakeRail()
    slow.script, slow.hold = [Answer.REJECTED], asyncio.Event()
    use_rail(service, slow)
    stale = asyncio.create_task(dispatch_batch(service.context, batch_id))
    await wait_for(lambda: slow.submitted, what="the first worker to call")
    use_rail(service, rail)
    assert await dispatch_batch(service.context, batch_id) is BatchState.SUBMITTED  # asked, and sent again
    slow.hold.set()
    assert await stale is BatchState.SUBMITTED
    assert await states(service, waiting) == ["sent", "sent"]


# --- fault 12 -------------------------------------------------------------------------------------------------------


async def test_fault_12_a_dispatch_in_progress_is_not_taken_over_and_a_dead_one_is(
    service: TestService, rail: FakeRail
):
    batch_id, _ = await one_batch(service)
    rail.script = [KeyboardInterrupt("kill -9")]
    with pytest.raises(KeyboardInterrupt):
        await Worker(service.context, owner="first").run_one()
    (job,) = await rows(service, "SELECT * FROM job WHERE kind = :kind", kind=DISPATCH)
    assert job["state"] == "running"
    assert not await Worker(service.context, owner="second").run_one()  # fresh: its lease holds
    service.clock.advance(timedelta(seconds=61))
    assert await Worker(service.context, owner="second").run_one()  # stuck: taken over
    assert (await batch_of(service, batch_id))["state"] == "submitted"
    assert len(rail.submitted) == 1
    assert set(rail.paid.values()) == {1}


# --- the bank's word in documents -----------------------------------------------------------------------------------


async def test_a_status_report_answers_for_a_batch_whose_call_was_lost(service: TestService, rail: FakeRail):
    batch_id, waiting = await one_batch(service)
    rail.script = [Answer.UNKNOWN]
    await dispatch_batch(service.context, batch_id)
    message = (await batch_of(service, batch_id))["message_id"]
    body = pain002("M1", message, [(one.reference, "ACCP", "") for one in waiting], group="ACCP")
    await take_in(service.context, Document(rail.name, Media.ISO20022, "1", body))
    assert (await batch_of(service, batch_id))["state"] == "submitted"
    assert await states(service, waiting) == ["accepted", "accepted"]
    assert await dispatch_batch(service.context, batch_id) is BatchState.SUBMITTED
    assert rail.queried == []
    booked = camt("camt.054", "M2", [entry(one.reference, str(one.amount)) for one in waiting])
    await take_in(service.context, Document(rail.name, Media.ISO20022, "2", booked))
    assert (await batch_of(service, batch_id))["state"] == "completed"


async def test_fault_1_a_file_whose_repetition_is_refused_for_its_date_fails_nobody(service: TestService):
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if len(asked) == 1:
            raise httpx.ReadTimeout("lost on the way back", request=request)
        return httpx.Response(422, json={"reason": "DT01"})

    async with httpx.AsyncClient(base_url="http://bank.test", transport=httpx.MockTransport(answer)) as client:
        use_rail(service, BankRail(client, DEBTOR))
        waiting = await queue(service, ["0001234567"], rail="bank")
        await form_batches(service.context)
        (batch,) = await rows(service, "SELECT id, message_id FROM batch")
        for _ in range(2):
            assert await dispatch_batch(service.context, batch["id"]) is BatchState.UNKNOWN
    assert (len(asked), await states(service, waiting)) == (2, ["unknown"])
    (health,) = await rows(service, "SELECT failures, opened_at FROM rail_health WHERE rail = 'bank'")
    assert (health["failures"], health["opened_at"]) == (0, None)  # the bank does answer
    body = pain002("M1", batch["message_id"], [(waiting[0].reference, "ACCP", "")], group="ACCP")
    await take_in(service.context, Document("bank", Media.ISO20022, "1", body))
    assert await states(service, waiting) == ["accepted"]


async def test_a_report_on_a_batch_that_was_thought_not_to_have_left_is_believed(service: TestService, rail: FakeRail):
    batch_id, waiting = await one_batch(service)
    rail.script = [Answer.DEFERRED]
    assert await dispatch_batch(service.context, batch_id) is BatchState.FORMED
    message = (await batch_of(service, batch_id))["message_id"]
    body = pain002("M1", message, [(one.reference, "ACCP", "") for one in waiting], group="ACCP")
    await take_in(service.context, Document(rail.name, Media.ISO20022, "1", body))
    assert (await batch_of(service, batch_id))["state"] == "submitted"
    assert await states(service, waiting) == ["accepted", "accepted"]
    assert await rows(service, "SELECT id FROM reconciliation_break") == []


async def test_the_answer_duplicate_to_a_repeated_file_fails_nobody(service: TestService, rail: FakeRail):
    batch_id, waiting = await one_batch(service)
    rail.script = [Answer.UNKNOWN]
    await dispatch_batch(service.context, batch_id)
    message = (await batch_of(service, batch_id))["message_id"]
    await take_in(service.context, Document(rail.name, Media.ISO20022, "1", group_rejection("M1", message, "DUPL")))
    assert (await batch_of(service, batch_id))["state"] == "submitted"
    assert await states(service, waiting) == ["sent", "sent"]
    await take_in(service.context, Document(rail.name, Media.ISO20022, "2", group_rejection("M2", message, "FF01")))
    assert await states(service, waiting) == ["failed", "failed"]


async def test_batches_are_listed_to_those_who_may_see_them(service: TestService, rail: FakeRail):
    batch_id, _ = await one_batch(service)
    await service.run_jobs()
    answer = await service.http.get("/payments/v1/batches", headers=service.token("auditor"))
    assert answer.status_code == 200
    (item,) = answer.json()["items"]
    assert (item["id"], item["state"], item["count"], item["amount"]) == (str(batch_id), "submitted", 2, "160001.00")
    assert (await service.http.get("/payments/v1/batches", headers=service.token("commune_officer"))).status_code == 403
    assert (await service.http.get("/payments/v1/batches")).status_code == 401


async def test_an_officer_asks_the_rails_now(service: TestService, rail: FakeRail):
    await queue(service, ["85512000001"])
    answer = await service.http.post("/payments/v1/rails:poll", headers=service.token("payment_officer"))
    assert answer.status_code == 202
    await service.run_jobs()
    assert len(rail.submitted) == 1
    (audited,) = await rows(service, "SELECT action FROM audit_entry")
    assert audited["action"] == "rails.poll"
