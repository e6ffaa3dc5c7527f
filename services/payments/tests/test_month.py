"""One cycle through the service: built, approved, disbursed, settled, failed, returned, re-issued."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import orjson

from services.payments.instructions.outcomes import Outcome, apply_outcomes
from services.payments.rails.poll_rails import take_in
from services.payments.rails.port import Document, Media
from services.payments.tests.builders import CORE, SETTINGS, Cycle, Office, account_csv, grants
from shared.contracts.payments import (
    PaymentFailed,
    PaymentInstructed,
    PaymentListApproved,
    PaymentReturned,
    PaymentSettled,
)
from shared.testing.plugin import MakeService

TODAY = date(2020, 7, 28)


async def test_a_closed_cycle_is_paid_and_every_riel_is_accounted_for(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(20))
    total = sum(grant.amount for grant in cycle.granted)

    paid = await office.pay(cycle)
    assert paid["status"] == "disbursed"
    assert (paid["ready_count"], Decimal(paid["ready_amount"])) == (20, total)
    events = await office.service.outbox()
    assert [type(event) for event in events] == [PaymentListApproved] + [PaymentInstructed] * 20
    assert sum(event.amount for event in events[0].totals) == total == events[0].amount
    assert (await office.balances())["in_transit"] == total

    attempts = await office.send()
    outcomes = [
        Outcome(attempts[0].id, "failed", TODAY, "pain.002", "MSG-1", "AC04", "closed account"),
        Outcome(attempts[1].id, "settled", TODAY, "camt.054", "MSG-2"),
        Outcome(attempts[1].id, "returned", TODAY, "pacs.004", "MSG-3", "AC06", "blocked"),
        Outcome(attempts[2].id, "expired", TODAY, "poll", "Q-1"),
        *(Outcome(attempt.id, "settled", TODAY, "camt.054", "MSG-2") for attempt in attempts[3:]),
    ]
    async with office.service.database.session() as session:
        applied = await apply_outcomes(session, outcomes)
    assert (applied.applied, applied.unchanged, applied.contradictions) == (20 + 1, 0, [])

    back = sum(attempt.amount for attempt in attempts[:3])
    balances = await office.balances()
    assert balances["paid"] == total - back
    assert balances["available"] == Decimal(1_000_000_000) - total + back
    assert (balances["reserved"], balances["in_transit"], balances["returned"]) == (0, 0, 0)
    events = await office.service.outbox()
    returned = [event for event in events if event.payment_id == attempts[1].payment_id]
    assert [(type(event), event.version) for event in returned] == [(PaymentSettled, 2), (PaymentReturned, 3)]

    summary = await office.get("/summary")
    assert {state["status"]: state["count"] for state in summary["states"]} == {
        "settled": 17,
        "failed": 1,
        "returned": 1,
        "expired": 1,
    }


async def test_a_payment_for_which_money_may_have_gone_out_is_not_issued_again_until_that_is_explained(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    await office.pay(Cycle(grants(1)))
    (attempt,) = await office.send()
    async with office.service.database.session() as session:
        await apply_outcomes(session, [Outcome(attempt.id, "failed", TODAY, "callback", "M", "incorrectState")])
    told = {
        "transactionReference": "T1",
        "requestingOrganisationTransactionReference": attempt.end_to_end_id,
        "transactionStatus": "completed",
        "amount": str(attempt.amount),
        "currency": "KHR",
        "modificationDate": "2020-07-28T10:00:00Z",
    }
    await take_in(office.service.context, Document("mobile_money", Media.GSMA, "1", orjson.dumps(told)))
    path, body = f"/payments/{attempt.payment_id}:reissue", {"reason": "try again", "same_account": True}
    refused = await office.post(path, office.maker, body)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_reissuable")
    breaks = "/reconciliation/breaks"
    (item,) = (await office.get(breaks))["items"]
    assert (item["kind"], refused.json()["break_id"]) == ("contradiction", item["id"])
    proposal = {"action": "no_effect", "reason": "the operator withdrew its message"}
    for verb, who, sent in (("propose", office.releaser, proposal), ("approve", office.checker, None)):
        tag = {"If-Match": f'"{item["version"]}"'}
        item = (await office.post(f"{breaks}/{item['id']}:{verb}", who, sent, 200, **tag)).json()
    await office.post(path, office.maker, body, 200)


async def test_a_failed_payment_is_corrected_and_reissued(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(1))
    await office.pay(cycle)
    (attempt,) = await office.send()
    async with office.service.database.session() as session:
        await apply_outcomes(session, [Outcome(attempt.id, "failed", TODAY, "pain.002", "M", "AC04", "closed")])
    path = f"/payments/{attempt.payment_id}"

    refused = await office.post(f"{path}:reissue", office.maker, {"reason": "try again"})
    assert (refused.status_code, refused.json()["code"]) == (409, "account_unchanged")

    account = await office.service.http.get(f"/payments/v1/accounts/{attempt.account_id}", headers=office.maker)
    body = {"rail": "bank", "provider": "ABAAKHPP", "account_number": "000 123-456", "holder_name": "Sok Dara"}
    body["proof"] = {"kind": "bank_book", "reference": "copy 12"}  # type: ignore[assignment]
    changed = await office.service.http.put(
        f"/payments/v1/accounts/{attempt.account_id}",
        headers=office.maker | {"If-Match": account.headers["ETag"]},
        json=body,
    )
    assert changed.status_code == 200
    assert changed.json()["account_number"] == "•••456"
    same = await office.post(f"{path}:reissue", office.maker, {"reason": "corrected"}, 403)
    assert same.json()["code"] == "same_person"
    second_officer = office.service.token("payment_officer", subject="officer-2")
    cooling = await office.post(f"{path}:reissue", second_officer, {"reason": "corrected"}, 409)
    assert cooling.json()["code"] == "account_cooling_off"
    tag = {"If-Match": changed.headers["ETag"]}
    confirm = f"/accounts/{attempt.account_id}:confirm"
    await office.post(confirm, office.maker, {"reason": "seen"}, 403, **tag)
    await office.post(confirm, second_officer, {"reason": "book seen"}, 200, **tag)
    reissued = (await office.post(f"{path}:reissue", office.maker, {"reason": "corrected"}, 200)).json()
    assert (reissued["status"], reissued["attempt"]) == ("instructed", 2)

    twice = await office.post(f"{path}:reissue", office.maker, {"reason": "corrected"})
    assert (twice.status_code, twice.json()["code"]) == (409, "not_reissuable")

    second = next(item for item in await office.send() if item.attempt == 2)
    assert second.rail == "bank"
    async with office.service.database.session() as session:
        await apply_outcomes(session, [Outcome(second.id, "settled", TODAY, "camt.054", "M2")])
    story = await office.get(path)
    assert story["status"] == "settled"
    assert [item["state"] for item in story["attempts"]] == ["failed", "settled"]
    assert story["attempts"][0]["outcomes"][0]["reason_code"] == "AC04"
    assert [posting["kind"] for posting in story["ledger"]][::2] == [
        "instruct", "fail", "reserve", "instruct", "settle",
    ]  # fmt: skip
    assert story["entitlement"]["lines"][0]["component"] == "monthly_transfer"
    assert [step["action"] for step in story["approval"]] == ["build", "submit", "approve", "disburse"]
    kinds = [type(event) for event in await office.service.outbox()]
    assert kinds[1:] == [PaymentInstructed, PaymentFailed, PaymentInstructed, PaymentSettled]


async def test_a_late_settlement_after_a_failure_changes_nothing_and_is_told(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    await office.pay(Cycle(grants(1)))
    (attempt,) = await office.send()
    async with office.service.database.session() as session:
        await apply_outcomes(session, [Outcome(attempt.id, "failed", TODAY, "pain.002", "M1")])
    before = await office.balances()
    async with office.service.database.session() as session:
        applied = await apply_outcomes(session, [Outcome(attempt.id, "settled", TODAY, "callback", "M2")])
    assert (applied.applied, len(applied.contradictions)) == (0, 1)
    assert applied.contradictions[0].current_state == "failed"
    assert await office.balances() == before


async def test_a_number_changed_after_the_list_was_built_is_not_paid(make_service: MakeService) -> None:
    """Account take-over: what is paid is what was approved, never the number that came later."""
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(3))
    await office.prepare(cycle)
    built = await office.build(cycle)
    await office.approve(built)
    victim = cycle.granted[1].beneficiary_id
    await office.import_accounts(account_csv([victim], start=85599000000))

    assert (await office.disburse(built))["status"] == "disbursed"
    story = await office.get(f"/payments/{cycle.payment(1)}")
    assert (story["status"], story["attempts"][0]["reason_code"]) == ("failed", "account_changed")
    balances = await office.balances()
    assert balances["in_transit"] == cycle.granted[0].amount + cycle.granted[2].amount
    assert balances["reserved"] == 0
    failed = [event for event in await office.service.outbox() if isinstance(event, PaymentFailed)]
    assert [event.payment_id for event in failed] == [cycle.payment(1)]
