"""Nobody handles a case about herself or her household: by no operation that there is, in no list that there is."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.grievance.tests.building import (
    STORY,
    VILLAGE,
    Officer,
    about_payment,
    decision,
    household,
    payment,
    run_schedule,
    start,
    uid,
)
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

EVERY_ROLE = (
    "commune_officer registry_officer programme_officer payment_officer payment_approver finance_officer "
    "grievance_officer auditor integration admin public_client health_worker school_officer employer case_supervisor "
    "panel_member data_protection_officer operations_officer sealed_case_officer"
)
ME, CHILD = uid("person", "me"), uid("person", "child")
HELD = {"reason": "complaint_pending", "until": "2020-07-10", "place_code": VILLAGE}
ACTIONS: dict[str, Any] = {
    "GET /cases/{case_id}": None,
    "GET /cases/{case_id}/similar": None,
    "GET /cases/{case_id}/attachments/{attachment_id}": None,
    "POST /cases/{case_id}/attachments": {"any": "file"},
    "POST /cases/{case_id}/notes": {"text": "x"},
    "POST /cases/{case_id}/remedies": {"kind": "reissue_payment", "payment_id": str(uid("payment", "p"))},
    "POST /cases/{case_id}:assign": {},
    "POST /cases/{case_id}:close": None,
    "POST /cases/{case_id}:merge": {"into": "{other_id}"},
    "POST /cases/{case_id}:refer": {"institution": "nssf", "note": "x"},
    "POST /cases/{case_id}:reopen": {"note": "x"},
    "POST /cases/{case_id}:resolve": {"outcome": "upheld", "note": "x"},
    "POST /cases/{case_id}:return": {"answer": "handled", "note": "x"},
    "POST /cases/{case_id}:start": None,
    "POST /cases/{case_id}:triage": {"priority": "low"},
    "GET /appeals/{appeal_id}": None,
    "PUT /appeals/{appeal_id}/panel": {"members": ["judge-1", "judge-2", "judge-3"]},
    "POST /appeals/{appeal_id}:vote": {"vote": "upheld", "reason": "x"},
    "POST /appeals/{appeal_id}:withdraw": {"note": "x"},
    "POST /holds": {"payment_id": str(uid("payment", "q")), **HELD},
    "GET /holds/{hold_id}": None,
    "POST /holds/{hold_id}:release": {},
    "GET /patterns/{pattern_id}": None,
    "POST /patterns/{pattern_id}:judge": {"state": "dismissed"},
}
"""Every operation on a thing that can be somebody's own, with a body that would do."""
LISTS = ("/cases", "/work", "/sealed-cases", "/appeals", "/holds", "/patterns", "/sealed-patterns")
"""Every list: empty for her."""
NOT_HANDLING = {
    "GET /work/counts": "counts of what her lists show",
    "POST /cases": "everybody may complain",
    "POST /appeals": "everybody may appeal",
    "GET /receipts/{code}": "the complainant's own way",
    "POST /receipts/{code}:rate": "the complainant's own way",
    "POST /receipts/{code}:reopen": "the complainant's own way",
    "GET /categories": "configuration",
    "GET /officers": "about officers, not cases",
    "GET /officers/{subject}": "about officers, not cases",
    "POST /officers/{subject}": "about officers, not cases",
    "PUT /officers/{subject}": "about officers, not cases",
    "GET /statistics": "numbers",
    "GET /sealed-statistics": "numbers",
    "GET /jobs/{job_id}": "the kit's",
    "GET /ops/events": "the kit's",
}


@pytest.fixture
async def grievance(make_service: MakeService) -> TestService:
    service = await start(make_service)
    await service.deliver(household("a", [ME, CHILD]), decision("d"))
    await service.deliver(payment("p", "instructed", 1), payment("q", "instructed", 1))
    return service


def relative(grievance: TestService) -> Officer:
    return Officer(grievance, role=EVERY_ROLE, subject="me", person_id=ME)


async def everything_of_hers(grievance: TestService) -> dict[str, str]:
    """A case, a hold, an appeal and a pattern of the officer's household, made by a colleague; their ids."""
    colleague = Officer(grievance, role="grievance_officer case_supervisor", subject="colleague")
    case = (await colleague.post("/cases", about_payment("p"))).json()
    other = await colleague.open()
    headers = colleague.headers | {"Content-Type": "text/plain"}
    path = f"/grievance/v1/cases/{case['id']}/attachments"
    attached = (await grievance.http.post(path, content=b"a letter", headers=headers)).json()
    hold = (await colleague.post("/holds", {"payment_id": str(uid("payment", "p")), **HELD})).json()
    against = {"decision_id": str(uid("decision", "d")), "channel": "commune", "description": STORY}
    appeal = (await colleague.post("/appeals", against)).json()
    for n in range(10):
        await grievance.deliver(payment(f"x{n}", "failed", 1, agent_code="AG-7", beneficiary="a" if n == 0 else "b"))
    await run_schedule(grievance, "flag_patterns")
    (pattern,) = (await colleague.get("/patterns")).json()["items"]
    return {
        "case_id": case["id"],
        "other_id": other["id"],
        "attachment_id": attached["id"],
        "hold_id": hold["id"],
        "appeal_id": appeal["id"],
        "pattern_id": pattern["id"],
    }


