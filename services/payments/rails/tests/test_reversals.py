"""A settled payment is taken back: on two officers' word, asked once in effect, done when the rail says so."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest

from services.payments.rails.apply_callbacks import apply_callbacks
from services.payments.rails.port import Answer, Document, Media, Submission
from services.payments.rails.reversals.model import FIRST_WAIT, LONGEST_WAIT, ReversalState, state_after, wait_after
from services.payments.rails.reversals.run_reversal import schedule_reversals
from services.payments.rails.tests.platform import (
    SERVICE,
    SETTINGS,
    FakeRail,
    Waiting,
    balanced,
    breaks,
    rows,
    sent,
    states,
    use_rail,
)
from services.payments.reconciliation.tests.test_callbacks import call_back, transaction
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

REVERSALS = "/payments/v1/reversals"


class TakesBack(FakeRail):
    """A rail that is asked to take payments back, answers as told, and says of a payment what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Submission] = []
        self.asked: list[tuple[str, UUID]] = []
        self.says: bytes | None = None

    async def reverse(self, reference: str, correlation_id: UUID, at: Any) -> Submission:
        self.asked.append((reference, correlation_id))
        return self.answers.pop(0) if self.answers else Submission(Answer.ACCEPTED)

    async def look(self, reference: str, batch_id: UUID) -> Document | None:
        if self.says is None:
            return None
        return Document("mobile_money", Media.GSMA, reference, self.says, "transaction", str(batch_id))


@pytest.fixture
async def service(make_service: MakeService) -> TestService:
    return await make_service(SERVICE, **SETTINGS)


async def settled(service: TestService) -> tuple[Waiting, TakesBack]:
    """A payment that the operator has completed under a reference of its own."""
    _, (one,) = await sent(service, 1, "mobile_money")
    rail = TakesBack()
    use_rail(service, rail)
    assert (await call_back(service, transaction(one, transactionReference="T77"))).status_code == 204
    assert await states(service, [one]) == ["settled"]
    return one, rail


async def ask(service: TestService, one: Waiting, **token: Any) -> httpx.Response:
    body = {"payment_id": str(one.payment_id), "reason": "paid to a wallet that was sold"}
    headers = service.token("payment_officer", subject="asks", **token)
    return await service.http.post(REVERSALS, json=body, headers=headers)


async def decide(
    service: TestService, reversal: dict[str, Any], what: str = "approve", subject: str = "decides"
) -> httpx.Response:
    headers = service.token("payment_approver", subject=subject) | {"If-Match": f'"{reversal["version"]}"'}
    return await service.http.post(f"{REVERSALS}/{reversal['id']}:{what}", headers=headers)


async def shown(service: TestService, reversal: dict[str, Any]) -> dict[str, Any]:
    answer = await service.http.get(f"{REVERSALS}/{reversal['id']}", headers=service.token("auditor"))
    assert answer.status_code == 200
    view: dict[str, Any] = answer.json()
    return view


async def test_a_reversal_is_done_when_the_operator_says_so_and_books_nothing_itself(service: TestService):
    one, rail = await settled(service)
    asked = (await ask(service, one)).json()
    assert (asked["state"], Decimal(asked["amount"]), asked["requested_by"]) == ("requested", one.amount, "asks")
    await service.run_jobs()
    assert rail.asked == []  # one person's word moves nothing
    assert (await decide(service, asked)).json()["state"] == "approved"
    await service.run_jobs()
    assert rail.asked == [("T77", UUID(asked["id"]))]
    assert (await shown(service, asked))["state"] == "accepted"
    assert await states(service, [one]) == ["settled"]
    assert (await call_back(service, transaction(one, "reversed", transactionReference="T77"))).status_code == 204
    assert await states(service, [one]) == ["returned"]
    service.clock.advance(LONGEST_WAIT)
    await schedule_reversals(service.context)
    await service.run_jobs()
    view = await shown(service, asked)
    assert (view["state"], view["ended_at"] is not None, len(rail.asked)) == ("done", True, 1)
    assert await balanced(service)
    (back,) = await rows(service, "SELECT status FROM unpaid_payment")
    assert back["status"] == "returned"  # it may be paid again, to the right wallet
    audit = await rows(service, "SELECT action FROM audit_entry WHERE action LIKE 'reversal.%' ORDER BY id")
    assert [row["action"] for row in audit] == ["reversal.request", "reversal.approve"]


async def test_what_the_operator_took_and_then_failed_at_is_refused_and_can_be_asked_for_anew(service: TestService):
    one, rail = await settled(service)
    asked = (await ask(service, one)).json()
    rail.answers = [Submission(Answer.ACCEPTED), Submission(Answer.REJECTED, reason_code="insufficientFunds")]
    await decide(service, asked)
    await service.run_jobs()
    assert (await shown(service, asked))["state"] == "accepted"
    service.clock.advance(LONGEST_WAIT)
    await schedule_reversals(service.context)
    await service.run_jobs()
    view = await shown(service, asked)
    assert (view["state"], view["reason_code"]) == ("refused", "insufficientFunds")
    assert rail.asked[0] == rail.asked[1]
    assert await states(service, [one]) == ["settled"]
    assert (await ask(service, one)).status_code == 201


