"""Remedies that act: asked by an event, answered by the owning service, shown on the case."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.grievance.tests.building import (
    COMMUNE,
    ELSEWHERE,
    Officer,
    about_payment,
    household,
    payment,
    start,
    uid,
)
from shared.contracts import eligibility, payments, registry
from shared.contracts.grievance import RemedyRequested
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

HOUSEHOLD = str(uid("household", "a"))
ORDERS: dict[str, dict[str, Any]] = {
    "correct_registry": {
        "household_id": HOUSEHOLD,
        "corrections": [{"person_id": None, "field": "poverty_level", "value": "1"}],
    },
    "redecide": {"beneficiary_id": HOUSEHOLD, "programme_code": "KH-CTP-COVID"},
    "reissue_payment": {"payment_id": str(uid("payment", "p"))},
    "waive_condition": {
        "beneficiary_id": HOUSEHOLD,
        "programme_code": "KH-FP",
        "condition": "attendance",
        "valid_from": "2020-07-01",
        "valid_until": "2020-12-31",
    },
}
OWNER = {
    "correct_registry": registry.RemedyAnswered,
    "redecide": eligibility.RemedyAnswered,
    "waive_condition": eligibility.RemedyAnswered,
    "reissue_payment": payments.RemedyAnswered,
}


@pytest.fixture
async def grievance(make_service: MakeService) -> TestService:
    return await start(make_service)


async def working_on(grievance: TestService) -> tuple[Officer, dict[str, Any]]:
    officer = Officer(grievance, areas=(COMMUNE,))
    opened = (await officer.post("/cases", about_payment("p"))).json()
    case = await officer.act(opened, "assign", {})
    await grievance.outbox()
    return officer, case


async def ask(officer: Officer, case: dict[str, Any], kind: str, **changes: Any) -> Any:
    body = {"kind": kind, **(ORDERS[kind] | changes)}
    version = (await officer.get(f"/cases/{case['id']}")).json()["version"]
    return await officer.post(f"/cases/{case['id']}/remedies", body, version=version)


@pytest.mark.parametrize("kind", list(ORDERS))
@pytest.mark.parametrize("outcome", ["done", "refused"])
async def test_a_remedy_is_asked_for_answered_once_and_shown(grievance: TestService, kind: str, outcome: str) -> None:
    officer, case = await working_on(grievance)
    answer = await ask(officer, case, kind)
    assert answer.status_code == 202, answer.text
    (told,) = await grievance.outbox()
    assert isinstance(told, RemedyRequested)
    assert (told.kind, str(told.case_id), told.requested_by) == (kind, case["id"], "officer-1")
    result = uuid4()
    common = {"remedy_id": told.remedy_id, "case_id": told.case_id}
    waiting = OWNER[kind](version=1, **common, outcome="waiting")
    final = OWNER[kind](version=2, **common, outcome=outcome, reason_code="as_asked", reason="r", result_id=result)
    late = OWNER[kind](version=3, **common, outcome="refused" if outcome == "done" else "done")
    await grievance.deliver(waiting)
    await grievance.deliver(final, final)
    await grievance.deliver(waiting, late)

    shown = (await officer.get(f"/cases/{case['id']}")).json()
    (remedy,) = shown["remedies"]
    assert (remedy["state"], remedy["reason_code"], UUID(remedy["result_id"])) == (outcome, "as_asked", result)
    steps = [step["action"] for step in shown["history"]]
    assert steps == ["open", "assign", "remedy_requested", "remedy_waiting", f"remedy_{outcome}"]
    assert [step["version"] for step in shown["history"]] == [1, 2, 3, 4, 5]


async def test_nobody_answers_for_another_service(grievance: TestService) -> None:
    officer, case = await working_on(grievance)
    remedy_id = (await ask(officer, case, "reissue_payment")).json()["id"]
    await grievance.deliver(registry.RemedyAnswered(version=1, remedy_id=remedy_id, case_id=case["id"], outcome="done"))
    shown = (await officer.get(f"/cases/{case['id']}")).json()
    assert shown["remedies"][0]["state"] == "requested"


async def test_two_answers_for_one_case_in_one_batch_are_two_steps(grievance: TestService) -> None:
    officer, case = await working_on(grievance)
    answers = []
    for kind in ("redecide", "waive_condition"):
        remedy_id = (await ask(officer, case, kind)).json()["id"]
        answers.append(OWNER[kind](version=1, remedy_id=remedy_id, case_id=case["id"], outcome="done"))
    await grievance.deliver(*answers)
    history = (await officer.get(f"/cases/{case['id']}")).json()["history"]
    assert [step["version"] for step in history] == [1, 2, 3, 4, 5, 6]
    assert [step["action"] for step in history[-2:]] == ["remedy_done", "remedy_done"]


async def test_the_same_is_not_asked_twice_while_it_is_not_answered(grievance: TestService) -> None:
    officer, case = await working_on(grievance)
    assert (await ask(officer, case, "redecide")).status_code == 202
    again = await ask(officer, case, "redecide")
    assert (again.status_code, again.json()["code"]) == (409, "remedy_pending")


@pytest.mark.parametrize("kind", list(ORDERS))
async def test_what_a_kind_needs_is_named_when_it_is_missing(grievance: TestService, kind: str) -> None:
    officer, case = await working_on(grievance)
    for field in ORDERS[kind]:
        answer = await ask(officer, case, kind, **{field: [] if field == "corrections" else None})
        assert answer.status_code == 422, field
        assert answer.json()["errors"][0]["field"] == field
    alien = await ask(
        officer, case, kind, **({"household_id": HOUSEHOLD} if kind != "correct_registry" else {"condition": "c"})
    )
    assert alien.json()["errors"][0]["code"] == "not_of_this_kind"
    assert await grievance.outbox() == []


async def test_nothing_is_put_right_outside_the_officers_area_or_for_her_own_household(
    grievance: TestService,
) -> None:
    await grievance.deliver(household("a", [uid("person", "me")], village=ELSEWHERE))
    officer, case = await working_on(grievance)
    answer = await ask(officer, case, "redecide")
    assert (answer.status_code, answer.json()["code"]) == (403, "outside_area")
    relative = Officer(grievance, person_id=uid("person", "me"), subject="relative")
    answer = await ask(relative, case, "redecide")
    assert (answer.status_code, answer.json()["code"]) == (403, "own_case")


async def test_an_unassigned_case_asks_for_nothing(grievance: TestService) -> None:
    officer = Officer(grievance)
    opened = await officer.open()
    answer = await officer.post(
        f"/cases/{opened['id']}/remedies", {"kind": "reissue_payment", **ORDERS["reissue_payment"]}, version=1
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "remedy_not_possible")


async def test_what_was_asked_is_encrypted_at_rest(grievance: TestService) -> None:
    officer, case = await working_on(grievance)
    corrections = [{"person_id": str(uid("p")), "field": "living_with_hiv", "value": "true"}]
    assert (await ask(officer, case, "correct_registry", corrections=corrections)).status_code == 202
    async with grievance.database.session() as session:
        dump = str((await session.execute(text("SELECT * FROM remedy"))).all())
    assert "living_with_hiv" not in dump
    await grievance.deliver(payment("p", "failed", 1))


async def test_an_answer_to_a_case_that_was_sealed_meanwhile_is_kept_behind_the_seal(grievance: TestService) -> None:
    officer, case = await working_on(grievance)
    remedy_id = (await ask(officer, case, "redecide")).json()["id"]
    version = (await officer.get(f"/cases/{case['id']}")).json()["version"]
    sealed = await officer.post(f"/cases/{case['id']}:triage", {"category": "conduct"}, version=version)
    assert sealed.status_code == 200, sealed.text
    await grievance.outbox()
    answer = OWNER["redecide"](version=1, remedy_id=remedy_id, case_id=case["id"], outcome="done")
    await grievance.deliver(answer)
    shown = (await Officer(grievance, role="sealed_case_officer", subject="s").get(f"/cases/{case['id']}")).json()
    assert (shown["remedies"][0]["state"], shown["history"][-1]["action"]) == ("done", "remedy_done")
    assert await grievance.outbox() == []
    async with grievance.database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM remedy")) == 0
