"""A family is not paid, or is paid wrongly: what it sets off across the services, to the end."""

from __future__ import annotations

from typing import Any

import pytest

from services.payments.tests.builders import Office
from services.registry.tests.building import person
from shared.contracts import grievance
from shared.testing.plugin import MakeService
from tests.flows import steps
from tests.flows.country import Country

OFFICER = "grievance_officer"


@pytest.fixture
async def country(make_service: MakeService) -> Country:
    """Two poor households in a country that has published its programme."""
    country = await Country.found(make_service)
    await steps.publish_programme(country)
    return country


async def only_case(country: Country) -> dict[str, Any]:
    (case,) = (await country.call("GET", "/grievance/v1/cases", OFFICER))["items"]
    return await case_of(country, case["id"])


async def case_of(country: Country, case_id: str) -> dict[str, Any]:
    found: dict[str, Any] = await country.call("GET", f"/grievance/v1/cases/{case_id}", OFFICER)
    return found


async def act(country: Country, case_id: str, what: str, body: Any = None, status: int = 200) -> Any:
    """An officer acts on the case as it stands."""
    path = f"/grievance/v1/cases/{case_id}"
    tag = await country.tag(path, OFFICER)
    return await country.call("POST", path + what, OFFICER, status=status, json=body or {}, headers=tag)


async def test_a_failed_payment_opens_one_case_is_put_right_from_there_and_the_case_ends_by_itself(country):
    households = await steps.register(country, person("H1"), person("H2"))
    await steps.enrol(country)
    cycle = await steps.run_cycle(country)
    assert set(cycle.owed) == set(households.values())
    failing, other = await steps.pay(country, cycle)
    await steps.rail_says(country, "settled", other)
    assert (await country.call("GET", "/grievance/v1/cases", OFFICER))["items"] == []

    await steps.rail_says(country, "failed", failing)
    case = await only_case(country)
    assert case["payment"]["status"] == "failed"

    office = Office(country.services["payments"])
    account = f"/payments/v1/accounts/{failing.account_id}"
    change = {
        "rail": "bank",
        "provider": "ABAAKHPP",
        "account_number": "000123456",
        "holder_name": "Sok Dara",
        "proof": {"kind": "bank_book", "reference": "copy 12"},
    }
    tag = await country.tag(account, "payment_officer")
    await country.call("PUT", account, "payment_officer", subject="maker-1", json=change, headers=tag)
    tag = await country.tag(account, "payment_officer")
    seen = {"reason": "book seen"}
    await country.call("POST", f"{account}:confirm", "payment_officer", subject="maker-2", json=seen, headers=tag)

    await act(country, case["id"], ":assign")
    await act(country, case["id"], "/remedies", {"kind": "reissue_payment", "payment_id": str(failing.payment_id)}, 202)
    await country.settle()
    (remedy,) = (await case_of(country, case["id"]))["remedies"]
    if remedy["state"] == "waiting":  # a payment officer carries it out
        reason = {"reason": "account corrected"}
        await office.post(f"/payments/{failing.payment_id}:reissue", office.maker, reason, 200)
        await country.settle()
        (remedy,) = (await case_of(country, case["id"]))["remedies"]
    assert (remedy["kind"], remedy["state"]) == ("reissue_payment", "done")

    again = next(attempt for attempt in await office.send() if attempt.state == "sent")
    assert again.payment_id == failing.payment_id
    await steps.rail_says(country, "settled", again)
    ended = await only_case(country)
    assert ended["id"] == case["id"]
    assert ended["payment"]["status"] == "settled"
    assert ended["state"] in {"resolved", "closed"}
    assert not [event for event in country.passed if isinstance(event, grievance.CaseOpened)][1:]


async def test_a_wrong_birth_date_is_corrected_from_the_case_and_the_next_cycle_pays_for_the_child(country):
    households = await steps.register(
        country, person("H1"), person("H1", "2", birth_date="2010-01-01", relationship="child")
    )
    household = str(households["H1"])
    await steps.enrol(country)
    before = await steps.run_cycle(country, "2020-07")
    view = await country.call("GET", f"/registry/v1/households/{household}", "registry_officer")
    child = next(member for member in view["members"] if member["relationship"] == "child")

    complaint = {
        "category": "registry",
        "channel": "commune",
        "place_code": view["village_code"],
        "subject_type": "household",
        "subject_id": household,
        "description": "The child is three years old, not ten.",
    }
    case = await country.call("POST", "/grievance/v1/cases", OFFICER, status=201, json=complaint)
    await act(country, case["id"], ":assign")
    correction = {"person_id": child["person_id"], "field": "birth_date", "value": "2017-01-01"}
    body = {"kind": "correct_registry", "household_id": household, "corrections": [correction]}
    await act(country, case["id"], "/remedies", body, 202)
    await country.settle()

    (remedy,) = (await case_of(country, case["id"]))["remedies"]
    assert (remedy["state"], remedy["reason_code"]) == ("done", "")
    view = await country.call("GET", f"/registry/v1/households/{household}", "registry_officer")
    assert {member["birth_date"] for member in view["members"]} >= {"2017-01-01"}
    after = await steps.run_cycle(country, "2020-08")
    beneficiary = households["H1"]
    assert after.owed[beneficiary] > before.owed[beneficiary], "a child under six is vulnerable"


async def test_why_was_i_not_paid_is_answered_in_both_languages_from_events_alone(country):
    households = await steps.register(
        country, person("H1"), person("H2", poverty_level="", card_number="", card_valid_from="", card_valid_until="")
    )
    await steps.enrol(country)
    cycle = await steps.run_cycle(country)
    (attempt,) = await steps.pay(country, cycle)
    await steps.rail_says(country, "failed", attempt)

    async def why(household: str) -> dict[str, Any]:
        path = f"/payments/v1/beneficiaries/{households[household]}/why"
        query = {"programme": steps.PROGRAMME, "period": steps.PERIOD}
        answer: dict[str, Any] = await country.call("GET", path, "payment_officer", params=query)
        return answer

    paid = await why("H1")
    refused = await why("H2")
    for answer in (paid, refused):
        assert answer["programme_en"] != answer["programme_km"]
        assert all(stage["km"] and stage["en"] for stage in answer["stages"])
    assert "AC04" in str(paid["stages"])
    assert refused["conclusion"]["stage"] != paid["conclusion"]["stage"]
    assert "poverty_level" in str(refused["stages"]), "the clause that was not met is named"
