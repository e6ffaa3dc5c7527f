"""Lists keep out what must not be paid, with every reason; funds hold what was promised; areas hide the rest."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import uuid4

from sqlalchemy import text

from services.payments.lists.model import content_hash
from services.payments.tests.builders import CORE, SETTINGS, VILLAGES, Cycle, Grant, Office, account_csv, grants
from shared.contracts.eligibility import EntitlementRevoked
from shared.contracts.grievance import HoldPlaced, HoldReleased
from shared.testing.plugin import MakeService


def hold(payment_id, version: int = 1, hold_id=None, until: date = date(2020, 12, 31)) -> HoldPlaced:
    return HoldPlaced(
        version=version,
        hold_id=hold_id or uuid4(),
        case_id=None,
        payment_id=payment_id,
        reason="under review",
        owner="grievance-1",
        until=until,
    )


async def test_each_line_left_out_says_every_reason(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    people = [uuid4() for _ in range(9)]
    cycle = Cycle(
        [
            Grant(people[0]),
            Grant(people[1]),
            Grant(people[2], amount=Decimal(0)),
            *(Grant(person) for person in people[3:]),
        ]
    )
    events = cycle.entitlements()
    events[8] = events[8].model_copy(update={"lines": ()})
    await office.service.deliver(*cycle.enrolments(), *events, cycle.closed())
    await office.service.deliver(hold(cycle.payment(1)), hold(cycle.payment(7), until=date(2020, 6, 1)))
    await office.service.deliver(
        EntitlementRevoked(version=2, entitlement_id=events[6].entitlement_id, cycle_id=cycle.id, cause="died")
    )
    # persons 3, 4, 5 share one number, and two is the limit; persons 2 and 6 have no account
    shared = "".join(f"{person},mobile_money,wing,85599999999,Name,any\n" for person in people[3:6])
    await office.import_accounts(account_csv([people[0], people[1], people[7], people[8]]) + shared)
    await office.open_fund()

    built = await office.build(cycle)
    page = await office.get(f"/payment-lists/{built['id']}/lines?limit=500")
    found = {line["beneficiary_id"]: line["reasons"] for line in page["items"]}
    assert [found[str(person)] for person in people] == [
        [],
        ["hold"],
        ["amount_zero", "no_account"],
        ["duplicate_account"],
        ["duplicate_account"],
        ["duplicate_account"],
        ["revoked", "no_account"],
        [],
        ["control"],
    ]
    assert (built["ready_count"], built["excluded_count"]) == (2, 7)
    assert {item["reason"]: item["count"] for item in built["excluded"]} == {
        "amount_zero": 1,
        "control": 1,
        "duplicate_account": 3,
        "hold": 1,
        "no_account": 2,
        "revoked": 1,
    }


async def test_what_was_paid_in_the_period_is_not_paid_again_from_another_cycle(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    first = Cycle(grants(4))
    await office.pay(first)
    second = Cycle(first.granted[:2])
    await office.service.deliver(*second.entitlements(), second.closed())
    built = await office.build(second)
    assert (built["ready_count"], [item["reason"] for item in built["excluded"]]) == (0, ["already_paid"])
    refused = await office.post(f"/payment-lists/{built['id']}:submit", office.maker, None, 409)
    assert refused.json()["code"] == "list_state"


async def test_the_hash_is_the_one_that_anybody_can_compute_from_the_lines(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(12))
    await office.prepare(cycle)
    built = await office.build(cycle)
    async with office.service.database.session() as session:
        rows = await session.execute(
            text(
                "SELECT payment_id, entitlement_id, beneficiary_id, component, amount, currency, account_id,"
                " account_version, rail, provider FROM payment_list_line WHERE status = 'ready' ORDER BY payment_id"
            )
        )
        assert content_hash(tuple(row) for row in rows) == built["content_hash"]


async def test_nothing_is_approved_beyond_what_the_fund_has(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(3))
    await office.prepare(cycle, allotment="300000")
    built = await office.build(cycle)
    path = f"/payment-lists/{built['id']}"
    await office.post(f"{path}:submit", office.maker, None, 200)
    refused = (
        await office.post(f"{path}:approve", office.checker, {"content_hash": built["content_hash"]}, 409)
    ).json()
    assert (refused["code"], refused["available"], refused["needed"]) == ("fund_insufficient", "300000", "300003")
    assert (await office.get("/funds/TREASURY-20"))["reserved"] == "0"


async def test_a_payment_held_after_approval_waits_and_goes_out_when_released(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(10))
    await office.prepare(cycle)
    built = await office.build(cycle)
    await office.approve(built)
    held = hold(cycle.payment(4))
    await office.service.deliver(held)
    assert (await office.disburse(built))["status"] == "partly_disbursed"
    assert len(await office.attempts()) == 9
    assert (await office.balances())["reserved"] == cycle.granted[4].amount
    story = await office.get(f"/payments/{cycle.payment(4)}")
    assert (story["status"], story["holds"][0]["reason"]) == ("approved", "under review")

    await office.service.deliver(
        HoldReleased(version=2, hold_id=held.hold_id, case_id=None, payment_id=held.payment_id, cause="resolved")
    )
    assert (await office.disburse(built))["status"] == "disbursed"
    assert len(await office.attempts()) == 10
    assert (await office.balances())["reserved"] == 0


async def test_officers_see_their_area_only(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(6))
    await office.pay(cycle)
    local = office.service.token("payment_officer", areas=(VILLAGES[0][:4],), subject="local-1")
    page = await office.get("/payments", local)
    assert {item["village_code"] for item in page["items"]} == {VILLAGES[0]}
    await office.get(f"/payments/{cycle.payment(1)}", local, 404)
    await office.get(f"/payments/{cycle.payment(0)}", local)
    listed = await office.get(f"/payment-lists/{page['items'][0]['payment_list_id']}/lines", local)
    assert {line["village_code"] for line in listed["items"]} == {VILLAGES[0]}
    others = next(item for item in await office.attempts() if item.payment_id == cycle.payment(1))
    await office.get(f"/accounts/{others.account_id}", local, 404)
    await office.get("/ledger/trial-balance", local, 403)
    done = await office.import_accounts(account_csv([grant.beneficiary_id for grant in cycle.granted]), local)
    assert (done["unchanged"], done["rejected"]) == (2, 4)


async def test_pages_follow_one_another_without_gap_or_repeat(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(11))
    await office.pay(cycle)
    seen, cursor = [], ""
    while cursor is not None:
        page = await office.get(f"/payments?limit=4&cycle_id={cycle.id}" + (f"&cursor={cursor}" if cursor else ""))
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == seen == sorted(str(cycle.payment(n)) for n in range(11))
    await office.get("/payments?cursor=bm9uc2Vuc2U", status=400)
