"""Money coming in: contributions by employer and month, over- and under-payment, refunds; over-payments recovered."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from services.payments.collections.model import Due, allocate
from services.payments.emergency_stops.check import stops_sending
from services.payments.instructions.outcomes import Outcome, apply_outcomes
from services.payments.tests.builders import CORE, SETTINGS, Cycle, Grant, Office
from services.payments.tests.test_month import TODAY
from shared.testing.plugin import MakeService

FUND = "TREASURY-20"


@given(st.integers(0, 10**6), st.lists(st.integers(0, 10**5), max_size=12))
def test_money_goes_to_the_oldest_months_first_and_none_is_lost(amount: int, missing: list[int]) -> None:
    months = [Due(UUID(int=number), Decimal(due)) for number, due in enumerate(missing)]
    spread, over = allocate(Decimal(amount), months)
    assert sum(part for _, part in spread) + over == amount
    assert over == max(0, amount - sum(missing))
    by_month = dict(spread)
    full = [by_month.get(month.contribution_id, 0) == month.missing for month in months if month.missing]
    assert full == sorted(full, reverse=True)


async def test_contributions_are_expected_received_allocated_and_refunded(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    await office.open_fund("1000")
    employer = str(uuid4())
    about = {"fund_code": FUND, "employer_id": employer}

    async def expect(period: str, amount: str, status: int = 200) -> dict:
        body = about | {"period": period, "due_on": f"{period}-15", "expected": amount}
        answer = await office.service.http.put(
            "/payments/v1/collections/expectations", json=body, headers=office.releaser
        )
        assert answer.status_code == status, answer.text
        return answer.json()

    await expect("2020-05", "400")
    await expect("2020-06", "500")
    await expect("2020-06", "100.5", 422)
    came = about | {"amount": "450", "bank_reference": "B-1", "received_on": "2020-06-10"}
    receipt = (await office.post("/collections/receipts", office.releaser, came, 201)).json()
    assert ([part["amount"] for part in receipt["allocated"]], receipt["over"]) == (["400", "50"], "0")
    again = await office.post("/collections/receipts", office.releaser, came, 409)
    assert again.json()["code"] == "collection_state"
    overdue = await office.get("/collections/overdue", office.releaser)
    assert [(month["period"], month["missing"]) for month in overdue["items"]] == [("2020-06", "450")]
    more = came | {"amount": "600", "bank_reference": "B-2"}
    assert (await office.post("/collections/receipts", office.releaser, more, 201)).json()["over"] == "150"
    lowered = await expect("2020-06", "480")
    assert (lowered["allocated"], lowered["missing"], lowered["revisions"]) == ("480", "0", 2)
    account = {
        "rail": "bank", "provider": "acleda", "account_number": "KH0001234", "holder_name": "Sokha Garments",
        "place_code": "12",
    }  # fmt: skip
    refund = about | {"amount": "171", "reference": "R-1"}
    refused = await office.post("/collections/refunds", office.releaser, refund, 409)
    assert (refused.json()["code"], refused.json()["over"]) == ("collection_state", "170")
    nowhere = await office.post("/collections/refunds", office.releaser, refund | {"amount": "170"}, 409)
    assert nowhere.json()["code"] == "no_account"
    proposals = [refund | {"amount": "170", "reference": f"R-{n}", "account": account} for n in range(4)]
    answers = await asyncio.gather(*(office.post("/collections/refunds", office.releaser, one) for one in proposals))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    proposed = next(answer.json() for answer in answers if answer.status_code == 201)
    approve = f"/collections/refunds/{proposed['id']}:approve"
    assert (await office.post(approve, office.releaser, None, 403)).json()["code"] == "same_person"
    sent = (await office.post(approve, office.checker, None, 200)).json()
    assert sent["status"] == "sent"
    await office.post(approve, office.checker, None, 409)
    balances = await office.balances()
    assert (balances["available"], balances["in_transit"], balances["unallocated"]) == (1880, 170, -170)
    (attempt,) = await office.send()
    assert (attempt.rail, attempt.amount, str(attempt.payment_id)) == ("bank", 170, sent["payment_id"])
    await tell(office, attempt.id, "settled")
    balances = await office.balances()
    assert (balances["available"], balances["receivable"], balances["unallocated"]) == (1880, 0, 0)
    assert (balances["contributions"], balances["paid"], balances["in_transit"]) == (-880, 0, 0)
    assert (await office.get(f"/collections/refunds/{proposed['id']}", office.releaser))["status"] == "done"
    assert (await office.self_check())["items"] == []


async def tell(office: Office, attempt: UUID, kind: Any) -> None:
    """The rail's word on one attempt."""
    async with office.service.database.session() as session:
        applied = await apply_outcomes(session, [Outcome(attempt, kind, TODAY, "camt.054", f"M-{kind}", "AC04", "x")])
    assert not applied.contradictions