async def test_a_lost_answer_is_asked_again_under_the_same_id_and_found_by_looking(service: TestService):
    one, rail = await settled(service)
    asked = (await ask(service, one)).json()
    rail.answers = [Submission(Answer.UNKNOWN), Submission(Answer.REJECTED, reason_code="incorrectState")]
    await decide(service, asked)
    await service.run_jobs()
    assert (await shown(service, asked))["state"] == "asked"
    await schedule_reversals(service.context)
    await service.run_jobs()
    assert len(rail.asked) == 1  # not before its time
    service.clock.advance(FIRST_WAIT * 2)
    rail.says = transaction(one, "reversed", transactionReference="T77")
    await schedule_reversals(service.context)
    await service.run_jobs()
    assert rail.asked[0] == rail.asked[1]
    assert (await shown(service, asked))["state"] == "done"  # "refused", since it had been heard the first time
    assert await states(service, [one]) == ["returned"]
    assert await breaks(service) == []


async def test_a_refusal_ends_it_and_it_may_be_asked_for_again(service: TestService):
    one, rail = await settled(service)
    asked = (await ask(service, one)).json()
    rail.answers = [Submission(Answer.REJECTED, reason_code="insufficientFunds")]
    await decide(service, asked)
    await service.run_jobs()
    view = await shown(service, asked)
    assert (view["state"], view["reason_code"], view["ended_at"] is not None) == ("refused", "insufficientFunds", True)
    assert await states(service, [one]) == ["settled"]
    assert (await ask(service, one)).status_code == 201


async def test_a_second_person_decides_and_may_turn_it_down(service: TestService):
    one, rail = await settled(service)
    asked = (await ask(service, one)).json()
    own = await decide(service, asked, subject="asks")
    assert (own.status_code, own.json()["code"]) == (403, "same_person")
    stale = await decide(service, asked | {"version": 9})
    assert stale.status_code == 412
    twice = await ask(service, one)
    assert (twice.status_code, twice.json()["code"]) == (409, "payment_not_reversible")
    down = (await decide(service, asked, "reject")).json()
    assert (down["state"], down["decided_by"]) == ("rejected", "decides")
    late = await decide(service, down)
    assert (late.status_code, late.json()["code"]) == (409, "reversal_state")
    await service.run_jobs()
    assert rail.asked == []
    assert (await ask(service, one)).status_code == 201


async def test_only_what_is_settled_named_and_of_a_rail_that_can_is_taken_back(service: TestService):
    _, (one,) = await sent(service, 1, "mobile_money")
    open_yet = await ask(service, one)
    assert (open_yet.status_code, open_yet.json()["payment_status"]) == (409, "sent")
    body = orjson.loads(transaction(one)) | {"transactionReference": ""}
    assert (await call_back(service, orjson.dumps(body))).status_code == 204
    cannot = await ask(service, one)
    assert (cannot.status_code, cannot.json()["code"]) == (409, "rail_cannot_reverse")
    use_rail(service, TakesBack())
    unnamed = await ask(service, one)
    assert (unnamed.status_code, unnamed.json()["code"]) == (409, "payment_not_reversible")


async def test_a_payment_that_came_back_meanwhile_is_not_asked_for(service: TestService):
    one, rail = await settled(service)
    asked = (await ask(service, one)).json()
    await call_back(service, transaction(one, "reversed", transactionReference="T77"))
    moved_on = await decide(service, asked)
    assert (moved_on.status_code, moved_on.json()["code"]) == (409, "payment_not_reversible")
    assert rail.asked == []


async def test_reversals_are_seen_and_asked_for_in_the_officers_area_only(service: TestService):
    one, _ = await settled(service)
    elsewhere = await ask(service, one, areas=("0202",))
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "reversal_not_found")
    asked = (await ask(service, one, areas=("0102",))).json()
    for areas, seen in ((("0102",), 1), (("0202",), 0)):
        headers = service.token("finance_officer", areas=areas)
        page = await service.http.get(REVERSALS, headers=headers)
        assert len(page.json()["items"]) == seen
        single = await service.http.get(f"{REVERSALS}/{asked['id']}", headers=headers)
        assert single.status_code == (200 if seen else 404)
    stranger = await service.http.post(REVERSALS, json={}, headers=service.token("commune_officer"))
    assert stranger.status_code == 403


async def test_a_worker_that_dies_after_asking_asks_again_under_the_same_id(
    service: TestService, monkeypatch: pytest.MonkeyPatch
):
    one, rail = await settled(service)
    asked = (await ask(service, one)).json()
    await decide(service, asked)

    async def dies(*_: Any) -> None:
        raise ConnectionError("gone after the call")

    with monkeypatch.context() as patched:
        patched.setattr(rail, "look", dies)
        await service.run_jobs(allow_failed=True)
    assert (await shown(service, asked))["state"] == "asked"
    rail.says = transaction(one, "reversed", transactionReference="T77")
    service.clock.advance(LONGEST_WAIT + timedelta(minutes=10))
    await schedule_reversals(service.context)
    await service.run_jobs(allow_failed=True)
    assert len(set(rail.asked)) == 1
    assert (await shown(service, asked))["state"] == "done"
    assert await apply_callbacks(service.context) is None


@pytest.mark.parametrize(
    ("answer", "returned", "state"),
    [
        (Answer.ACCEPTED, False, ReversalState.ACCEPTED),
        (Answer.REJECTED, False, ReversalState.REFUSED),
        (Answer.UNKNOWN, False, ReversalState.ASKED),
        (Answer.DEFERRED, False, ReversalState.ASKED),
        *((answer, True, ReversalState.DONE) for answer in Answer),
    ],
)
def test_what_the_payment_is_counts_more_than_the_answer(answer: Answer, returned: bool, state: ReversalState):
    assert state_after(answer, returned=returned) is state


def test_it_is_asked_ever_less_often():
    waits = [wait_after(tries) for tries in range(40)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (FIRST_WAIT, LONGEST_WAIT)
