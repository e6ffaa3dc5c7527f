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


async def test_months_ahead_people_grow_older_cards_are_renewed_and_births_and_deaths_are_stated_apart(
    office: Office,
) -> None:
    turns_six = member(0, birth_date=member(5).birth_date.replace(year=2014, month=9, day=15))
    await _published(office, household(member(30), turns_six, card_valid_until=member(0).birth_date.replace(month=8)))
    request = {"months": 4, "assumptions": {"sample_percent": 100, "births_per_1000": "24", "deaths_per_1000": "6"}}
    result = (await rehearse(office, COVID.replace(b"80000", b"80000"), **request))["result"]
    costs = [month["cost_after"] for month in result["months"]]
    assert costs == ["152000.00", "152000.00", "152000.00", "128000.00"]
    assert result["months"][3]["cost_after_with_births_and_deaths"] == "128576.00"  # 128,000 x (1 + 0.018 x 3 / 12)
    expired = {"cards_renewed": False, "sample_percent": 100}
    result = (await rehearse(office, COVID, months=4, assumptions=expired))["result"]
    assert [month["beneficiaries_after"] for month in result["months"]] == [1, 1, 0, 0]


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
    approved = await office.post(f"{path}:approve", {"result_hash": seen}, status=200)
    assert (approved["state"], approved["approved_by"]) == ("approved", "officer-1")
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
