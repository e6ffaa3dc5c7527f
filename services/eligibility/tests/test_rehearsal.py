"""Rehearsals: who gains, who loses, what it costs; nothing happens; and exactly that is approved."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from services.eligibility.app import SERVICE
from services.eligibility.rehearsal.indicators import gini, share
from services.eligibility.tests.builders import COVID, OFFICER, household, member
from services.eligibility.tests.conftest import Office

CODE = "KH-CTP-COVID"
RAISED = COVID.replace(b"rural: {1: 24000, 2: 16000}", b"rural: {1: 30000, 2: 16000}", 1)
ONLY_VERY_POOR = COVID.replace(b"household.poverty_level in [1, 2]", b"household.poverty_level == 1")
WELFARE = {"source": "an invented survey", "per_person": {"0": 400_000, "1": 90_000, "2": 150_000}}


async def rehearse(office: Office, source: bytes, **request: Any) -> Any:
    """A draft of this file, rehearsed; the rehearsal afterwards."""
    draft = await office.post("/programmes", source, status=201)
    path = f"/programmes/{CODE}/versions/{draft['version']}:rehearse"
    accepted = await office.post(path, {"from_period": "2020-07", **request}, status=202)
    await office.service.run_jobs()
    return await office.get(f"/rehearsals/{accepted['rehearsal_id']}")


async def _published(office: Office, *states: Any) -> None:
    await office.service.deliver(*states)
    await office.publish()
    await office.enrol()


async def test_a_raised_rate_shows_who_gains_and_what_it_costs_and_nothing_happens(office: Office) -> None:
    await _published(office, household(poverty_level=1), household(poverty_level=2), household(poverty_level=None))
    await office.service.outbox()
    before = await _stored(office)
    rehearsal = await rehearse(office, RAISED)
    result = rehearsal["result"]
    assert result["totals"] == {
        "beneficiaries_before": 2,
        "beneficiaries_after": 2,
        "amount_before": "240000.00",
        "amount_after": "252000.00",
        "difference": "12000.00",
    }
    changes = {row["change"]: (row["beneficiaries"], row["difference"]) for row in result["changes"]}
    assert changes == {"more": (1, "12000.00"), "same": (1, "0.00")}
    assert await _stored(office) == before
    assert await office.service.outbox() == []


async def _stored(office: Office) -> Any:
    counts = "SELECT " + ", ".join(
        f"(SELECT count(*) FROM {table})" for table in ("decision", "enrolment", "entitlement", "standing", "cycle")
    )
    async with office.service.database.session() as session:
        return (await session.execute(text(counts))).one()


async def test_who_loses_is_named_by_the_clause_that_shuts_her_out_and_undercoverage_and_leakage_are_given(
    office: Office,
) -> None:
    await _published(office, *(household(poverty_level=level) for level in (1, 1, 2)), household(poverty_level=None))
    result = (await rehearse(office, ONLY_VERY_POOR, welfare=WELFARE))["result"]
    (loses,) = [row for row in result["changes"] if row["change"] == "loses"]
    assert (loses["clause"], loses["beneficiaries"], loses["difference"]) == ("poverty_level", 1, "-112000.00")
    before, after = result["targeting"]["before"], result["targeting"]["after"]
    assert (before["coverage"], before["undercoverage"], before["leakage"]) == ("1.0000", "0.0000", "0.0000")
    assert (after["poor"], after["poor_reached"], after["coverage"]) == (3, 2, "0.6667")
    assert Decimal(result["gini"]["after"]) > Decimal(result["gini"]["before"])
    very_poor = (await rehearse(office, ONLY_VERY_POOR, poor_levels=[1]))["result"]["targeting"]["before"]
    assert very_poor["leakage"] == "0.3333"


async def test_cost_by_sex_age_and_disability_adds_up_to_the_whole(office: Office) -> None:
    people = (member(70, sex="male"), member(4), member(30, disability="severe"))
    await _published(office, household(*people), household(member(10, sex="male")))
    result = (await rehearse(office, RAISED))["result"]
    assert {(row["sex"], row["age_band"], row["disability"]) for row in result["by_person"]} == {
        ("male", "60+", "none"), ("female", "0-5", "none"), ("female", "18-59", "severe"), ("male", "6-17", "none"),
    }  # fmt: skip
    assert sum(Decimal(row["amount_after"]) for row in result["by_person"]) == Decimal(result["totals"]["amount_after"])


async def test_months_ahead_people_grow_older_and_cards_are_renewed_or_end(office: Office) -> None:
    turns_six = member(0, birth_date=member(5).birth_date.replace(year=2014, month=9, day=15))
    await _published(office, household(member(30), turns_six, card_valid_until=member(0).birth_date.replace(month=8)))
    request = {"months": 4, "assumptions": {"sample_percent": 100}}
    result = (await rehearse(office, COVID.replace(b"80000", b"80000"), **request))["result"]
    costs = [month["cost_after"] for month in result["months"]]
    assert costs == ["152000.00", "152000.00", "152000.00", "128000.00"]
    assert result["lives"] == "nobody is born and nobody dies"
    expired = {"cards_renewed": False, "sample_percent": 100}
    result = (await rehearse(office, COVID, months=4, assumptions=expired))["result"]
    assert [month["beneficiaries_after"] for month in result["months"]] == [1, 1, 0, 0]


async def test_births_and_deaths_of_the_months_ahead_are_drawn_from_a_stated_table_by_age_and_sex(
    office: Office,
) -> None:
    """Women of 20 to 39 have children, men of 60 or more die; nobody else does; the same ones every time."""
    families = [household(member(30, relationship="head"), member(70, sex="male")) for _ in range(12)]
    await _published(office, *families, household(member(12), member(50, sex="male")))
    rates = {
        "source": "an invented life table",
        "deaths": [{"from_age": 60, "to_age": 130, "sex": "male", "per_1000": "200"}],
        "births": [{"from_age": 20, "to_age": 39, "per_1000": "200"}],
    }
    assumptions = {"sample_percent": 100, "vital_rates": rates}
    months = (await rehearse(office, COVID, months=36, assumptions=assumptions))["result"]["months"]
    plain = (await rehearse(office, COVID, months=36, assumptions={"sample_percent": 100}))["result"]["months"]
    assert months[0] == plain[0]
    changes = [Decimal(m["cost_after"]) - Decimal(p["cost_after"]) for m, p in zip(months, plain, strict=True)]
    assert len(set(changes)) > 2
    assert all(change % 48_000 == 0 for change in changes)
    again = (await rehearse(office, COVID, months=36, assumptions=assumptions))["result"]["months"]
    assert again == months
    only = {**rates, "births": []}
    dying = (await rehearse(office, COVID, months=36, assumptions={"sample_percent": 100, "vital_rates": only}))[
        "result"
    ]
    costs = [Decimal(month["cost_after"]) for month in dying["months"]]
    assert costs[-1] < costs[0]
    assert all(costs[n] >= costs[n + 1] for n in range(35))
    assert dying["lives"] == "drawn from an invented life table"


async def test_the_first_period_of_a_rehearsal_is_to_the_riel_what_the_cycle_grants(office: Office) -> None:
    people = [(member(70), member(4)), (member(30, disability="severe"),), (member(), member(), member(61))]
    states = [
        household(*people[n % 3], poverty_level=1 + n % 2, location_class=("rural", "other_urban")[n % 2])
        for n in range(9)
    ]
    await _published(office, *states)
    result = (await rehearse(office, RAISED))["result"]
    cycle = await office.compute(await office.open())
    assert (result["totals"]["beneficiaries_before"], result["totals"]["amount_before"]) == (
        cycle["count"],
        cycle["amount"],
    )


async def test_who_gains_and_loses_is_listed_for_those_with_the_right_in_their_area_and_each_reading_is_on_record(
    office: Office,
) -> None:
    stays = household(poverty_level=1, village_code="01020304")
    here, there = household(poverty_level=2, village_code="01020304"), household(poverty_level=2, village_code="0902")
    await _published(office, stays, here, there)
    rehearsal = await rehearse(office, ONLY_VERY_POOR, list_households=True)
    path = f"/rehearsals/{rehearsal['id']}/households"
    page = await office.get(f"{path}?change=loses&limit=1")
    (row,) = page["items"]
    assert (row["clause"], row["amount_before"], row["amount_after"]) == ("poverty_level", "112000.00", "0.00")
    (second,) = (await office.get(f"{path}?change=loses&cursor={page['next_cursor']}"))["items"]
    assert {row["reference"], second["reference"]} == {here.reference, there.reference}
    local = await office.get(path, areas=("09",))
    assert [item["reference"] for item in local["items"]] == [there.reference]
    await office.get(path, roles=("auditor",), status=403)
    answer = await office.service.http.get(
        f"/eligibility/v1{path}.csv?place=01", headers=office.service.token("programme_officer")
    )
    assert answer.text.splitlines()[0].startswith("unit_id,household_id,reference")
    assert here.reference in answer.text
    assert there.reference not in answer.text
    async with office.service.database.session() as session:
        listed = await session.scalar(text("SELECT count(*) FROM audit_entry WHERE action = 'rehearsal.list'"))
    assert listed == 4
    other = await rehearse(office, RAISED)
    assert (await office.get(f"/rehearsals/{other['id']}/households", status=409))["code"] == "rehearsal_kept_no_list"


async def test_a_shock_makes_a_stated_share_of_households_of_some_places_poor(office: Office) -> None:
    flooded = [household(village_code="02010101", poverty_level=None) for _ in range(20)]
    await _published(office, *flooded, household(village_code="03010101", poverty_level=None))
    shock = {"places": ["02"], "share_percent": 100, "becomes_poverty_level": 1}
    result = (await rehearse(office, COVID, shock=shock))["result"]
    assert result["totals"]["beneficiaries_after"] == 20
    half = (await rehearse(office, COVID, shock={**shock, "share_percent": 50}))["result"]
    assert 0 < half["totals"]["beneficiaries_after"] < 20


async def test_the_same_rehearsal_gives_the_same_tables_and_its_tables_are_spreadsheets_too(office: Office) -> None:
    await _published(office, *(household(poverty_level=1 + n % 2) for n in range(10)))
    first, second = await rehearse(office, RAISED, months=3), await rehearse(office, RAISED, months=3)
    assert first["result"] == second["result"]
    for table, columns in (("changes", "change,province_code,clause"), ("months", "period,sample_percent")):
        answer = await office.service.http.get(
            f"/eligibility/v1/rehearsals/{first['id']}/result.csv?table={table}",
            headers=office.service.token("auditor"),
        )
        assert answer.text.startswith(columns)


async def test_an_officer_approves_exactly_the_difference_that_she_saw_and_policy_can_ask_for_it(
    make_service: Any,
) -> None:
    office = Office(await make_service(SERVICE, require_rehearsal=True))
    await office.service.deliver(household())
    draft = await office.post("/programmes", COVID, status=201)
    publish = f"/programmes/{CODE}/versions/{draft['version']}:publish"
    assert (await office.post(publish, status=409))["code"] == "rehearsal_needed"
    rehearsal = await office.post(
        f"/programmes/{CODE}/versions/{draft['version']}:rehearse", {"from_period": "2020-07"}, status=202
    )
    path = f"/rehearsals/{rehearsal['rehearsal_id']}"
    assert (await office.post(f"{path}:approve", {"result_hash": "0" * 64}, status=409))[
        "code"
    ] == "rehearsal_not_finished"
    await office.service.run_jobs()
    seen = (await office.get(path))["result_hash"]
    assert (await office.post(f"{path}:approve", {"result_hash": "0" * 64}, status=409))[
        "code"
    ] == "rehearsal_result_differs"
    assert (await office.post(publish, status=409))["code"] == "rehearsal_needed"
    own = await office.post(f"{path}:approve", {"result_hash": seen}, status=409)
    assert own["code"] == "rehearsal_approved_by_requester"
    other = office.service.token(OFFICER, subject="officer-2")
    approved = await office.post(f"{path}:approve", {"result_hash": seen}, status=200, headers=other)
    assert (approved["state"], approved["approved_by"]) == ("approved", "officer-2")
    await office.post(publish, status=200)


async def test_a_period_without_payment_and_a_programme_outside_its_roles_are_refused(office: Office) -> None:
    draft = await office.post("/programmes", COVID, status=201)
    path = f"/eligibility/v1/programmes/{CODE}/versions/{draft['version']}:rehearse"
    answer = await office.service.http.post(
        path, json={"from_period": "2020-07"}, headers=office.service.token("commune_officer")
    )
    assert answer.status_code == 403
    local = office.service.token(OFFICER, areas=("01",))
    assert (await office.service.http.post(path, json={"from_period": "2020-07"}, headers=local)).status_code == 403


# --- indicators -----------------------------------------------------------------------------------------------------

welfare = st.dictionaries(st.integers(0, 10**9), st.integers(1, 10**6), min_size=1, max_size=30)


@given(welfare)
def test_the_gini_coefficient_is_that_of_the_definition_exactly(persons: dict[int, int]) -> None:
    """Half the mean difference of all pairs over the mean."""
    count, total = sum(persons.values()), sum(value * n for value, n in persons.items())
    found = gini(persons)
    if total == 0:
        assert found is None
        return
    differences = sum(n * m * abs(x - y) for x, n in persons.items() for y, m in persons.items())
    assert found == Fraction(differences, 2 * count * total)
    assert 0 <= found < 1


@pytest.mark.parametrize(("persons", "expected"), [({5: 10}, 0), ({0: 3, 8: 1}, Fraction(3, 4)), ({}, None)])
def test_the_gini_coefficient_of_plain_cases(persons: dict[int, int], expected: Any) -> None:
    assert gini(persons) == expected


def test_a_share_of_nothing_is_no_number() -> None:
    assert (share(1, 3), share(0, 0)) == ("0.3333", None)