async def test_a_refund_that_fails_is_spoken_for_until_it_is_sent_again_or_given_up(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    await office.open_fund("1000")
    about = {"fund_code": FUND, "employer_id": str(uuid4())}
    came = about | {"amount": "500", "bank_reference": "B-1", "received_on": "2020-06-10"}
    await office.post("/collections/receipts", office.releaser, came, 201)
    account = {
        "rail": "bank", "provider": "acleda", "account_number": "KH0001234", "holder_name": "Sokha Garments",
        "place_code": "12",
    }  # fmt: skip
    asked = about | {"amount": "300", "reference": "R-1", "account": account}
    refund = (await office.post("/collections/refunds", office.releaser, asked, 201)).json()
    path = f"/collections/refunds/{refund['id']}"
    stop = {"scope": "fund", "target": FUND, "reason": "fraud suspected"}
    placed = (await office.post("/emergency-stops", office.checker, stop, 201)).json()
    assert (await office.post(f"{path}:approve", office.checker, None, 409)).json()["code"] == "emergency_stopped"
    await office.post(f"/emergency-stops/{placed['id']}:lift", office.releaser, {"reason": "looked into"}, 200)
    payment = (await office.post(f"{path}:approve", office.checker, None, 200)).json()["payment_id"]
    await office.post("/emergency-stops", office.checker, stop, 201)
    async with office.service.database.session() as session:
        assert await stops_sending(session, rail="bank", payment_list_id=UUID(refund["id"])) == "fund_stopped"
        await session.execute(text("UPDATE emergency_stop SET released_at = now()"))
    (first,) = await office.send()
    await tell(office, first.id, "failed")
    more = about | {"amount": "201", "reference": "R-2"}
    assert (await office.post("/collections/refunds", office.releaser, more, 409)).json()["over"] == "200"
    again = {"same_account": True, "reason": "the bank mended it"}
    await office.post(f"/payments/{payment}:reissue", office.maker, again, 200)
    assert (await office.get(path, office.releaser))["status"] == "sent"
    await office.post(f"{path}:cancel", office.checker, {"reason": "no more wanted"}, 409)
    second = next(item for item in await office.send() if item.attempt == 2)
    await tell(office, second.id, "settled")
    await tell(office, second.id, "returned")
    balances = await office.balances()
    assert (balances["unallocated"], balances["paid"], balances["available"]) == (-500, 0, 1500)
    await office.post(f"{path}:cancel", office.checker, {"reason": "no more wanted"}, 200)
    gone = await office.post(f"/payments/{payment}:reissue", office.maker, again, 409)
    assert gone.json()["code"] == "not_reissuable"
    whole = await office.post("/collections/refunds", office.releaser, more | {"amount": "500"}, 201)
    assert whole.json()["account_id"] == refund["account_id"]
    assert (await office.self_check())["items"] == []


async def told(office: Office, kind: str, *, after: UUID | None = None) -> None:
    """The rail's word on every attempt that is sent, but for one that was told of before."""
    attempts = [attempt for attempt in await office.send() if attempt.id != after]
    async with office.service.database.session() as session:
        applied = await apply_outcomes(
            session, [Outcome(attempt.id, kind, TODAY, "camt.054", "M") for attempt in attempts]
        )
    assert not applied.contradictions


async def claimed(office: Office, cycle: Cycle, amount: str) -> str:
    """A confirmed claim on a settled first payment; its path."""
    body = {"payment_id": str(cycle.payment()), "amount": amount, "reason": "a child counted twice"}
    claim = await office.post("/claims", office.maker, body, 201)
    path = f"/claims/{claim.json()['id']}"
    await office.post(f"{path}:confirm", office.checker, None, 200, **{"If-Match": claim.headers["ETag"]})
    return path


async def test_what_is_kept_back_counts_only_when_the_payment_settles_and_no_more_when_it_comes_back(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    person = uuid4()
    first = Cycle([Grant(person, amount=Decimal(100_000))])
    await office.pay(first)
    await told(office, "settled")
    path = await claimed(office, first, "20000")

    async def stands() -> tuple[str, str, int]:
        found = await office.get(path)
        assert (await office.self_check())["items"] == []
        return found["recovered"], found["status"], int((await office.balances())["claims"])

    (before,) = await office.attempts()
    second = Cycle([Grant(person, amount=Decimal(100_000))], period="2020-08")
    await office.service.deliver(*second.entitlements(), second.closed(period="2020-08"))
    built = await office.build(second)
    assert (built["ready_amount"], built["deducted_amount"]) == ("80000", "20000")
    await office.approve(built)
    await office.disburse(built)
    assert await stands() == ("0", "open", 20_000)
    await told(office, "failed", after=before.id)
    assert await stands() == ("0", "open", 20_000)
    again = f"/payments/{second.payment()}:reissue"
    await office.post(again, office.maker, {"same_account": True, "reason": "the bank mended it"}, 200)
    late = [attempt.id for attempt in await office.send() if attempt.attempt == 2]
    async with office.service.database.session() as session:
        await apply_outcomes(session, [Outcome(late[0], "settled", TODAY, "camt.054", "M")])
    assert await stands() == ("20000", "closed", 0)
    async with office.service.database.session() as session:
        await apply_outcomes(session, [Outcome(late[0], "returned", TODAY, "camt.054", "M2", "AC04", "closed")])
    assert await stands() == ("0", "open", 20_000)
    await office.post(again, office.maker, {"same_account": True, "reason": "the bank mended it"}, 200)
    late = [attempt.id for attempt in await office.send() if attempt.attempt == 3]
    async with office.service.database.session() as session:
        await apply_outcomes(session, [Outcome(late[0], "settled", TODAY, "camt.054", "M3")])
    assert await stands() == ("20000", "closed", 0)


async def test_several_components_together_keep_back_no_more_than_is_left_of_the_claim(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    person = uuid4()
    first = Cycle([Grant(person, amount=Decimal(100_000))])
    await office.pay(first)
    await told(office, "settled")
    path = await claimed(office, first, "25000")
    (before,) = await office.attempts()
    parts = [Grant(person, amount=Decimal(100_000), component=name) for name in ("monthly_transfer", "child", "elder")]
    second = Cycle(parts, period="2020-08")
    await office.service.deliver(*second.entitlements(), second.closed(period="2020-08"))
    built = await office.build(second)
    assert (built["ready_amount"], built["deducted_amount"]) == ("275000", "25000")
    await office.approve(built)
    await office.disburse(built)
    await told(office, "settled", after=before.id)
    found = await office.get(path)
    assert (found["recovered"], found["status"]) == ("25000", "closed")
    assert (await office.self_check())["items"] == []


async def test_an_overpayment_is_kept_back_up_to_the_monthly_cap_paid_back_or_waived(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    person = uuid4()
    first = Cycle([Grant(person, amount=Decimal(100_001))])
    await office.pay(first)
    (attempt,) = await office.send()
    body = {"payment_id": str(first.payment()), "amount": "50000", "reason": "a child counted twice"}
    early = await office.post("/claims", office.maker, body, 409)
    assert early.json()["code"] == "claim_state"
    async with office.service.database.session() as session:
        await apply_outcomes(session, [Outcome(attempt.id, "settled", TODAY, "camt.054", "M")])
    claim = await office.post("/claims", office.maker, body, 201)
    assert (claim.json()["monthly_cap_percent"], claim.json()["status"]) == (20, "proposed")
    assert (await office.post("/claims", office.maker, body, 409)).json()["code"] in {"claim_exists", "claim_state"}
    path, tag = f"/claims/{claim.json()['id']}", {"If-Match": claim.headers["ETag"]}
    confirm = await office.post(f"{path}:confirm", office.checker, None, 200, **tag)
    second = Cycle([Grant(person, amount=Decimal(100_001))], period="2020-08")
    await office.service.deliver(*second.entitlements(), second.closed(period="2020-08"))
    built = await office.build(second)
    assert (built["ready_amount"], built["deducted_amount"]) == ("80001", "20000")
    await office.approve(built)
    await office.disburse(built)
    assert ((await office.get(path))["recovered"], (await office.balances())["claims"]) == ("0", 50_000)
    held_back = {"If-Match": confirm.headers["ETag"]}
    too_much = {"amount": "30001", "document": "d"}
    assert (await office.post(f"{path}/repayments", office.releaser, too_much, 409, **held_back)).json()["code"] == (
        "claim_state"
    )
    await told(office, "settled", after=attempt.id)
    now = (await office.get(path))["recovered"], (await office.balances())["claims"]
    assert now == ("20000", 30_000)
    stale = await office.post(f"{path}/repayments", office.releaser, {"amount": "1", "document": "d"}, 412, **tag)
    assert stale.json()["code"] == "version_changed"
    answer = await office.service.http.get(f"/payments/v1{path}", headers=office.maker)
    tag = {"If-Match": answer.headers["ETag"]}
    paid = await office.post(f"{path}/repayments", office.releaser, {"amount": "10000", "document": "c-1"}, 200, **tag)
    tag = {"If-Match": paid.headers["ETag"]}
    assert (await office.post(f"{path}:waive", office.checker, {"reason": "hardship"}, 200, **tag)).json()[
        "waived"
    ] == "20000"
    assert (await office.balances())["claims"] == 0
    assert confirm.json()["status"] == "open"
    assert (await office.self_check())["items"] == []
