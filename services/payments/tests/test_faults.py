"""Faults that systems of this kind have (faults.md), each shown the right way round."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import text

from services.payments.tests.builders import CORE, LINE, SETTINGS, Cycle, Grant, Office, account_csv, grants
from shared.contracts.eligibility import EntitlementGranted
from shared.contracts.payments import PaymentListApproved
from shared.testing.plugin import MakeService


async def ready_to_approve(make_service: MakeService, cycle: Cycle) -> tuple[Office, dict]:
    office = Office(await make_service(CORE, **SETTINGS))
    await office.prepare(cycle)
    built = await office.build(cycle)
    await office.post(f"/payment-lists/{built['id']}:submit", office.maker, None, 200)
    return office, built


async def test_fault_2_the_same_request_twice_opens_one_fund_and_another_body_is_refused(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    body = {"code": "F-1", "currency": "KHR", "programme_lines": [LINE], "allotment": "5000"}
    key = {"Idempotency-Key": "open-f-1"}
    first = await office.post("/funds", office.releaser, body, 201, **key)
    again = await office.post("/funds", office.releaser, body, 201, **key)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await office.post("/funds", office.releaser, body | {"allotment": "6000"}, 409, **key)
    assert other.json()["code"] == "idempotency_key_reused"
    assert (await office.balances())["available"] == 5000


@pytest.mark.parametrize("allotment", ["100.5", "0", "-5", "1e30", "NaN", "1000.001"])
async def test_fault_5_money_that_cannot_be_is_refused_with_the_field_named(
    make_service: MakeService, allotment: str
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    body = {"code": "F-1", "currency": "KHR", "programme_lines": [LINE], "allotment": allotment}
    refused = await office.post("/funds", office.releaser, body, 422)
    assert refused.json()["errors"][0]["field"] == "allotment"
    await office.get("/funds/F-1", office.releaser, 404)


async def test_fault_5_an_entitlement_with_a_fraction_of_a_riel_is_parked_not_rounded(
    make_service: MakeService,
) -> None:
    service = await make_service(CORE, **SETTINGS)
    (event,) = Cycle([Grant(uuid4(), amount=Decimal("100.50"))]).entitlements()
    good = Cycle(grants(2)).entitlements()
    await service.deliver(good[0], event, good[1], allow_parked=True)
    async with service.database.session() as session:
        parked = (await session.scalars(text("SELECT key FROM parked_event"))).all()
        stored = (await session.scalars(text("SELECT count(*) FROM entitlement"))).one()
    assert (parked, stored) == ([event.key], 2)


async def test_fault_6_of_two_approvers_at_once_one_succeeds_and_the_other_is_told(make_service: MakeService) -> None:
    office, built = await ready_to_approve(make_service, Cycle(grants(5)))
    body = {"content_hash": built["content_hash"]}
    path = f"/payment-lists/{built['id']}:approve"
    checkers = [office.service.token("payment_approver", subject=f"checker-{n}") for n in range(4)]
    answers = await asyncio.gather(*(office.post(path, checker, body) for checker in checkers))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"list_state"}
    assert (await office.balances())["reserved"] == Decimal(built["ready_amount"])
    events = await office.service.outbox()
    assert [type(event) for event in events] == [PaymentListApproved]


async def test_fault_6_eight_officers_ask_for_the_list_of_one_cycle_at_once(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(3))
    await office.prepare(cycle)
    body = {"cycle_id": str(cycle.id)}
    answers = await asyncio.gather(*(office.post("/payment-lists", office.maker, body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"list_exists"}


async def test_fault_7_two_payments_to_one_person_in_a_cycle_stay_two(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    person = uuid4()
    cycle = Cycle([Grant(person), Grant(person, amount=Decimal(20_000), component="disability_allowance")])
    await office.pay(cycle)
    page = await office.get(f"/payments?beneficiary_id={person}")
    assert sorted(item["amount"] for item in page["items"]) == ["20000", "592000"]
    assert len({item["end_to_end_id"] for item in [row._mapping for row in await office.attempts()]}) == 2


async def test_fault_8_a_list_is_refused_when_an_amount_was_altered_on_the_way(make_service: MakeService) -> None:
    """The count is right and the national sum too: only the totals by province tell."""
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(6))
    events = cycle.entitlements()
    moved = [
        event.model_copy(update={"village_code": "25010101"}) if n == 0 else event for n, event in enumerate(events)
    ]
    await office.service.deliver(*moved, cycle.closed())
    await office.open_fund()
    answer = await office.post("/payment-lists", office.maker, {"cycle_id": str(cycle.id)}, 202)
    (job,) = [job for job in await office.service.run_jobs(allow_failed=True) if job["kind"] == "build_payment_list"]
    assert (job["state"], job["error"]["code"]) == ("failed", "control_totals_differ")
    assert {item["province_code"] for item in job["error"]["differences"]} == {"01", "25"}
    refused = await office.get(f"/payment-lists/{answer.json()['payment_list_id']}")
    assert (refused["status"], refused["ready_count"]) == ("refused", 0)


async def test_fault_8_a_list_waits_until_every_entitlement_has_arrived(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(10))
    events = cycle.entitlements()
    await office.open_fund()
    early = await office.post("/payment-lists", office.maker, {"cycle_id": str(cycle.id)}, 409)
    assert early.json()["code"] == "cycle_not_closed"
    await office.service.deliver(*events[:8], cycle.closed())
    waiting = await office.post("/payment-lists", office.maker, {"cycle_id": str(cycle.id)}, 409)
    assert waiting.json()["code"] == "entitlements_incomplete"
    assert (waiting.json()["announced"], waiting.json()["received"]) == (10, 8)
    await office.service.deliver(*events[8:])
    await office.post("/payment-lists", office.maker, {"cycle_id": str(cycle.id)}, 202)


async def test_fault_9_only_the_hash_of_the_list_as_it_stands_is_approved(make_service: MakeService) -> None:
    office, built = await ready_to_approve(make_service, Cycle(grants(5)))
    path = f"/payment-lists/{built['id']}:approve"
    wrong = await office.post(path, office.checker, {"content_hash": "0" * 64}, 409)
    assert wrong.json()["code"] == "content_changed"
    async with office.service.database.session() as session:
        await session.execute(text("UPDATE payment_list_line SET amount = amount + 1000 WHERE amount = 100000"))
    tampered = await office.post(path, office.checker, {"content_hash": built["content_hash"]}, 409)
    assert tampered.json()["code"] == "content_changed"


async def test_fault_9_a_line_altered_after_approval_stops_the_disbursement(make_service: MakeService) -> None:
    office, built = await ready_to_approve(make_service, Cycle(grants(5)))
    body = {"content_hash": built["content_hash"]}
    await office.post(f"/payment-lists/{built['id']}:approve", office.checker, body, 200)
    async with office.service.database.session() as session:
        await session.execute(text("UPDATE payment_list_line SET amount = amount + 1000 WHERE amount = 100000"))
    await office.post(f"/payment-lists/{built['id']}:disburse", office.releaser, None, 202)
    jobs = await office.service.run_jobs(allow_failed=True)
    assert [job["error"]["code"] for job in jobs if job["error"]] == ["content_changed"]
    assert await office.attempts() == []


async def test_fault_9_any_change_voids_the_approval_and_gives_the_money_back(make_service: MakeService) -> None:
    cycle = Cycle(grants(5))
    office, built = await ready_to_approve(make_service, cycle)
    path = f"/payment-lists/{built['id']}"
    await office.post(f"{path}:approve", office.checker, {"content_hash": built["content_hash"]}, 200)
    changed = await office.post(
        f"{path}/lines/{cycle.payment(2)}:exclude", office.maker, {"reason": "died last week"}, 200
    )
    body = changed.json()
    assert (body["status"], body["approved_by"], body["ready_count"]) == ("built", None, 4)
    assert body["content_hash"] != built["content_hash"]
    assert (await office.balances())["reserved"] == 0
    await office.post(f"{path}:disburse", office.releaser, None, 409)
    approved = await office.approve(body)
    assert (await office.balances())["reserved"] == Decimal(approved["ready_amount"])
    assert (await office.disburse(body))["status"] == "disbursed"
    assert len(await office.attempts()) == 4
    story = await office.get(f"/payments/{cycle.payment(2)}")
    assert (story["status"], story["check"]["reasons"], story["check"]["note"]) == (
        "excluded", ["officer"], "died last week",
    )  # fmt: skip
    versions = [event.version for event in await office.service.outbox() if isinstance(event, PaymentListApproved)]
    assert versions == sorted(set(versions))


async def test_fault_10_a_cycle_has_one_list_unless_it_was_rejected(make_service: MakeService) -> None:
    cycle = Cycle(grants(3))
    office, built = await ready_to_approve(make_service, cycle)
    body = {"cycle_id": str(cycle.id)}
    again = await office.post("/payment-lists", office.maker, body, 409)
    assert (again.json()["code"], again.json()["payment_list_id"]) == ("list_exists", built["id"])
    await office.post(f"/payment-lists/{built['id']}:reject", office.checker, {"reason": "wrong month"}, 200)
    rebuilt = await office.build(cycle)
    assert rebuilt["content_hash"] == built["content_hash"]
    assert rebuilt["version"] > built["version"]


async def test_fault_11_one_person_under_several_roles_is_refused(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(3))
    await office.prepare(cycle)
    built = await office.build(cycle)
    path, body = f"/payment-lists/{built['id']}", {"content_hash": built["content_hash"]}
    every_role = ("payment_officer", "payment_approver", "finance_officer")
    maker = office.service.token(*every_role, subject="maker-1")
    submitter = office.service.token(*every_role, subject="submitter-1")
    checker = office.service.token(*every_role, subject="checker-1")
    await office.post(f"{path}:submit", submitter, None, 200)
    for person in (maker, submitter):
        refused = await office.post(f"{path}:approve", person, body, 403)
        assert refused.json()["code"] == "same_person"
    await office.post(f"{path}:approve", checker, body, 200)
    for person in (maker, submitter, checker):
        refused = await office.post(f"{path}:disburse", person, None, 403)
        assert refused.json()["code"] == "same_person"
    await office.post(f"{path}:disburse", office.releaser, None, 202)


async def test_law_3_a_failing_commit_is_never_a_success(make_service: MakeService) -> None:
    cycle = Cycle(grants(3))
    office, built = await ready_to_approve(make_service, cycle)
    path, body = f"/payment-lists/{built['id']}", {"content_hash": built["content_hash"]}
    async with office.service.commits_fail():
        answer = await office.post(f"{path}:approve", office.checker, body)
    assert answer.status_code >= 500
    assert (await office.get(path))["status"] == "submitted"
    assert (await office.balances())["reserved"] == 0
    assert await office.service.outbox() == []
    await office.post(f"{path}:approve", office.checker, body, 200)


async def test_fault_26_account_numbers_and_names_are_nowhere_in_clear(
    make_service: MakeService, capfd: pytest.CaptureFixture[str]
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(3))
    await office.service.deliver(*cycle.enrolments())
    people = [grant.beneficiary_id for grant in cycle.granted]
    await office.import_accounts(account_csv(people[:2]) + f"{people[2]},mobile_money,wing,85512x,Chan Thida,any\n")
    tables = ("account", "account_history", "account_import_finding", "audit_entry", "job", "outbox")
    async with office.service.database.session() as session:
        for table in tables:
            dump = " ".join(await session.scalars(text(f"SELECT CAST(t AS text) FROM {table} AS t")))
            for secret in ("85512000000", "Sok Dara", "85512x", "Chan Thida"):
                assert secret not in dump, (table, secret)
                assert secret.encode().hex() not in dump, (table, secret)
    logged = "".join(capfd.readouterr())
    assert "85512000" not in logged
    assert "Sok Dara" not in logged


async def test_law_4_an_event_told_twice_or_late_changes_nothing(make_service: MakeService) -> None:
    """Projections carry the producer's version: a replay of an old grant does not undo a newer one (law 4)."""
    service = await make_service(CORE, **SETTINGS)
    (event,) = Cycle([Grant(uuid4(), amount=Decimal(500))]).entitlements()
    newer: EntitlementGranted = event.model_copy(update={"version": 2, "amount": Decimal(700)})
    await service.deliver(newer)
    await service.deliver(event)
    async with service.database.session() as session:
        assert (await session.scalars(text("SELECT amount FROM entitlement"))).all() == [Decimal(700)]
