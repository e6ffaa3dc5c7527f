"""Intake: application, visit (by two where interests conflict), decision with reasons, appeal; the score explained."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.registry.applications.configuration import CutOffs, Questionnaire, load_intake
from services.registry.applications.scoring import score
from services.registry.tests.building import VILLAGES, Registry
from services.registry.tests.changing import codes, member, new, registered, view
from shared.contracts.registry import HouseholdChanged

URL = "/registry/v1/applications"
POOR = {
    "roof": "thatch",
    "walls": "wood",
    "land_hectares": "0",
    "motorbikes": 1,
    "dependants_per_worker": "2",
    "electricity": "no",
}
RICH = {**POOR, "roof": "tile_or_concrete", "walls": "brick", "land_hectares": 2, "motorbikes": 3}
CARD = {"card_number": "CARD-9", "card_valid_from": "2020-07-01", "card_valid_until": "2023-06-30"}


async def send(
    registry: Registry, path: str, body: dict[str, Any], who: str, version: int | None = None, **claims: Any
) -> httpx.Response:
    headers = registry.service.token("commune_officer", "registry_officer", subject=who, **claims)
    if version is not None:
        headers["If-Match"] = f'"{version}"'
    return await registry.http.post(f"{URL}{path}", json=body, headers=headers)


async def applied(registry: Registry, **values: Any) -> dict[str, Any]:
    household = {"village_code": VILLAGES[0], "household_ref": "H1", "members": [member(national_id="123456789")]}
    body = {"purpose": "register", "village_code": VILLAGES[0], "household": household, "answers": POOR, **values}
    answer = await send(registry, "", body, "chief")
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def visited(registry: Registry, item: dict[str, Any], who: str = "visitor", **body: Any) -> dict[str, Any]:
    path = f"/{item['id']}/verifications"
    answer = await send(registry, path, {"outcome": "confirmed", **body}, who, item["version"])
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def decided(registry: Registry, item: dict[str, Any], who: str = "decider", **body: Any) -> httpx.Response:
    return await send(registry, f"/{item['id']}/decision", body, who, item["version"])


def test_the_score_is_explained_question_by_question_and_adds_up() -> None:
    questionnaire = load_intake().questionnaire_on(date(2020, 7, 1))
    assert questionnaire is not None
    rural, problems = score(questionnaire, "01020101", POOR)
    urban, _ = score(questionnaire, "12010101", POOR)
    assert not problems
    assert rural is not None
    assert urban is not None
    assert {item.question: item.points for item in rural.questions}["motorbikes"] == Decimal(10)
    assert (rural.points, rural.level, urban.points, urban.weights) == (Decimal(21), 1, Decimal(16), "urban")
    rich, _ = score(questionnaire, "01020101", RICH)
    assert rich is not None
    assert rich.level is None


@given(st.fixed_dictionaries({"land": st.decimals(0, 50, places=2), "bikes": st.integers(0, 20)}))
def test_more_means_never_make_a_household_poorer_and_the_parts_add_up(owned: dict[str, Any]) -> None:
    questionnaire = load_intake().questionnaires[0]
    answers = {**POOR, "land_hectares": owned["land"], "motorbikes": owned["bikes"]}
    found, problems = score(questionnaire, "01020101", answers)
    more, _ = score(questionnaire, "01020101", {**answers, "motorbikes": owned["bikes"] + 1})
    assert not problems
    assert found is not None
    assert more is not None
    assert found.points == sum(item.points for item in found.questions) <= more.points


def test_a_missing_unknown_or_impossible_answer_is_named() -> None:
    questionnaire = load_intake().questionnaires[0]
    answers = {**POOR, "roof": "gold", "motorbikes": -1, "colour": "red"}
    answers.pop("walls")
    found, problems = score(questionnaire, "01020101", answers)
    assert found is None
    assert {(item.field, item.code) for item in problems} == {
        ("answers.roof", "unknown_answer"),
        ("answers.motorbikes", "invalid_amount"),
        ("answers.colour", "unknown_question"),
        ("answers.walls", "required"),
    }


def test_a_questionnaire_that_contradicts_itself_is_refused_at_start() -> None:
    good = load_intake().questionnaires[0].model_dump(by_alias=True)
    for broken in (
        {**good, "areas": [{"prefix": "12", "weights": "urban", "cut_offs": {"level_1": 1, "level_2": 2}}]},
        {**good, "areas": [{"prefix": "", "weights": "coastal", "cut_offs": {"level_1": 1, "level_2": 2}}]},
    ):
        with pytest.raises(ValidationError):
            Questionnaire.model_validate(broken)
    with pytest.raises(ValidationError):
        CutOffs(level_1=Decimal(5), level_2=Decimal(5))


async def test_from_application_through_a_visit_to_a_registered_household(registry: Registry) -> None:
    item = await applied(registry)
    assert (item["state"], item["level"], item["explanation"]["questions"][0]["question"]) == ("submitted", 1, "roof")
    assert await registry.count("household") == 0
    item = await visited(registry, item)
    answer = await decided(registry, item, outcome="registered", **CARD)
    assert answer.status_code == 200, answer.text
    household = await view(registry, answer.json()["household_id"])
    assert (household["poverty_level"], household["poverty_source"], household["card_valid_until"]) == (
        1, "pmt_kh_v1", "2023-06-30",
    )  # fmt: skip
    assert Decimal(household["poverty_score"]) == Decimal(21)


async def test_the_household_of_an_application_is_sealed_and_forgotten_when_it_is_registered(
    registry: Registry,
) -> None:
    item = await applied(registry)
    rows = await registry.rows("SELECT a::text AS told FROM application a")
    for secret in ("Sok", "123456789", b"Sok".hex(), b"123456789".hex()):
        assert secret not in rows[0].told
    await decided(registry, await visited(registry, item), outcome="registered", **CARD)
    assert (await registry.rows("SELECT content_cipher FROM application"))[0].content_cipher is None


async def test_who_took_it_in_does_not_visit_and_who_visited_does_not_decide(registry: Registry) -> None:
    item = await applied(registry)
    own = await send(registry, f"/{item['id']}/verifications", {"outcome": "confirmed"}, "chief", item["version"])
    assert (own.status_code, own.json()["code"]) == (403, "same_person")
    item = await visited(registry, item)
    for who in ("chief", "visitor"):
        answer = await decided(registry, item, who, outcome="registered", **CARD)
        assert (answer.status_code, answer.json()["code"]) == (403, "same_person")


async def test_where_interests_conflict_a_second_person_visits(registry: Registry) -> None:
    item = await visited(registry, await applied(registry, related_to_official=True))
    assert item["state"] == "first_verified"
    early = await decided(registry, item, outcome="registered", **CARD)
    assert early.json()["code"] == "wrong_state"
    again = await send(registry, f"/{item['id']}/verifications", {"outcome": "confirmed"}, "visitor", item["version"])
    assert again.json()["code"] == "same_person"
    item = await visited(registry, item, "second")
    assert item["state"] == "verified"


async def test_nobody_visits_or_decides_about_her_own_household(registry: Registry) -> None:
    household = await registered(registry)
    me = household["head_person_id"]
    body = {"purpose": "reassess", "village_code": VILLAGES[0], "household_id": household["id"], "answers": POOR}
    item = (await send(registry, "", body, "officer", person_id=me)).json()
    assert item["conflict"] is True
    path = f"/{item['id']}/verifications"
    answer = await send(registry, path, {"outcome": "confirmed"}, "other", item["version"], person_id=me)
    assert (answer.status_code, answer.json()["code"]) == (403, "conflict_of_interest")


async def test_a_refusal_needs_known_reasons_and_can_be_appealed_once_in_time(registry: Registry) -> None:
    item = await visited(registry, await applied(registry, answers=RICH))
    above = await decided(registry, item, outcome="registered", **CARD)
    assert codes(above) == {("outcome", "above_cut_off")}
    assert codes(await decided(registry, item, outcome="refused")) == {("reasons", "unknown_reason")}
    refused = (await decided(registry, item, outcome="refused", reasons=["above_cut_off"])).json()
    told = (refused["state"], refused["reasons"], refused["appeal_until"])
    assert told == ("refused", ["above_cut_off"], "2020-07-31")
    appeal = await send(registry, f"/{item['id']}/appeal", {"answers": POOR}, "chief", refused["version"])
    assert appeal.status_code == 201, appeal.text
    again = await visited(registry, appeal.json())
    assert (again["conflict"], again["state"], again["level"]) == (True, "first_verified", 1)
    twice = await send(registry, f"/{item['id']}/appeal", {}, "chief", refused["version"] + 1)
    assert twice.json()["code"] == "wrong_state"


async def test_an_appeal_after_its_days_is_refused(registry: Registry) -> None:
    item = await visited(registry, await applied(registry, answers=RICH))
    refused = (await decided(registry, item, outcome="refused", reasons=["above_cut_off"])).json()
    registry.service.clock.advance(timedelta(days=31))
    late = await send(registry, f"/{item['id']}/appeal", {}, "chief", refused["version"])
    assert (late.status_code, late.json()["code"]) == (409, "appeal_closed")


async def test_delisting_needs_a_cause_and_says_so_to_those_who_hear_of_it(registry: Registry) -> None:
    household = await registered(registry)
    body = {"purpose": "delist", "village_code": VILLAGES[0], "household_id": household["id"]}
    assert codes(await send(registry, "", body, "chief")) == {("delisting_cause", "cause_required")}
    unknown = await send(registry, "", {**body, "delisting_cause": "because"}, "chief")
    assert codes(unknown) == {("delisting_cause", "unknown_cause")}
    item = (await send(registry, "", {**body, "delisting_cause": "delisted_income"}, "chief")).json()
    await registry.service.outbox()
    answer = await decided(registry, await visited(registry, item), outcome="registered")
    assert answer.status_code == 200, answer.text
    (event,) = await registry.service.outbox()
    assert isinstance(event, HouseholdChanged)
    assert (event.poverty_level, event.poverty_cause, event.change) == (None, "delisted_income", "life_change")
    headers = {**registry.officer(), "If-Match": f'"{household["version"] + 1}"'}
    url = f"/registry/v1/households/{household['id']}"
    by_hand = await registry.http.patch(url, json={"poverty": None}, headers=headers)
    assert ("poverty.cause", "cause_required") in codes(by_hand)


async def test_cards_near_their_end_are_listed_soonest_first_in_the_officers_area(registry: Registry) -> None:
    for ref, until, village in (
        ("A", "2020-07-20", VILLAGES[0]),
        ("B", "2020-07-10", VILLAGES[1]),
        ("C", "2020-06-30", VILLAGES[0]),
        ("D", "2020-12-31", VILLAGES[0]),
        ("E", "2020-07-15", VILLAGES[3]),
    ):
        body = new(household_ref=ref, village_code=village, card_number=f"CARD-{ref}", card_valid_until=until)
        assert (await registry.http.post("/registry/v1/households", json=body, headers=registry.officer())).is_success
    headers = registry.officer(areas=["01"])
    seen, cursor = [], ""
    while True:
        page = (await registry.http.get(f"/registry/v1/cards/expiring?limit=1{cursor}", headers=headers)).json()
        seen += [(item["household_ref"], item["days_left"]) for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [("B", 9), ("A", 19)]


async def test_an_application_outside_the_area_or_with_an_old_version_is_refused(registry: Registry) -> None:
    item = await applied(registry)
    outside = registry.officer(areas=["12"])
    assert (await registry.http.get(f"{URL}/{item['id']}", headers=outside)).status_code == 403
    assert (await registry.http.get(URL, headers=outside)).json()["items"] == []
    stale = await send(registry, f"/{item['id']}/verifications", {"outcome": "confirmed"}, "visitor", 9)
    assert stale.status_code == 412