async def operations(grievance: TestService) -> set[str]:
    schema = (await grievance.http.get("/grievance/openapi.json")).json()
    return {
        f"{method.upper()} {path.removeprefix('/grievance/v1')}"
        for path, found in schema["paths"].items()
        for method in found
    }


async def test_every_operation_there_is_was_thought_of(grievance: TestService) -> None:
    """Whoever adds an operation says here whether it handles something that can be somebody's own."""
    assert await operations(grievance) == {*ACTIONS, *NOT_HANDLING, *(f"GET {path}" for path in LISTS)}


async def test_nobody_handles_a_case_of_her_household_by_any_operation_there_is(grievance: TestService) -> None:
    ids = await everything_of_hers(grievance)
    me = relative(grievance)
    for operation, body in ACTIONS.items():
        method, path = operation.split(" ")
        filled = re.sub(r"\{(\w+)\}", lambda match: ids[match.group(1)], path)
        sent = (
            {key: ids["other_id"] if value == "{other_id}" else value for key, value in body.items()} if body else body
        )
        answer = await grievance.http.request(
            method, f"/grievance/v1{filled}", json=sent, headers=me.headers | {"If-Match": '"1"'}
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "own_case"), f"{operation}: {answer.text}"
    colleague = Officer(grievance, role="grievance_officer case_supervisor", subject="colleague")
    assert (await colleague.get(f"/cases/{ids['case_id']}")).json()["state"] == "opened", "nothing happened"
    assert (await colleague.get(f"/holds/{ids['hold_id']}")).json()["state"] == "active"


async def test_no_list_shows_her_a_case_of_her_household(grievance: TestService) -> None:
    ids = await everything_of_hers(grievance)
    me = relative(grievance)
    shown = {path: (await me.get(path, limit=500)).json()["items"] for path in LISTS}
    assert ids["other_id"] in {case["id"] for case in shown.pop("/cases")}, "a stranger's case is there"
    for path, items in shown.items():
        assert items == [], f"{path} shows {items}"
    every = {case["id"] for case in (await me.get("/cases", limit=500)).json()["items"]}
    assert ids["case_id"] not in every
    similar = (await me.get(f"/cases/{ids['other_id']}/similar")).json()
    assert similar == []


@pytest.mark.parametrize(
    "remedy",
    [
        {"kind": "reissue_payment", "payment_id": str(uid("payment", "p"))},
        {"kind": "redecide", "beneficiary_id": str(uid("household", "a")), "programme_code": "KH"},
        {
            "kind": "redecide",
            "beneficiary_id": str(uid("household", "b")),
            "programme_code": "KH",
            "decision_id": str(uid("decision", "d")),
        },
        {
            "kind": "correct_registry",
            "household_id": str(uid("household", "b")),
            "corrections": [{"person_id": str(CHILD), "field": "pregnant", "value": "true"}],
        },
    ],
)
async def test_a_strangers_case_is_no_way_to_put_something_right_at_home(
    grievance: TestService, remedy: dict[str, Any]
) -> None:
    me = relative(grievance)
    case = await me.act(await Officer(grievance, subject="colleague").open(), "assign", {})
    answer = await me.post(f"/cases/{case['id']}/remedies", remedy, version=case["version"])
    assert (answer.status_code, answer.json()["code"]) == (403, "own_case")
    assert [event for event in await grievance.outbox() if "remedy" in event.TYPE] == []


async def test_nobody_answers_for_a_hold_on_a_payment_of_her_own_household(grievance: TestService) -> None:
    boss = Officer(grievance, role="case_supervisor grievance_officer", subject="boss")
    card = {"level": "commune", "areas": ["08"], "person_id": str(CHILD)}
    assert (await boss.post("/officers/child", card)).status_code == 201
    mine = {"payment_id": str(uid("payment", "p")), **HELD}
    answer = await boss.post("/holds", mine | {"owner": "child"})
    assert (answer.status_code, answer.json()["code"]) == (403, "own_case")
    assert (await boss.post("/holds", mine | {"owner": "somebody"})).status_code == 201


async def test_an_official_does_not_judge_the_pattern_that_she_is(grievance: TestService) -> None:
    official: UUID = uuid4()
    for _ in range(3):
        await Officer(grievance).open(category="registry", subject_type="official", subject_id=str(official))
    await run_schedule(grievance, "flag_patterns")
    boss = Officer(grievance, role="case_supervisor", subject="boss")
    (pattern,) = (await boss.get("/patterns")).json()["items"]
    herself = Officer(grievance, role="case_supervisor", subject="her", person_id=official)
    assert (await herself.get("/patterns")).json()["items"] == []
    judged = await herself.post(f"/patterns/{pattern['id']}:judge", {"state": "dismissed"}, version=1)
    assert (judged.status_code, judged.json()["code"]) == (403, "own_case")
