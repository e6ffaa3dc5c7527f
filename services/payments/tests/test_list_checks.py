"""What keeps a line out, what a person may do about it, who must approve, and what stops everything."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.accounts.model import normal_name
from services.payments.emergency_stops.check import stopped_attempts, stops_sending
from services.payments.lists.model import split_amount
from services.payments.tests.builders import CORE, SETTINGS, Cycle, Grant, Office, account_csv, grants
from shared.contracts.payments import PaymentExcluded, PaymentInstructed
from shared.contracts.registry import HouseholdDissolved, LifeEventRecorded, LifeEventWithdrawn
from shared.testing.plugin import MakeService

CEILING = {**SETTINGS, "payment_ceilings": {"KHR": "500000"}}


def death(household, *, living: int = 0, person=None, version: int = 1, event=None) -> LifeEventRecorded:
    return LifeEventRecorded(
        version=version,
        life_event_id=event or uuid4(),
        kind="death",
        person_id=person or uuid4(),
        household_id=household,
        occurred_on=date(2020, 6, 20),
        source="officer",
        village_code="01020101",
        living_members=living,
    )


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_a_split_keeps_the_sum_and_the_ceiling(amount: int, ceiling: int) -> None:
    if amount // ceiling > 10_000:
        return
    parts = split_amount(Decimal(amount), Decimal(ceiling))
    assert sum(parts) == amount
    assert all(0 < part <= ceiling for part in parts)


def test_names_are_compared_without_accents_case_and_order() -> None:
    assert normal_name("SOK, Dàra") == normal_name("dara  sok") != normal_name("dara sak")
    assert normal_name("សុខ ដារា") == normal_name("ដារា សុខ") != normal_name("ដារា")


async def test_the_dead_the_dissolved_the_sanctioned_and_the_unconfirmed_are_left_out(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **CEILING))
    cycle = Cycle(
        [Grant(uuid4(), amount=Decimal(100_000 + n)) for n in range(8)] + [Grant(uuid4(), amount=Decimal(900_000))]
    )
    people = [grant.beneficiary_id for grant in cycle.granted]
    events = cycle.entitlements()
    events[4] = events[4].model_copy(update={"unconfirmed": True})
    undone = uuid4()
    await office.service.deliver(*cycle.enrolments(), *events, cycle.closed())
    await office.service.deliver(
        death(people[0]),
        death(people[1], living=3),
        death(people[5], event=undone),
        death(uuid4(), person=people[6], living=2),
        LifeEventWithdrawn(
            version=2, life_event_id=undone, kind="death", person_id=uuid4(), household_id=people[5], cause="mistake"
        ),
        HouseholdDissolved(version=5, household_id=people[2], cause="merged", effective_on=date(2020, 6, 1)),
    )
    await office.import_accounts(account_csv(people).replace("Sok Dara 3", "Prum Visal"))
    listed = "name,reference\nMr VISAL Prum,UN-77\n"
    loaded = await office.service.http.put(
        "/payments/v1/sanctions/list?source=UN+2020-06", content=listed, headers=office.checker
    )
    assert (loaded.status_code, loaded.json()["names"]) == (200, 1)
    await office.open_fund()
    built = await office.build(cycle)
    lines = (await office.get(f"/payment-lists/{built['id']}/lines?limit=500"))["items"]
    found = {line["beneficiary_id"]: line["reasons"] for line in lines}
    assert [found[str(person)] for person in people] == [
        ["deceased"], [], ["dissolved"], ["sanctions"], ["unconfirmed"], [], ["deceased"], [], ["over_ceiling"],
    ]  # fmt: skip
    told = [event for event in await office.service.outbox() if isinstance(event, PaymentExcluded)]
    assert sorted(event.reason_code for event in told) == [
        "deceased", "deceased", "dissolved", "over_ceiling", "sanctions", "unconfirmed",
    ]  # fmt: skip


async def test_a_bad_sanctions_file_leaves_the_list_before_in_force(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    path = "/payments/v1/sanctions/list?source=test"
    http = office.service.http
    assert (await http.put(path, content="name,reference\nA B,1\n", headers=office.checker)).status_code == 200
    bad = await http.put(path, content="name,reference\n,2\nX Y\n", headers=office.checker)
    assert (bad.status_code, [error["field"] for error in bad.json()["errors"]]) == (422, ["line 2", "line 3"])
    assert (await http.put(path, content="x", headers=office.maker)).status_code == 403
    assert [item["names"] for item in await office.get("/sanctions/lists")] == [1]


async def test_a_line_over_the_ceiling_is_split_with_a_reason_and_paid_in_parts(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **CEILING))
    cycle = Cycle([Grant(uuid4(), amount=Decimal(1_200_000)), Grant(uuid4(), amount=Decimal(90_000))])
    await office.prepare(cycle)
    built = await office.build(cycle)
    assert (built["ready_count"], built["excluded_count"]) == (1, 1)
    path = f"/payment-lists/{built['id']}/lines/{cycle.payment(0)}:split"
    for amounts in (["600000", "600000"], ["500000", "500000"], ["500000.5", "699999.5"]):
        bad = await office.post(path, office.maker, {"reason": "large arrears", "amounts": amounts}, 422)
        assert bad.json()["code"] in {"bad_parts", "invalid"}
    split = (await office.post(path, office.maker, {"reason": "large arrears"}, 200)).json()
    assert (split["ready_count"], split["ready_amount"], split["excluded_count"]) == (4, "1290000", 0)
    await office.post(path, office.maker, {"reason": "again please"}, 404)
    await office.approve(split)
    assert (await office.disburse(built))["status"] == "disbursed"
    amounts = sorted(int(attempt.amount) for attempt in await office.attempts())
    assert amounts == [90_000, 200_000, 500_000, 500_000]
    await office.send()
    report = await office.self_check()
    assert report["items"] == [], report["items"]


async def test_prioritised_lines_are_instructed_first_and_the_approval_is_void(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(30))
    await office.prepare(cycle)
    built = await office.build(cycle)
    await office.approve(built)
    wanted = sorted(str(cycle.payment(n)) for n in range(30))[-3:]
    body = {"payments": wanted, "reason": "hospital bills", "priority": 2}
    changed = (await office.post(f"/payment-lists/{built['id']}/lines:prioritise", office.maker, body, 200)).json()
    assert (changed["status"], changed["content_hash"]) == ("built", built["content_hash"])
    assert (await office.balances())["reserved"] == 0
    await office.approve(changed)
    await office.service.outbox()
    await office.disburse(built)
    told = [str(event.payment_id) for event in await office.service.outbox() if isinstance(event, PaymentInstructed)]
    assert sorted(told[:3]) == wanted
    assert len(set(told)) == 30


async def test_above_the_threshold_two_different_people_approve(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS, second_approval_above={"KHR": "300000"}))
    cycle = Cycle(grants(4))
    await office.prepare(cycle)
    built = await office.build(cycle)
    assert built["approvals_needed"] == 2
    first = await office.approve(built)
    assert (first["status"], first["first_approved_by"], (await office.balances())["reserved"]) == (
        "part_approved", "checker-1", 0,
    )  # fmt: skip
    path, body = f"/payment-lists/{built['id']}", {"content_hash": built["content_hash"]}
    same = await office.post(f"{path}:approve", office.checker, body, 403)
    assert same.json()["code"] == "same_person"
    await office.post(f"{path}:disburse", office.releaser, None, 409)
    second = [office.service.token("payment_approver", subject=f"checker-{n}") for n in (2, 3, 4)]
    answers = await asyncio.gather(*(office.post(f"{path}:approve", who, body) for who in second))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert (await office.balances())["reserved"] == sum(grant.amount for grant in cycle.granted)


@pytest.mark.parametrize("scope", ["programme", "fund"])
async def test_a_stop_of_a_programme_or_fund_halts_approval_and_release(make_service: MakeService, scope: str) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(3))
    await office.prepare(cycle)
    built = await office.build(cycle)
    path, body = f"/payment-lists/{built['id']}", {"content_hash": built["content_hash"]}
    await office.post(f"{path}:submit", office.maker, None, 200)
    target = {"programme": "KH-CTP-COVID", "fund": "TREASURY-20"}[scope]
    stop = {"scope": scope, "target": target, "reason": "fraud suspected"}
    placed = (await office.post("/emergency-stops", office.checker, stop, 201)).json()
    assert (await office.post("/emergency-stops", office.maker, stop, 409)).json()["code"] == "stop_exists"
    halted = (await office.post(f"{path}:approve", office.checker, body, 409)).json()
    assert (halted["code"], halted["scope"], halted["target"]) == ("emergency_stopped", scope, target)
    async with office.service.database.session() as session:
        assert await stops_sending(session, rail="bank", payment_list_id=built["id"]) == f"{scope}_stopped"
    lift = f"/emergency-stops/{placed['id']}:lift"
    assert (await office.post(lift, office.checker, {"reason": "looked into"}, 403)).json()["code"] == "same_person"
    await office.post(lift, office.releaser, {"reason": "looked into"}, 200)
    await office.post(f"{path}:approve", office.checker, body, 200)


async def test_a_stopped_person_waits_with_her_money_reserved_and_is_paid_when_it_is_lifted(
    make_service: MakeService,
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(5))
    await office.prepare(cycle)
    built = await office.build(cycle)
    await office.approve(built)
    stop = {"scope": "person", "target": str(cycle.granted[2].beneficiary_id), "reason": "identity theft"}
    placed = (await office.post("/emergency-stops", office.maker, stop, 201)).json()
    assert (await office.disburse(built))["status"] == "partly_disbursed"
    attempts = await office.attempts()
    assert len(attempts) == 4
    await office.post(f"/emergency-stops/{placed['id']}:lift", office.releaser, {"reason": "cleared"}, 200)
    assert (await office.disburse(built))["status"] == "disbursed"
    await office.post("/emergency-stops", office.maker, stop, 201)
    async with office.service.database.session() as session:
        everyone = [attempt.id for attempt in await office.attempts()]
        (held,) = await stopped_attempts(session, everyone)
    assert held not in {attempt.id for attempt in attempts}


async def test_a_changed_account_cools_off_before_a_list_pays_to_it(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    first, second = Cycle(grants(2)), None
    people = [grant.beneficiary_id for grant in first.granted]
    await office.prepare(first)
    await office.import_accounts(account_csv(people, start=85577000000))
    built = await office.build(first)
    assert [item["reason"] for item in built["excluded"]] == ["account_changed"]
    second = Cycle(first.granted, period="2020-08")
    await office.service.deliver(*second.entitlements(), second.closed(period="2020-08"))
    office.service.clock.advance(timedelta(hours=73))
    office = Office(office.service)
    rebuilt = await office.build(second)
    assert (rebuilt["ready_count"], rebuilt["excluded_count"]) == (2, 0)
