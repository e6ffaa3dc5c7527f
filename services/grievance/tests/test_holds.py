"""Holds: one payment, a reason, an owner, an end (fault 24)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.grievance.holds import expire_holds
from services.grievance.tests.building import (
    COMMUNE,
    ELSEWHERE,
    VILLAGE,
    Officer,
    about_payment,
    payment,
    run_schedule,
    start,
    uid,
)
from shared.contracts.grievance import HoldPlaced, HoldReleased
from shared.testing.plugin import MakeService
from shared.testing.service import TestService


@pytest.fixture
async def grievance(make_service: MakeService) -> TestService:
    return await start(make_service)


def hold_on(name: str, **changes: Any) -> dict[str, Any]:
    body = {"payment_id": str(uid("payment", name)), "reason": "complaint_pending", "until": "2020-07-10"}
    return body | changes


async def expire(grievance: TestService) -> None:
    await run_schedule(grievance, "expire_holds")


async def test_fault_24_a_hold_stops_one_payment_and_no_other_of_the_household(grievance: TestService) -> None:
    await grievance.deliver(payment("july", "failed", 1), payment("august", "failed", 1))
    officer = Officer(grievance, areas=(COMMUNE,))

    placed = await officer.post("/holds", hold_on("july"))

    assert placed.status_code == 201, placed.text
    assert (placed.json()["owner"], placed.json()["until"]) == ("officer-1", "2020-07-10")
    (told,) = [event for event in await grievance.outbox() if event.TYPE.startswith("samaki.grievance.hold.")]
    assert isinstance(told, HoldPlaced)
    assert (told.payment_id, told.key) == (uid("payment", "july"), str(uid("payment", "july")))
    assert (await officer.get("/holds", payment_id=str(uid("payment", "august")))).json()["items"] == []


@pytest.mark.parametrize("whole", ["household_id", "beneficiary_id"])
async def test_fault_24_a_household_cannot_be_named(grievance: TestService, whole: str) -> None:
    body = hold_on("july", **{whole: str(uid("household", "a"))})
    answer = await Officer(grievance).post("/holds", body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == whole


@pytest.mark.parametrize("missing", ["payment_id", "reason", "until"])
async def test_fault_24_a_hold_without_payment_reason_or_end_is_refused(grievance: TestService, missing: str) -> None:
    body = hold_on("july")
    del body[missing]
    answer = await Officer(grievance).post("/holds", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, missing)


@pytest.mark.parametrize("until", ["2020-06-30", "2020-09-30"])
async def test_a_hold_ends_neither_in_the_past_nor_in_a_distant_future(grievance: TestService, until: str) -> None:
    answer = await Officer(grievance).post("/holds", hold_on("july", until=until))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "until")
    assert await grievance.outbox() == []


async def test_fault_24_a_forgotten_hold_ends_by_itself_once_after_its_last_local_day(grievance: TestService) -> None:
    officer = Officer(grievance)
    short = (await officer.post("/holds", hold_on("july"))).json()
    longer = (await officer.post("/holds", hold_on("august", until="2020-07-20"))).json()
    await grievance.outbox()

    grievance.clock.advance(timedelta(days=9, hours=7, minutes=59))  # 10 July, 23:59 in Phnom Penh
    await expire(grievance)
    assert await grievance.outbox() == []
    grievance.clock.advance(timedelta(minutes=1))
    await expire(grievance)
    await expire(grievance)

    (told,) = await grievance.outbox()
    assert isinstance(told, HoldReleased)
    assert (told.hold_id, told.cause, told.version) == (UUID(short["id"]), "expired", 2)
    officer = Officer(grievance)
    assert (await officer.get(f"/holds/{short['id']}")).json()["state"] == "expired"
    assert (await officer.get(f"/holds/{longer['id']}")).json()["state"] == "active"


async def test_many_holds_expire_set_wise_each_once_even_by_two_workers(
    grievance: TestService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expire_holds, "CHUNK", 3)
    officer = Officer(grievance)
    for n in range(8):
        assert (await officer.post("/holds", hold_on(f"p{n}"))).status_code == 201
    await grievance.outbox()
    grievance.clock.advance(timedelta(days=10))

    await asyncio.gather(expire(grievance), expire(grievance))
    await expire(grievance)

    told = await grievance.outbox()
    assert sorted(event.key for event in told) == sorted(str(uid("payment", f"p{n}")) for n in range(8))


async def test_a_held_payment_is_released_and_may_be_held_again_with_growing_versions(grievance: TestService) -> None:
    officer = Officer(grievance)
    first = (await officer.post("/holds", hold_on("july"))).json()
    again = await officer.post("/holds", hold_on("july"))
    assert (again.status_code, again.json()["code"]) == (409, "hold_exists")

    released = await officer.post(f"/holds/{first['id']}:release", {"cause": "resolved"}, version=first["version"])
    assert (released.status_code, released.json()["state"]) == (200, "released")
    twice = await officer.post(f"/holds/{first['id']}:release", {}, version=released.json()["version"])
    assert (twice.status_code, twice.json()["code"]) == (409, "hold_ended")
    assert (await officer.post("/holds", hold_on("july"))).status_code == 201

    told = await grievance.outbox()
    assert [(type(event), event.version) for event in told] == [(HoldPlaced, 1), (HoldReleased, 2), (HoldPlaced, 3)]


async def test_eight_officers_hold_one_payment_at_once_one_hold_results(grievance: TestService) -> None:
    officers = [Officer(grievance, subject=f"officer-{n}") for n in range(8)]
    answers = await asyncio.gather(*(officer.post("/holds", hold_on("july")) for officer in officers))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert len(await grievance.outbox()) == 1


async def test_release_and_placing_at_once_never_take_the_same_version(grievance: TestService) -> None:
    officer = Officer(grievance)
    versions = []
    for _ in range(10):
        held = (await officer.get("/holds", payment_id=str(uid("payment", "july")), state="active")).json()["items"]
        actions = [officer.post("/holds", hold_on("july"))]
        actions += [officer.post(f"/holds/{hold['id']}:release", {}, version=hold["version"]) for hold in held]
        answers = await asyncio.gather(*actions)
        assert all(answer.status_code in {200, 201, 409} for answer in answers)
        versions += [event.version for event in await grievance.outbox()]
    assert len(versions) == len(set(versions)) == max(versions)


async def test_an_officer_holds_and_releases_only_inside_her_area(grievance: TestService) -> None:
    await grievance.deliver(payment("there", "failed", 1, village=ELSEWHERE))
    clerk = Officer(grievance, areas=(COMMUNE,), subject="clerk")
    assert (await clerk.post("/holds", hold_on("there", place_code=VILLAGE))).status_code == 403
    assert (await clerk.post("/holds", hold_on("unknown"))).status_code == 403
    assert (await clerk.post("/holds", hold_on("unknown", place_code=VILLAGE))).status_code == 201

    there = (await Officer(grievance).post("/holds", hold_on("there"))).json()
    assert (await clerk.get(f"/holds/{there['id']}")).status_code == 403
    assert (await clerk.post(f"/holds/{there['id']}:release", {}, version=1)).status_code == 403
    assert [hold["payment_id"] for hold in (await clerk.get("/holds")).json()["items"]] == [
        str(uid("payment", "unknown"))
    ]


async def test_a_hold_for_a_case_shows_there_and_must_be_on_its_payment(grievance: TestService) -> None:
    officer = Officer(grievance)
    case = (await officer.post("/cases", about_payment("july"))).json()
    other = await officer.post("/holds", hold_on("august", case_id=case["id"]))
    assert (other.status_code, other.json()["errors"][0]["code"]) == (422, "other_payment")
    assert (await officer.post("/holds", hold_on("july", case_id=case["id"]))).status_code == 201
    (shown,) = (await officer.get(f"/cases/{case['id']}")).json()["holds"]
    assert (shown["payment_id"], shown["state"]) == (str(uid("payment", "july")), "active")


async def test_a_hold_ends_by_itself_when_its_case_is_answered_by_an_officer_or_by_the_money(
    grievance: TestService,
) -> None:
    officer = Officer(grievance)
    complained = (await officer.post("/cases", about_payment("july"))).json()
    await grievance.deliver(payment("august", "failed", 1))
    items = (await officer.get("/cases", subject_id=str(uid("payment", "august")))).json()["items"]
    for name, case in (("july", complained), ("august", items[0])):
        assert (await officer.post("/holds", hold_on(name, case_id=case["id"]))).status_code == 201
    await grievance.outbox()
    case = await officer.act(complained, "assign", {})
    await officer.act(case, "resolve", {"outcome": "upheld", "note": "x"})
    await grievance.deliver(payment("august", "settled", 2))
    released = [event for event in await grievance.outbox() if isinstance(event, HoldReleased)]
    assert [(event.payment_id, event.cause) for event in released] == [
        (uid("payment", "july"), "resolved"),
        (uid("payment", "august"), "resolved"),
    ]


async def test_a_failing_commit_places_no_hold(grievance: TestService) -> None:
    async with grievance.commits_fail():
        answer = await Officer(grievance).post("/holds", hold_on("july"))
    assert answer.status_code >= 500
    assert await grievance.outbox() == []
    assert (await Officer(grievance).get("/holds")).json()["items"] == []
