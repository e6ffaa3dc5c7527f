"""The entitlement check: covered today or not, why, by whom asked."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import text

from services.eligibility.tests.builders import dissolved, household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.test_packs import at, pack
from shared.contracts.registry import HouseholdChanged, IdentityMerged
from shared.ids import reference, uuid7


async def _ask(office: Office, status: int = 200, role: str = "health_worker", **question: Any) -> Any:
    body = {"programme_code": "KH-HEF"} | {name: str(value) for name, value in question.items()}
    headers = office.service.token(role, areas=("09",))
    got = await office.service.http.get("/eligibility/v1/coverage", params=body, headers=headers)
    posted = await office.service.http.post("/eligibility/v1/coverage:check", json=body, headers=headers)
    assert got.status_code == posted.status_code == status, got.text + posted.text
    assert got.json().get("reasons") == posted.json().get("reasons")
    return posted.json()


async def test_a_card_holder_is_covered_until_her_cards_last_day_and_told_why_not_afterwards(office: Office) -> None:
    state = household(card_valid_until=date(2022, 12, 31))
    await office.service.deliver(state)
    await office.publish(pack("KH-HEF"))
    at(office, date(2022, 12, 31))
    for key in (
        {"reference": state.reference},
        {"household_id": state.household_id},
        {"person_id": state.members[1].person_id},
    ):
        told = await _ask(office, **key)
        assert told["covered"], key
        assert told["card_valid_until"] == "2022-12-31"
        assert {item["service"] for item in told["services"]} == {"care", "transport", "food"}
    at(office, date(2023, 1, 1))
    told = await _ask(office, reference=state.reference.lower())
    assert (told["covered"], told["services"]) == (False, [])
    assert told["reasons"][0]["clause"] == "card_valid"
    assert told["reasons"][0]["km"]


async def test_facts_in_force_today_decide_and_not_those_of_tomorrow(office: Office) -> None:
    state = household(card_valid_until=date(2022, 12, 31))
    renewed = HouseholdChanged(
        **(state.model_dump() | {"version": 2, "card_valid_until": date(2025, 12, 31), "effective_on": "2023-02-01"})
    )
    await office.service.deliver(state, renewed)
    await office.publish(pack("KH-HEF"))
    at(office, date(2023, 1, 15))
    assert not (await _ask(office, reference=state.reference))["covered"]
    at(office, date(2023, 2, 1))
    assert (await _ask(office, reference=state.reference))["covered"]


async def test_a_misread_an_unknown_and_a_dissolved_card(office: Office) -> None:
    gone = household()
    await office.service.deliver(gone)
    await office.publish(pack("KH-HEF"))
    await office.service.deliver(dissolved(gone, date(2020, 6, 1)))
    at(office, date(2020, 7, 1))
    wrong = gone.reference[:-1] + ("A" if gone.reference[-1] != "A" else "B")
    assert (await _ask(office, 422, reference=wrong))["code"] == "reference_invalid"
    assert (await _ask(office, 404, reference=reference("HH", uuid7())))["code"] == "card_unknown"
    assert (await _ask(office, 404, person_id=uuid7()))["code"] == "card_unknown"
    assert not (await _ask(office, reference=gone.reference))["covered"]
    assert (await _ask(office, 422))["code"] == "ask_for_one"


async def test_the_card_of_a_merged_household_is_that_of_the_survivor(office: Office) -> None:
    kept, retired = household(), household(card_valid_until=date(2020, 1, 31))
    await office.service.deliver(kept, retired)
    await office.publish(pack("KH-HEF"))
    at(office, date(2020, 7, 1))
    assert not (await _ask(office, reference=retired.reference))["covered"]
    await office.service.deliver(
        IdentityMerged(
            version=1,
            kind="household",
            retired_id=retired.household_id,
            surviving_id=kept.household_id,
            merge_id=uuid7(),
        )
    )
    told = await _ask(office, reference=retired.reference)
    assert (told["covered"], told["household_reference"]) == (True, kept.reference)


async def test_every_check_is_audited_and_only_points_of_service_ask_everywhere(office: Office) -> None:
    state = household(member(30))
    await office.service.deliver(state)
    await office.publish(pack("KH-HEF"))
    at(office, date(2020, 7, 1))
    await _ask(office, reference=state.reference)
    assert (await _ask(office, 403, role="commune_officer", reference=state.reference))["code"] == "outside_area"
    assert (await _ask(office, 403, role="payment_officer", reference=state.reference))["code"] == "forbidden"
    async with office.service.database.session() as session:
        found = await session.execute(text("SELECT object_id, detail FROM audit_entry WHERE action = 'coverage.check'"))
        rows = found.all()
    assert [row.object_id for row in rows] == [str(state.household_id)] * 2
    assert rows[0].detail == {"programme_code": "KH-HEF", "version": 1, "covered": True}


async def test_a_programme_that_pays_is_no_entitlement_to_services(office: Office) -> None:
    await office.publish()
    at(office, date(2020, 7, 1))
    body = {"programme_code": "KH-CTP-COVID", "reference": reference("HH", uuid7())}
    headers = office.service.token("health_worker")
    answer = await office.service.http.post("/eligibility/v1/coverage:check", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "programme_covers_nothing")
