"""What happens in people's lives reaches enrolments, cycles and payments."""

from __future__ import annotations

import pytest

from services.registry.tests.building import person
from shared.contracts import eligibility, payments, registry
from shared.testing.plugin import MakeService
from tests.flows import steps
from tests.flows.country import Country


@pytest.fixture
async def country(make_service: MakeService) -> Country:
    country = await Country.found(make_service)
    await steps.publish_programme(country)
    return country


async def member(country: Country, household: str, relationship: str) -> str:
    view = await country.call("GET", f"/registry/v1/households/{household}", "registry_officer")
    return str(next(item["person_id"] for item in view["members"] if item["relationship"] == relationship))


async def life_event(country: Country, body: dict) -> None:
    await country.call("POST", "/registry/v1/life-events", "commune_officer", status=201, json=body)
    await country.settle()


async def test_a_birth_raises_the_next_months_amount(country):
    households = await steps.register(country, person("H1"))
    household = households["H1"]
    await steps.enrol(country)
    before = await steps.run_cycle(country, "2020-07")
    mother = await member(country, str(household), "head")
    child = {"sex": "female", "name_km": "សុខ បុប្ផា", "name_en": "Sok Bopha"}
    await life_event(
        country, {"kind": "birth", "occurred_on": "2020-06-30", "mother_person_id": mother, "child": child}
    )
    after = await steps.run_cycle(country, "2020-08")
    assert after.owed[household] > before.owed[household]
    assert any(isinstance(event, registry.LifeEventRecorded) for event in country.passed)


async def test_when_the_last_member_dies_the_household_is_dissolved_its_enrolment_ends_and_nothing_more_is_paid(
    country,
):
    households = await steps.register(country, person("H1"), person("H2"))
    await steps.enrol(country)
    cycle = await steps.run_cycle(country, "2020-07")
    dead = households["H1"]
    head = await member(country, str(dead), "head")
    await life_event(country, {"kind": "death", "occurred_on": "2020-06-30", "person_id": head})
    await country.tick("eligibility")
    await country.settle()

    ended = [event for event in country.passed if isinstance(event, eligibility.EnrolmentEnded)]
    assert [event.beneficiary_id for event in ended] == [dead]
    attempts = await steps.pay(country, cycle)
    assert {attempt.amount for attempt in attempts} == {cycle.owed[households["H2"]]}
    excluded = [event for event in country.passed if isinstance(event, payments.PaymentExcluded)]
    assert [(event.beneficiary_id, event.reason_code) for event in excluded] == [(dead, "deceased")]
    later = await steps.run_cycle(country, "2020-08")
    assert set(later.owed) == {households["H2"]}


async def test_two_records_of_one_household_are_merged_and_only_the_surviving_one_is_owed_money(country):
    households = await steps.register(country, person("H1"), person("H2"))
    await steps.enrol(country)
    retired, surviving = households["H1"], households["H2"]
    same = [[await member(country, str(retired), "head"), await member(country, str(surviving), "head")]]
    body = {
        "kind": "household",
        "retired_id": str(retired),
        "surviving_id": str(surviving),
        "same_people": same,
        "reason": "the same family was visited twice",
    }
    await country.call("POST", "/registry/v1/merges", "registry_officer", status=201, json=body)
    await country.settle()
    await country.tick("eligibility")
    await country.settle()

    cycle = await steps.run_cycle(country)
    assert set(cycle.owed) == {surviving}
    merged = [event for event in country.passed if isinstance(event, registry.IdentityMerged)]
    assert {event.kind for event in merged} == {"household", "person"}
