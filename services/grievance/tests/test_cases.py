"""Cases over HTTP: opened, worked on and answered, by the right people, once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, table, text

from services.grievance.tests.building import (
    COMMUNE,
    ELSEWHERE,
    STORY,
    VILLAGE,
    Officer,
    about_payment,
    complaint,
    payment,
    start,
    uid,
)
from shared.contracts.grievance import CaseOpened, CaseReopened, CaseResolved
from shared.testing.plugin import MakeService
from shared.testing.service import TestService


@pytest.fixture
async def grievance(make_service: MakeService) -> TestService:
    return await start(make_service)


async def test_a_failed_payment_is_complained_about_corrected_paid_and_the_case_resolved(
    grievance: TestService,
) -> None:
    await grievance.deliver(payment("p", "instructed", 1), payment("p", "failed", 2))
    officer = Officer(grievance, areas=(COMMUNE,))
    answer = await officer.post("/cases", about_payment("p", place_code=None))
    assert answer.status_code == 201, answer.text
    case = answer.json()
    assert case["place_code"] == VILLAGE, "a case about a known payment belongs to the payment's village"

    case = await officer.act(case, "assign", {})
    assert case["assigned_to"] == "officer-1"
    case = await officer.act(case, "start")
    note = await officer.post(f"/cases/{case['id']}/notes", {"text": "Account closed; new one asked for."})
    assert note.status_code == 201
    before = (await officer.get(f"/cases/{case['id']}")).json()
    assert (before["payment"]["status"], before["payment"]["reason_code"]) == ("failed", "AC04")

    await grievance.deliver(payment("p", "instructed", 3, attempt=2), payment("p", "settled", 4, attempt=2))
    paid = (await officer.get(f"/cases/{case['id']}")).json()
    assert (paid["payment"]["status"], paid["payment"]["attempt"]) == ("settled", 2)
    assert paid["payment"]["amount"] == "200000.00"
    assert [(step["status"], step["attempt"]) for step in paid["payment"]["history"]] == [
        ("instructed", 1),
        ("failed", 1),
        ("instructed", 2),
        ("settled", 2),
    ]
    case = await officer.act(paid, "resolve", {"outcome": "upheld", "note": "Paid to the new account."})

    told = await grievance.outbox()
    own = [event for event in told if event.key == case["id"]]
    assert [type(event) for event in own] == [CaseOpened, CaseResolved]
    assert [event.version for event in own] == [1, case["version"]]
    shown = (await officer.get(f"/cases/{case['id']}")).json()
    assert [step["action"] for step in shown["history"]] == ["open", "assign", "start", "payment_settled", "resolve"]
    assert [(n["visibility"], n["text"]) for n in shown["notes"]] == [
        ("internal", "Account closed; new one asked for."),
        ("public", "Paid to the new account."),
    ]
    assert shown["description"] == STORY
    assert shown["possible"] == ["close", "reopen"]


async def test_fault_23_a_truly_anonymous_complaint_gets_a_receipt_and_can_be_followed(grievance: TestService) -> None:
    web = Officer(grievance, role="public_client", subject="web")
    answer = await web.post("/cases", {"category": "payment", "channel": "web", "description": STORY})
    assert answer.status_code == 201, answer.text
    opened = answer.json()
    assert opened["anonymous"] is True
    officer = Officer(grievance)
    case = await officer.act(await officer.act(opened, "assign", {}), "resolve", {"outcome": "upheld", "note": "Done."})

    typed = opened["receipt_code"].lower().replace("-", " ")
    receipt = await web.get(f"/receipts/{typed}")

    assert receipt.status_code == 200, receipt.text
    shown = {"reference", "state", "level", "due_on", "outcome", "changed_at", "rating", "notes"}
    assert set(receipt.json()) == shown
    assert (receipt.json()["state"], receipt.json()["reference"]) == ("resolved", case["reference"])


@pytest.mark.parametrize("code", ["00000-00000-00000-00000", "not-a-code", "0" * 64])
async def test_a_wrong_receipt_code_gets_the_same_answer_whatever_is_wrong_with_it(
    grievance: TestService, code: str
) -> None:
    answer = await Officer(grievance, role="public_client").get(f"/receipts/{code}")
    assert (answer.status_code, answer.json()["code"]) == (404, "receipt_unknown")


async def test_nothing_that_people_wrote_and_no_receipt_code_can_be_read_from_tables_events_or_lists(
    grievance: TestService,
) -> None:
    officer = Officer(grievance)
    opened = await officer.open()
    await officer.post(f"/cases/{opened['id']}/notes", {"text": STORY})
    async with grievance.database.session() as session:
        names = await session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"))
        dumps = [str((await session.execute(select(text("*")).select_from(table(name)))).all()) for name in names.all()]
    assert any(opened["reference"] in dump for dump in dumps), "the case itself is in what was searched"
    listed = (await officer.get("/cases")).text
    for place in [*dumps, listed]:
        assert "Sokha" not in place
        assert STORY.encode().hex() not in place
        assert opened["receipt_code"] not in place
        assert opened["receipt_code"].replace("-", "") not in place


async def test_an_auditor_sees_the_case_but_not_what_people_wrote(grievance: TestService) -> None:
    officer = Officer(grievance)
    opened = await officer.open()
    await officer.post(f"/cases/{opened['id']}/notes", {"text": STORY})
    seen = (await Officer(grievance, role="auditor", subject="auditor").get(f"/cases/{opened['id']}")).json()
    assert seen["description"] is None
    assert seen["notes"] == []
    assert seen["state"] == "opened"


async def test_two_officers_at_once_one_succeeds_the_other_is_told_that_it_changed(grievance: TestService) -> None:
    opened = await Officer(grievance).open()
    officers = [Officer(grievance, subject=f"officer-{n}") for n in range(8)]

    answers = await asyncio.gather(
        *(officer.post(f"/cases/{opened['id']}:assign", {}, version=1) for officer in officers)
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    refused = next(answer for answer in answers if answer.status_code == 412)
    assert refused.json()["current_version"] == 2
    history = (await Officer(grievance).get(f"/cases/{opened['id']}")).json()["history"]
    assert [step["version"] for step in history] == [1, 2]


async def test_an_action_without_if_match_is_refused(grievance: TestService) -> None:
    officer = Officer(grievance)
    opened = await officer.open()
    assert (await officer.post(f"/cases/{opened['id']}:assign", {})).status_code == 428


async def test_an_action_that_is_not_legal_now_says_what_is(grievance: TestService) -> None:
    officer = Officer(grievance)
    opened = await officer.open()
    resolution = {"outcome": "upheld", "note": "x"}
    answer = await officer.post(f"/cases/{opened['id']}:resolve", resolution, version=1)
    assert (answer.status_code, answer.json()["code"]) == (409, "case_state_conflict")
    assert answer.json()["possible"] == ["assign", "merge", "triage"]
    assert [type(event) for event in await grievance.outbox()] == [CaseOpened]


async def test_a_reopened_case_has_a_new_deadline_no_outcome_and_is_told_again(grievance: TestService) -> None:
    officer = Officer(grievance)
    case = await officer.act(await officer.open(), "assign", {})
    first_due = case["due_on"]
    case = await officer.act(case, "resolve", {"outcome": "rejected", "note": "No fault found."})
    case = await officer.act(case, "close")
    await grievance.outbox()
    grievance.clock.advance(timedelta(minutes=30))

    case = await officer.act(case, "reopen", {"note": "She brought the paper."})

    assert (case["state"], case["outcome"]) == ("reopened", None)
    assert case["due_on"] >= first_due
    (told,) = await grievance.outbox()
    assert isinstance(told, CaseReopened)
    assert (told.version, told.due_on.isoformat()) == (case["version"], case["due_on"])


async def test_an_officer_acts_only_inside_her_area(grievance: TestService) -> None:
    national = Officer(grievance, subject="national")
    mine, other, nowhere = [await national.open(place_code=place) for place in (VILLAGE, ELSEWHERE, None)]
    clerk = Officer(grievance, areas=(COMMUNE,), subject="clerk")

    assert [case["id"] for case in (await clerk.get("/cases")).json()["items"]] == [mine["id"]]
    for case in (other, nowhere):
        seen = await clerk.get(f"/cases/{case['id']}")
        assert (seen.status_code, seen.json()["code"]) == (403, "outside_area")
        assert (await clerk.post(f"/cases/{case['id']}:assign", {}, version=1)).status_code == 403
        assert (await clerk.post(f"/cases/{case['id']}/notes", {"text": "x"})).status_code == 403
    assert (await clerk.post("/cases", complaint(place_code=ELSEWHERE))).status_code == 403


async def test_a_case_about_a_payment_elsewhere_cannot_be_opened_by_naming_ones_own_village(
    grievance: TestService,
) -> None:
    await grievance.deliver(payment("p", "instructed", 1, village=ELSEWHERE))
    answer = await Officer(grievance, areas=(COMMUNE,)).post("/cases", about_payment("p", place_code=VILLAGE))
    assert (answer.status_code, answer.json()["code"]) == (403, "outside_area")


async def test_a_payment_that_turns_out_to_be_elsewhere_is_not_shown(grievance: TestService) -> None:
    clerk = Officer(grievance, areas=(COMMUNE,))
    opened = (await clerk.post("/cases", about_payment("p"))).json()
    await grievance.deliver(payment("p", "instructed", 1, village=ELSEWHERE))
    assert (await clerk.get(f"/cases/{opened['id']}")).json()["payment"] is None


async def test_nobody_handles_a_case_about_herself(grievance: TestService) -> None:
    accused = uuid4()
    opener = Officer(grievance, subject="opener")
    opened = await opener.open(subject_type="official", subject_id=str(accused))
    herself = Officer(grievance, subject=str(accused))

    assert (await herself.get("/cases")).json()["items"] == []
    for answer in (
        await herself.get(f"/cases/{opened['id']}"),
        await herself.post(f"/cases/{opened['id']}:assign", {}, version=1),
        await herself.post(f"/cases/{opened['id']}/notes", {"text": "not true"}),
        await opener.post(f"/cases/{opened['id']}:assign", {"assignee": str(accused)}, version=1),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "own_case")


async def test_nobody_handles_her_own_complaint(grievance: TestService) -> None:
    me = uuid4()
    opened = await Officer(grievance, subject="colleague").open(complainant_person_id=str(me))
    assert opened["anonymous"] is False
    answer = await Officer(grievance, subject=str(me)).post(f"/cases/{opened['id']}:assign", {}, version=1)
    assert answer.json()["code"] == "own_case"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"category": "weather"}, "category"),
        ({"category": "registry", "subject_type": "payment", "subject_id": str(uid("x"))}, "subject_type"),
        ({"channel": "pigeon"}, "channel"),
        ({"place_code": "8010101"}, "place_code"),
        ({"description": "   "}, "description"),
        ({"description": "x" * 10_001}, "description"),
        ({"subject_type": "payment"}, ""),
        ({"national_id": "1"}, "national_id"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_written(
    grievance: TestService, changes: dict[str, Any], field: str
) -> None:
    officer = Officer(grievance)
    answer = await officer.post("/cases", complaint(**changes))
    assert answer.status_code == 422
    assert any(field in error["field"] for error in answer.json()["errors"])
    assert (await officer.get("/cases")).json()["items"] == []
    assert await grievance.outbox() == []


async def test_a_failing_commit_is_never_a_success_and_leaves_nothing(grievance: TestService) -> None:
    officer = Officer(grievance)
    async with grievance.commits_fail():
        answer = await officer.post("/cases", complaint())
    assert answer.status_code >= 500
    assert (await officer.get("/cases")).json()["items"] == []
    assert await grievance.outbox() == []


async def test_fault_2_the_same_complaint_sent_twice_under_one_key_is_one_case(grievance: TestService) -> None:
    officer = Officer(grievance)
    first = await officer.post("/cases", complaint(), **{"Idempotency-Key": "k1"})
    again = await officer.post("/cases", complaint(), **{"Idempotency-Key": "k1"})
    other = await officer.post("/cases", complaint(channel="web"), **{"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 409)
    assert again.json() == first.json()
    assert len((await officer.get("/cases")).json()["items"]) == 1


async def test_the_work_list_is_paged_by_deadline_and_narrowed(grievance: TestService) -> None:
    officer = Officer(grievance)
    slow = await officer.open(category="employer")
    fast = [await officer.open() for _ in range(3)]
    await officer.act(fast[0], "assign", {"assignee": "officer-9"})

    seen, cursor = [], None
    while True:
        page = (await officer.get("/cases", limit=2, **({"cursor": cursor} if cursor else {}))).json()
        seen += [case["id"] for case in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [*[case["id"] for case in fast], slow["id"]]
    for query, expected in (
        ({"state": "assigned"}, [fast[0]]),
        ({"assigned_to": "officer-9"}, [fast[0]]),
        ({"category": "employer"}, [slow]),
        ({"due_until": fast[0]["due_on"]}, fast),
        ({"place_code": "08"}, [*fast, slow]),
        ({"place_code": "21"}, []),
    ):
        items = (await officer.get("/cases", **query)).json()["items"]
        assert [case["id"] for case in items] == [case["id"] for case in expected], query
    assert (await officer.get("/cases", cursor="eyJ4IjoxfQ==")).status_code == 400


async def test_roles_are_kept_apart(grievance: TestService) -> None:
    opened = await Officer(grievance).open()
    for role in ("admin", "payment_officer", "public_client", "commune_officer"):
        stranger = Officer(grievance, role=role, subject=role)
        assert (await stranger.get("/cases")).status_code == 403, role
        assert (await stranger.get(f"/cases/{opened['id']}")).status_code == 403, role
    assert (await Officer(grievance, role="auditor").post("/cases", complaint())).status_code == 403


async def test_the_history_of_a_case_cannot_be_rewritten(grievance: TestService) -> None:
    await Officer(grievance).open()
    with pytest.raises(Exception, match="append-only"):
        async with grievance.database.session() as session:
            await session.execute(text("UPDATE case_step SET actor = 'nobody'"))


async def test_the_deadline_counts_working_days_and_says_that_holidays_are_unconfirmed(grievance: TestService) -> None:
    opened = await Officer(grievance).open()  # Wednesday 1 July 2020, 16:00 in Phnom Penh; ten working days
    assert opened["due_on"] == "2020-07-15"
    assert opened["due_on_confirmed"] is False
    grievance.clock.advance(timedelta(days=14, hours=7, minutes=59))
    assert (await Officer(grievance).get(f"/cases/{opened['id']}")).json()["overdue"] is False
    grievance.clock.advance(timedelta(minutes=1))
    assert (await Officer(grievance).get(f"/cases/{opened['id']}")).json()["overdue"] is True
