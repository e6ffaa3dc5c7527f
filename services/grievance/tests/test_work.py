"""Work: triage, referral, merging, sharing out by area and workload, lists of what is due, patterns, own households."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.grievance.officers.share_out import Desk, Waiting, share_out
from services.grievance.tests.building import (
    COMMUNE,
    ELSEWHERE,
    VILLAGE,
    Officer,
    about_payment,
    household,
    payment,
    run_schedule,
    start,
    uid,
)
from shared.contracts.registry import HouseholdDissolved, IdentityMerged, IdentityRestored
from shared.testing.plugin import MakeService
from shared.testing.service import TestService


@pytest.fixture
async def grievance(make_service: MakeService) -> TestService:
    return await start(make_service)


def supervisor(grievance: TestService) -> Officer:
    return Officer(grievance, role="case_supervisor", subject="boss")


async def enlist(grievance: TestService, subject: str, **card: Any) -> None:
    body = {"level": "commune", "areas": [COMMUNE], "capacity": 10, **card}
    answer = await supervisor(grievance).post(f"/officers/{subject}", body)
    assert answer.status_code == 201, answer.text


async def test_triage_gives_route_priority_and_a_deadline_from_the_day_of_complaint(grievance: TestService) -> None:
    officer = Officer(grievance)
    opened = await officer.open(category="employer")
    grievance.clock.advance(timedelta(days=2))
    officer = Officer(grievance)
    case = await officer.act(opened, "triage", {"category": "data_protection"})
    assert (case["route"], case["priority"], case["due_on"]) == ("data_protection", "high", "2020-07-15")
    assert case["state"] == "opened"
    wrong = await officer.post(f"/cases/{case['id']}:triage", {"category": "weather"}, version=case["version"])
    assert wrong.json()["errors"][0]["code"] == "unknown_category"
    clerk = Officer(grievance, areas=(COMMUNE,), subject="clerk")
    away = await clerk.post(f"/cases/{case['id']}:triage", {"place_code": ELSEWHERE}, version=case["version"])
    assert away.status_code == 403


async def test_a_referred_case_comes_back_with_an_answer_and_our_deadline_ran_on(grievance: TestService) -> None:
    officer = Officer(grievance)
    opened = await officer.open()
    case = await officer.act(opened, "assign", {})
    unknown = await officer.post(
        f"/cases/{case['id']}:refer", {"institution": "moon", "note": "x"}, version=case["version"]
    )
    assert unknown.json()["errors"][0]["code"] == "unknown_institution"
    case = await officer.act(case, "refer", {"institution": "labour", "note": "It is about wages."})
    assert (case["state"], case["due_on"]) == ("referred", opened["due_on"])
    case = await officer.act(case, "return", {"answer": "handled", "note": "Paid by the employer."})
    detail = (await officer.get(f"/cases/{case['id']}")).json()
    assert [(r["institution"], r["answer"]) for r in detail["referrals"]] == [("labour", "handled")]
    assert [note["visibility"] for note in detail["notes"]] == ["internal", "internal"]
    assert case["state"] == "in_progress"


async def test_repeats_are_found_and_merged_and_can_be_taken_apart_again(grievance: TestService) -> None:
    officer = Officer(grievance)
    household_id = str(uid("household", "h"))
    about = {"category": "registry", "subject_type": "household", "subject_id": household_id}
    first, repeat = await officer.open(**about), await officer.open(**about)
    similar = (await officer.get(f"/cases/{first['id']}/similar")).json()
    assert [case["id"] for case in similar] == [repeat["id"]]
    itself = await officer.post(f"/cases/{first['id']}:merge", {"into": first["id"]}, version=1)
    assert itself.json()["errors"][0]["code"] == "cannot_take_it"
    merged = await officer.act(repeat, "merge", {"into": first["id"]})
    assert (merged["state"], merged["merged_into"]) == ("merged", first["id"])
    assert [case["id"] for case in (await officer.get("/cases", answered=False)).json()["items"]] == [first["id"]]
    apart = await officer.act(merged, "reopen", {"note": "It was another matter."})
    assert (apart["state"], apart["merged_into"]) == ("reopened", None)


async def test_merging_crosswise_at_once_merges_one_into_the_other_and_deadlocks_nobody(
    grievance: TestService,
) -> None:
    officer = Officer(grievance)
    for _ in range(4):
        a, b = await officer.open(), await officer.open()
        answers = await asyncio.gather(
            officer.post(f"/cases/{a['id']}:merge", {"into": b["id"]}, version=1),
            officer.post(f"/cases/{b['id']}:merge", {"into": a["id"]}, version=1),
        )
        codes = sorted(answer.status_code for answer in answers)
        assert codes[0] == 200
        assert codes[1] in {412, 422}


async def test_cases_are_shared_out_by_area_and_workload_and_never_to_a_relative(grievance: TestService) -> None:
    await grievance.deliver(household("h", [uid("person", "her"), uid("person", "child")]))
    await enlist(grievance, "near-1", person_id=str(uid("person", "her")))
    await enlist(grievance, "near-2")
    await enlist(grievance, "far", areas=[ELSEWHERE[:6]])
    await enlist(grievance, "minister", level="ministry", areas=["*"])
    await enlist(grievance, "away", active=False)
    officer = Officer(grievance)
    for _ in range(6):
        await officer.open()
    hers = await officer.open(complainant_person_id=str(uid("person", "child")))
    elsewhere = await officer.open(place_code=ELSEWHERE)
    nowhere = await officer.open(place_code="12010101")
    await asyncio.gather(run_schedule(grievance, "assign_waiting"), run_schedule(grievance, "assign_waiting"))
    items = (await officer.get("/cases")).json()["items"]
    owners = {case["id"]: case["assigned_to"] for case in items}
    assert owners[elsewhere["id"]] == "far"
    assert owners[nowhere["id"]] is None, "nobody works there: a supervisor must see to it"
    assert owners[hers["id"]] == "near-2"
    assert sorted(owner for owner in owners.values() if owner and owner.startswith("near")) in (
        ["near-1"] * 3 + ["near-2"] * 4,
        ["near-1"] * 4 + ["near-2"] * 3,
    )
    detail = (await officer.get(f"/cases/{elsewhere['id']}")).json()
    assert [step["actor"] for step in detail["history"]] == ["officer-1", "system:assignment"]


desks = st.lists(
    st.builds(
        Desk,
        subject=st.sampled_from("abcdefgh"),
        level=st.sampled_from(["commune", "ministry"]),
        areas=st.sampled_from([("080101",), ("0801", "08"), ("*",), ("21",)]),
        categories=st.sampled_from([frozenset(), frozenset({"payment"})]),
        capacity=st.integers(1, 5),
        load=st.integers(0, 6),
        people=st.sampled_from([frozenset(), frozenset({UUID(int=1)})]),
    ),
    max_size=8,
    unique_by=lambda desk: desk.subject,
)
waiting = st.lists(
    st.builds(
        Waiting,
        id=st.uuids(),
        level=st.sampled_from(["commune", "ministry"]),
        category=st.sampled_from(["payment", "registry"]),
        place_code=st.sampled_from([None, "08010101", "21010101", "05"]),
        concerned=st.sampled_from([frozenset(), frozenset({UUID(int=1)})]),
    ),
    max_size=30,
    unique_by=lambda case: case.id,
)


@given(waiting, desks)
def test_whoever_gets_a_case_fits_it_and_nobody_gets_more_than_she_can_take(
    cases: list[Waiting], officers: list[Desk]
) -> None:
    given = share_out(cases, officers)
    known = {desk.subject: desk for desk in officers}
    by_id = {case.id: case for case in cases}
    for case_id, subject in given.items():
        case, desk = by_id[case_id], known[subject]
        assert desk.level == case.level
        assert any(area == "*" or (case.place_code or "").startswith(area) for area in desk.areas)
        assert not desk.categories or case.category in desk.categories
        assert desk.people.isdisjoint(case.concerned)
    for desk in officers:
        got = sum(subject == desk.subject for subject in given.values())
        assert got == 0 or desk.load + got <= desk.capacity


async def test_the_work_list_shows_what_is_due_today_and_what_is_late(grievance: TestService) -> None:
    officer = Officer(grievance, areas=(COMMUNE, ELSEWHERE[:4]))
    mine = [await officer.act(await officer.open(), "assign", {}) for _ in range(3)]
    slow = await officer.act(await officer.open(category="employer"), "assign", {})
    loose = await officer.open(place_code=ELSEWHERE)
    await officer.act(await officer.open(), "assign", {"assignee": "colleague"})
    await Officer(grievance).open(place_code="12010101")

    async def listed(part: str) -> set[str]:
        return {case["id"] for case in (await officer.get("/work", part=part)).json()["items"]}

    assert await listed("mine") == {case["id"] for case in [*mine, slow]}
    assert await listed("unassigned") == {loose["id"]}
    assert await listed("due_today") == set()
    grievance.clock.advance(timedelta(days=14))  # 15 July, the last day of the payment cases
    officer = Officer(grievance, areas=(COMMUNE, ELSEWHERE[:4]))
    assert await listed("due_today") == {case["id"] for case in mine}
    assert (await officer.get("/work/counts")).json() == {
        "mine": 4,
        "mine_due_today": 3,
        "mine_overdue": 0,
        "unassigned": 1,
        "overdue": 0,
        "limit": 1000,
    }
    grievance.clock.advance(timedelta(days=1))
    officer = Officer(grievance, areas=(COMMUNE, ELSEWHERE[:4]))
    assert await listed("overdue") == {case["id"] for case in mine}
    pages, cursor = [], None
    while True:
        page = (await officer.get("/work", limit=1, **({"cursor": cursor} if cursor else {}))).json()
        pages += [case["id"] for case in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert len(pages) == len(set(pages)) == 4


async def test_nested_areas_list_a_case_once(grievance: TestService) -> None:
    await Officer(grievance).open()
    officer = Officer(grievance, areas=(VILLAGE[:2], COMMUNE, VILLAGE))
    assert len((await officer.get("/cases")).json()["items"]) == 1


async def test_nobody_handles_a_case_of_her_household_whatever_way_it_leads_there(grievance: TestService) -> None:
    me, child, old = uid("person", "me"), uid("person", "child"), uid("person", "old")
    await grievance.deliver(household("a", [me, child]), payment("p", "instructed", 1, beneficiary="a"))
    await grievance.deliver(
        IdentityMerged(version=1, kind="person", retired_id=old, surviving_id=child, merge_id=uuid4())
    )
    colleague = Officer(grievance, subject="colleague")
    ours = [
        await colleague.open(complainant_person_id=str(child)),
        await colleague.open(complainant_person_id=str(old)),
        await colleague.open(category="registry", subject_type="household", subject_id=str(uid("household", "a"))),
        (await colleague.post("/cases", about_payment("p"))).json(),
    ]
    other = await colleague.open()
    officer = Officer(grievance, person_id=me, subject="me")
    for case in ours:
        for answer in (
            await officer.get(f"/cases/{case['id']}"),
            await officer.post(f"/cases/{case['id']}:assign", {}, version=1),
            await officer.post(f"/cases/{case['id']}/notes", {"text": "x"}),
            await officer.post(f"/cases/{case['id']}:triage", {"priority": "low"}, version=1),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "own_case")
    assert [case["id"] for case in (await officer.get("/cases")).json()["items"]] == [other["id"]]
    await enlist(grievance, "me", person_id=str(me))
    answer = await colleague.post(f"/cases/{ours[0]['id']}:assign", {"assignee": "me"}, version=1)
    assert (answer.status_code, answer.json()["code"]) == (403, "own_case")
    await grievance.deliver(
        HouseholdDissolved.model_validate(
            {"version": 2, "household_id": uid("household", "a"), "cause": "split", "effective_on": "2020-07-01"}
        ),
        IdentityRestored(version=2, kind="person", retired_id=old, surviving_id=child, merge_id=uuid4()),
    )
    assert (await officer.get(f"/cases/{ours[1]['id']}")).status_code == 200, "she lives elsewhere now"


async def test_one_account_one_agent_and_one_official_in_many_cases_are_flagged_once(grievance: TestService) -> None:
    for n in range(12):
        token = "same" if n < 3 else f"t{n}"
        await grievance.deliver(payment(f"p{n}", "failed", 1, account_token=token, agent_code="AG-7"))
    official = str(uuid4())
    for _ in range(3):
        await Officer(grievance).open(category="registry", subject_type="official", subject_id=official)
    sealed_official = str(uuid4())
    for _ in range(3):
        await Officer(grievance).open(category="conduct", subject_type="official", subject_id=sealed_official)
    for _ in range(2):
        await run_schedule(grievance, "flag_patterns")
    boss = supervisor(grievance)
    found = (await boss.get("/patterns")).json()["items"]
    assert {(p["kind"], p["subject"], p["cases"]) for p in found} == {
        ("account", "same", 3),
        ("agent", "AG-7", 12),
        ("official", official, 3),
    }
    sealed = Officer(grievance, role="sealed_case_officer", subject="s")
    (hidden,) = (await sealed.get("/sealed-patterns")).json()["items"]
    assert hidden["subject"] == sealed_official
    agent = next(pattern for pattern in found if pattern["kind"] == "agent")
    detail = (await boss.get(f"/patterns/{agent['id']}")).json()
    assert len(detail["case_ids"]) == 12
    case = (await Officer(grievance).get(f"/cases/{detail['case_ids'][0]}")).json()
    assert "agent" in {pattern["kind"] for pattern in case["patterns"]}
    judged = await boss.post(f"/patterns/{agent['id']}:judge", {"state": "dismissed"}, version=detail["version"])
    assert judged.json()["state"] == "dismissed"
    for n in range(12, 24):
        await grievance.deliver(payment(f"p{n}", "failed", 1, agent_code="AG-7"))
    await run_schedule(grievance, "flag_patterns")
    again = (await boss.get(f"/patterns/{agent['id']}")).json()
    assert (again["state"], again["cases"]) == ("open", 24), "it comes back when its cases have doubled"
    assert (await Officer(grievance, role="case_supervisor", areas=("08",)).get("/patterns")).status_code == 403


async def test_a_supervisor_names_officers_for_her_own_area_only_and_two_at_once_see_each_other(
    grievance: TestService,
) -> None:
    boss = Officer(grievance, role="case_supervisor", subject="boss", areas=("08",))
    card = {"level": "commune", "areas": ["21"]}
    assert (await boss.post("/officers/o", card)).status_code == 403
    assert (await boss.post("/officers/o", card | {"areas": ["*"]})).status_code == 403
    wrong = await boss.post("/officers/o", {"level": "moon", "areas": ["08"], "categories": ["weather"]})
    assert [error["field"] for error in wrong.json()["errors"]] == ["level", "categories"]
    good = {"level": "commune", "areas": ["0801"]}
    assert (await boss.post("/officers/o", good)).status_code == 201
    assert (await boss.post("/officers/o", good)).status_code == 409
    changes = [
        grievance.http.put(
            "/grievance/v1/officers/o", json=good | {"capacity": n}, headers=boss.headers | {"If-Match": '"1"'}
        )
        for n in (1, 2)
    ]
    assert sorted(answer.status_code for answer in await asyncio.gather(*changes)) == [200, 412]
    assert [officer["subject"] for officer in (await boss.get("/officers")).json()["items"]] == ["o"]
