"""Appeals: reasons, rule version and facts beside the complaint; who decided does not judge; the money by policy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.grievance.appeals.model import Vote, decided
from services.grievance.tests.building import (
    COMMUNE,
    STORY,
    VILLAGE,
    Officer,
    decision,
    enrolment_ended,
    household,
    payment,
    programme,
    start,
    uid,
)
from shared.contracts.grievance import (
    AppealDecided,
    AppealLodged,
    CaseOpened,
    CaseResolved,
    HoldPlaced,
    HoldReleased,
    RemedyRequested,
)
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

SHIPPED = Path(__file__).parents[1] / "configuration" / "categories.yaml"
PANEL = ["judge-1", "judge-2", "judge-3"]


@pytest.fixture
async def grievance(make_service: MakeService) -> TestService:
    service = await start(make_service)
    await service.deliver(programme(), decision("d"), enrolment_ended("e"))
    return service


async def lodge(grievance: TestService, **against: Any) -> Any:
    body = {"channel": "commune", "description": STORY, **(against or {"decision_id": str(uid("decision", "d"))})}
    clerk = Officer(grievance, role="commune_officer", areas=(COMMUNE,), subject="clerk")
    return await clerk.post("/appeals", body)


def supervisor(grievance: TestService, **more: Any) -> Officer:
    return Officer(grievance, role="case_supervisor", subject="supervisor", **more)


async def appoint(grievance: TestService, appeal: dict[str, Any], members: list[str]) -> Any:
    boss = supervisor(grievance)
    headers = boss.headers | {"If-Match": f'"{appeal["version"]}"'}
    path = f"/grievance/v1/appeals/{appeal['id']}/panel"
    return await grievance.http.put(path, json={"members": members}, headers=headers)


async def vote(grievance: TestService, appeal: dict[str, Any], subject: str, verdict: str) -> Any:
    judge = Officer(grievance, role="panel_member", subject=subject)
    return await judge.post(f"/appeals/{appeal['id']}:vote", {"vote": verdict, "reason": "the card was renewed"})


async def test_the_decision_stands_beside_the_complaint_with_its_reasons_version_and_facts(
    grievance: TestService,
) -> None:
    lodged = await lodge(grievance)
    assert lodged.status_code == 201, lodged.text
    appeal = lodged.json()
    assert appeal["case"]["place_code"] == VILLAGE
    assert len(appeal["case"]["receipt_code"]) == 23
    shown = (await Officer(grievance).get(f"/appeals/{appeal['id']}")).json()
    assert shown["complaint"] == STORY
    assert shown["decision"]["programme_version"] == 3
    assert shown["decision"]["reasons"] == [{"code": "card_valid", "km": "ប័ណ្ណផុតកំណត់", "en": "The card has expired."}]
    assert shown["decision"]["facts"] == [{"name": "card_valid_until", "value": "2020-05-31"}]
    assert shown["decision"]["decided_by"] == "decider"
    blind = (await Officer(grievance, role="auditor", subject="a").get(f"/appeals/{appeal['id']}")).json()
    assert (blind["complaint"], blind["decision"]["facts"]) == (None, [])
    opened, told = await grievance.outbox()
    assert isinstance(opened, CaseOpened)
    assert isinstance(told, AppealLodged)
    assert (told.decision_id, told.effect, told.version) == (uid("decision", "d"), "none", 2)


async def test_whoever_decided_worked_on_the_case_or_is_of_the_household_cannot_sit_on_the_panel(
    grievance: TestService,
) -> None:
    await grievance.deliver(household("a", [uid("person", "cousin")]))
    boss = supervisor(grievance)
    card = {"level": "province", "areas": ["*"], "person_id": str(uid("person", "cousin"))}
    assert (await boss.post("/officers/cousin", card)).status_code == 201
    appeal = (await lodge(grievance)).json()
    answer = await appoint(grievance, appeal, ["decider", "clerk", "cousin"])
    assert answer.status_code == 422
    assert [error["code"] for error in answer.json()["errors"]] == [
        "made_the_decision",
        "worked_on_the_case",
        "concerned",
    ]
    for members in (PANEL[:2], [*PANEL[:2], PANEL[0]]):
        assert (await appoint(grievance, appeal, members)).json()["errors"][0]["code"] == "panel_size"
    assert (await appoint(grievance, appeal, PANEL)).status_code == 200
    stranger = await vote(grievance, appeal, "judge-9", "upheld")
    assert (stranger.status_code, stranger.json()["code"]) == (403, "not_on_this_panel")
    own = Officer(grievance, role="panel_member", subject="judge-1", person_id=uid("person", "cousin"))
    answer = await own.post(f"/appeals/{appeal['id']}:vote", {"vote": "upheld", "reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "own_case")


async def test_the_majority_decides_an_upheld_decision_is_made_again_and_the_case_is_resolved(
    grievance: TestService,
) -> None:
    appeal = (await lodge(grievance)).json()
    officer = Officer(grievance)
    case = (await officer.get(f"/cases/{appeal['case_id']}")).json()
    case = await officer.act(case, "assign", {})
    resolved = await officer.post(
        f"/cases/{case['id']}:resolve", {"outcome": "rejected", "note": "x"}, version=case["version"]
    )
    assert (resolved.status_code, resolved.json()["code"]) == (409, "appeal_pending")
    await appoint(grievance, appeal, PANEL)
    await grievance.outbox()
    assert (await vote(grievance, appeal, "judge-1", "upheld")).json()["outcome"] is None
    hidden = (await Officer(grievance, role="panel_member", subject="judge-2").get(f"/appeals/{appeal['id']}")).json()
    assert [member["vote"] for member in hidden["panel"]] == [None, None, None], "nobody sees how others voted"
    assert (await vote(grievance, appeal, "judge-1", "rejected")).status_code == 409, "a vote stands"
    assert await grievance.outbox() == []
    assert (await vote(grievance, appeal, "judge-2", "upheld")).json()["outcome"] == "upheld"
    assert (await vote(grievance, appeal, "judge-3", "upheld")).status_code == 409

    remedy, told, case_resolved = await grievance.outbox()
    assert isinstance(remedy, RemedyRequested)
    assert (remedy.kind, remedy.decision_id) == ("redecide", uid("decision", "d"))
    assert isinstance(told, AppealDecided)
    assert isinstance(case_resolved, CaseResolved)
    assert (told.outcome, case_resolved.outcome) == ("upheld", "upheld")
    assert told.version < case_resolved.version
    seen = (await officer.get(f"/cases/{case['id']}")).json()
    assert (seen["state"], seen["remedies"][0]["kind"]) == ("resolved", "redecide")


@pytest.mark.parametrize(("effect", "held"), [("hold", 2), ("continue", 0)])
async def test_a_delisting_is_appealed_with_the_money_held_or_continued_by_policy(
    make_service: MakeService, tmp_path: Path, effect: str, held: int
) -> None:
    document = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    document["appeals"]["programmes"] = {"KH-CTP-COVID": {"delisting": effect}}
    path = tmp_path / "categories.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    grievance = await start(make_service, categories_file=path)
    await grievance.deliver(enrolment_ended("e"), payment("june", "settled", 3))
    await grievance.deliver(payment("july", "instructed", 1), payment("august", "instructed", 1))
    await grievance.deliver(payment("neighbour", "instructed", 1, beneficiary="b"))
    answer = await lodge(grievance, enrolment_id=str(uid("enrolment", "e")))
    assert answer.status_code == 201, answer.text
    appeal = answer.json()
    assert (appeal["kind"], appeal["effect"]) == ("delisting", effect)
    told = await grievance.outbox()
    holds = [event for event in told if isinstance(event, HoldPlaced)]
    assert {event.payment_id for event in holds} == (
        {uid("payment", "july"), uid("payment", "august")} if held else set()
    )
    assert all(event.reason == "appeal_pending" and event.owner == "clerk" for event in holds)
    boss = Officer(grievance)
    path_ = f"/appeals/{appeal['id']}:withdraw"
    ended = await boss.post(path_, {"note": "she has moved"}, version=appeal["version"])
    assert ended.json()["state"] == "withdrawn", ended.text
    released = [event for event in await grievance.outbox() if isinstance(event, HoldReleased)]
    assert len(released) == held, "holds end with the appeal"


async def test_what_cannot_be_appealed_says_why(grievance: TestService) -> None:
    await grievance.deliver(decision("good", eligible=True))
    for against, code in (
        ({"decision_id": str(uid("decision", "good"))}, "in_favour"),
        ({"decision_id": str(uid("decision", "unheard"))}, "unknown_decision"),
        ({"enrolment_id": str(uid("enrolment", "unheard"))}, "unknown_enrolment"),
    ):
        answer = await lodge(grievance, **against)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)
    assert (await lodge(grievance)).status_code == 201
    again = await lodge(grievance)
    assert (again.status_code, again.json()["code"]) == (409, "appeal_exists")


async def test_after_the_time_limit_a_reason_is_asked_for(grievance: TestService) -> None:
    grievance.clock.advance(timedelta(days=60))
    late = await lodge(grievance)
    assert (late.status_code, late.json()["errors"][0]["code"]) == (422, "time_limit_over")
    told = await lodge(grievance, decision_id=str(uid("decision", "d")), late_reason="She was in hospital.")
    assert told.status_code == 201


async def test_a_panel_member_sees_the_appeals_she_decides_and_no_other(grievance: TestService) -> None:
    appeal = (await lodge(grievance)).json()
    judge = Officer(grievance, role="panel_member", subject="judge-1")
    assert (await judge.get(f"/appeals/{appeal['id']}")).status_code == 404
    assert (await judge.get("/appeals")).json()["items"] == []
    await appoint(grievance, appeal, PANEL)
    assert [item["id"] for item in (await judge.get("/appeals")).json()["items"]] == [appeal["id"]]
    assert (await judge.get(f"/appeals/{appeal['id']}")).json()["complaint"] == STORY


@pytest.mark.parametrize(
    ("votes", "verdict"),
    [
        ([None, None, None], None),
        ([Vote.UPHELD, None, None], None),
        ([Vote.UPHELD, Vote.REJECTED, None], None),
        ([Vote.UPHELD, Vote.REJECTED, Vote.REJECTED], Vote.REJECTED),
        ([Vote.UPHELD, Vote.UPHELD, None], Vote.UPHELD),
        ([Vote.UPHELD], Vote.UPHELD),
    ],
)
def test_more_than_half_of_the_seats_decide(votes: list[Vote | None], verdict: Vote | None) -> None:
    assert decided(votes) is verdict
