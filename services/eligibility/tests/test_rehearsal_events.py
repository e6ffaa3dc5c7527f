"""Rehearsing programmes that pay events: what was recorded in a year happens again, at the rates of the new days."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import text

from services.eligibility.tests.builders import household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.test_packs import at, mother, pack
from services.eligibility.tests.visits import put_kinds, report, send

CODE = "KH-CTP-PWYC"
RAISED = pack(CODE).replace(b"table: 80000}", b"table: 100000}")


async def _visits(office: Office, *days: date, women: int = 1) -> list[Any]:
    states = [mother() for _ in range(women)]
    await office.service.deliver(*states)
    await put_kinds(office)
    await office.publish(pack(CODE))
    at(office, date(2023, 7, 31))
    for state in states:
        for day in days:
            await send(office, report(state.members[0].person_id, "antenatal", day))
    return states


async def _rehearse(office: Office, **request: Any) -> Any:
    draft = await office.post("/programmes", RAISED, status=201)
    path = f"/programmes/{CODE}/versions/{draft['version']}:rehearse"
    accepted = await office.post(path, {"from_period": "2023-08", **request}, status=202)
    await office.service.run_jobs()
    return (await office.get(f"/rehearsals/{accepted['rehearsal_id']}"))["result"]


async def test_the_visits_of_the_year_before_are_paid_again_by_both_versions_at_the_rates_of_the_new_days(
    office: Office,
) -> None:
    """Visits of August 2022 were worth 40,000: in August 2023 they are worth 80,000, and 100,000 by the draft."""
    await _visits(office, date(2022, 8, 10), date(2022, 8, 24), date(2022, 10, 5))
    result = await _rehearse(office, months=4, assumptions={"sample_percent": 100})
    assert result["totals"] == {
        "beneficiaries_before": 1,
        "beneficiaries_after": 1,
        "amount_before": "160000.00",
        "amount_after": "200000.00",
        "difference": "40000.00",
    }
    costs = [(month["cost_before"], month["cost_after"]) for month in result["months"]]
    assert costs == [("160000.00", "200000.00"), ("0.00", "0.00"), ("80000.00", "100000.00"), ("0.00", "0.00")]
    assert [row["change"] for row in result["changes"]] == ["more"]
    assert result["population"] == "the events recorded a year before, as if they happened again"
    async with office.service.database.session() as session:
        stored = await session.scalar(text("SELECT count(*) FROM decision")) or 0
        settled = await session.scalar(text("SELECT count(*) FROM settled_event")) or 0
    assert (stored, settled) == (0, 0)


async def test_two_years_ahead_repeat_the_same_year_and_a_stated_year_can_be_chosen(office: Office) -> None:
    await _visits(office, date(2021, 9, 1), date(2022, 8, 10))
    result = await _rehearse(office, months=24, assumptions={"sample_percent": 100})
    paid = [month["period"] for month in result["months"] if month["cost_after"] != "0.00"]
    assert paid == ["2023-08", "2024-08"]
    stated = await _rehearse(office, months=2, assumptions={"sample_percent": 100, "events_from": "2021-08"})
    assert [month["cost_after"] for month in stated["months"]] == ["0.00", "100000.00"]


async def test_a_stated_take_up_counts_more_or_fewer_of_the_visits(office: Office) -> None:
    await _visits(office, date(2022, 8, 10), women=20)
    whole = await _rehearse(office, assumptions={"take_up_percent": 200})
    assert whole["totals"]["amount_after"] == f"{20 * 200_000}.00"
    half = await _rehearse(office, assumptions={"take_up_percent": 50})
    assert 0 < half["totals"]["beneficiaries_after"] < 20


async def test_an_entitlement_check_pays_nothing_and_is_not_rehearsed(office: Office) -> None:
    draft = await office.post("/programmes", pack("KH-HEF"), status=201)
    path = f"/programmes/KH-HEF/versions/{draft['version']}:rehearse"
    assert (await office.post(path, {"from_period": "2023-08"}, status=422))["code"] == "cannot_rehearse"


async def test_a_programme_of_persons_is_rehearsed_person_by_person_with_those_who_die_left_out(office: Office) -> None:
    """Two persons with a disability of one household; within the year everybody of 60 or more dies."""
    old, young = member(70, disability="severe"), member(30, disability="severe")
    await office.service.deliver(household(old, young, member(40)))
    draft = await office.post("/programmes", pack("KH-DIS"), status=201)
    rates = {"source": "invented", "deaths": [{"from_age": n, "to_age": n, "per_1000": "200"} for n in range(60, 100)]}
    request = {
        "from_period": "2020-07",
        "months": 36,
        "list_households": True,
        "assumptions": {"sample_percent": 100, "vital_rates": rates},
    }
    path = f"/programmes/KH-DIS/versions/{draft['version']}:rehearse"
    accepted = await office.post(path, request, status=202)
    await office.service.run_jobs()
    rehearsal = await office.get(f"/rehearsals/{accepted['rehearsal_id']}")
    result = rehearsal["result"]
    assert (result["totals"]["beneficiaries_after"], result["totals"]["amount_after"]) == (2, "40000.00")
    assert {(row["age_band"], row["amount_after"]) for row in result["by_person"]} == {
        ("60+", "20000.00"),
        ("18-59", "20000.00"),
    }
    reached = [month["beneficiaries_after"] for month in result["months"]]
    assert set(reached) <= {1, 2}
    assert reached == sorted(reached, reverse=True)
    listed = await office.get(f"/rehearsals/{rehearsal['id']}/households?change=gains")
    assert {item["unit_id"] for item in listed["items"]} == {str(old.person_id), str(young.person_id)}
