"""The summary: right figures, right units, and an honest word on whether they were checked."""

from __future__ import annotations

import random
from typing import Any

import pytest

from services.insights.app import SERVICE
from services.insights.tests import building as build
from shared.contracts import EventPayload
from shared.testing.plugin import MakeService
from shared.testing.service import TestService


@pytest.fixture
async def insights(make_service: MakeService) -> TestService:
    return await make_service(SERVICE)


async def summary(insights: TestService, areas: tuple[str, ...] = ("*",), **query: str) -> dict[str, Any]:
    answer = await insights.http.get(
        "/insights/v1/summary", params=query, headers=insights.token("auditor", areas=areas)
    )
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    body.pop("as_of")
    return body


async def deliver_one_by_one(insights: TestService, events: list[EventPayload]) -> None:
    for event in events:
        await insights.deliver(event)


async def test_one_month_is_counted_with_units_and_checks(insights: TestService) -> None:
    await insights.deliver(*build.one_month())

    found = await summary(insights)

    assert found["households"] == {"value": 2, "unit": "households", "checked": False, "control": None}
    assert found["people"]["value"] == 8
    assert found["people"]["unit"] == "people"
    assert [(row["poverty_level"], row["households"]["value"]) for row in found["households_by_poverty_level"]] == [
        (1, 1),
        (2, 1),
    ]
    assert found["enrolled"][0]["enrolments"]["value"] == 2
    (granted,) = found["entitlements"]
    assert granted["amount"] == {
        "value": "328000.00",
        "unit": "KHR",
        "checked": True,
        "control": {"source": "cycle.closed", "expected": "328000.00"},
    }
    assert granted["granted"]["control"] == {"source": "cycle.closed", "expected": 2}
    (paid,) = found["payments"]
    assert paid["count"] == {
        "value": 2,
        "unit": "payments",
        "checked": True,
        "control": {"source": "list.approved", "expected": 2},
    }
    assert [(row["status"], row["count"]["value"], row["amount"]["value"]) for row in paid["by_status"]] == [
        ("settled", 2, "328000.00")
    ]
    assert found["cases"] == [
        {"state": "resolved", "cases": {"value": 1, "unit": "cases", "checked": False, "control": None}}
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_the_same_events_twice_and_in_any_order_leave_the_same_figures(insights: TestService, seed: int) -> None:
    events = build.one_month()
    await insights.deliver(*events)
    in_order = await summary(insights)

    again = [*events, *events]
    random.Random(seed).shuffle(again)
    for subscription in SERVICE.subscriptions:
        assert subscription.reset is not None
        async with insights.database.session() as session:
            await subscription.reset(insights.context, session)
    assert (await summary(insights))["households"]["value"] == 0
    await deliver_one_by_one(insights, again)

    assert await summary(insights) == in_order


async def test_fault_22_a_figure_that_misses_its_control_total_says_so(insights: TestService) -> None:
    await insights.deliver(
        build.granted("a", build.KANDAL, "200000"), build.closed(("08", 1, "200000"), ("21", 1, "128000"))
    )

    (granted,) = (await summary(insights))["entitlements"]

    assert granted["granted"] == {
        "value": 1,
        "unit": "entitlements",
        "checked": False,
        "control": {"source": "cycle.closed", "expected": 2},
    }
    assert granted["amount"]["checked"] is False


async def test_right_sums_in_the_wrong_provinces_are_not_passed(insights: TestService) -> None:
    await insights.deliver(
        build.granted("a", build.KANDAL, "200000"),
        build.granted("b", build.KANDAL, "128000"),
        build.closed(("08", 1, "200000"), ("21", 1, "128000")),
    )

    (granted,) = (await summary(insights))["entitlements"]

    assert granted["granted"]["value"] == granted["granted"]["control"]["expected"] == 2
    assert granted["granted"]["checked"] is False


async def test_a_cycle_of_which_nothing_arrived_is_shown_as_missing_not_left_out(insights: TestService) -> None:
    await insights.deliver(build.closed(("08", 1, "200000")))

    (granted,) = (await summary(insights))["entitlements"]

    assert granted["granted"]["value"] == 0
    assert granted["granted"]["checked"] is False


async def test_what_was_withdrawn_is_shown_and_the_grant_still_meets_its_total(insights: TestService) -> None:
    events = [
        build.revoked("b", version=2),
        build.granted("a", build.KANDAL, "200000"),
        build.granted("b", build.TAKEO, "128000"),
        build.closed(("08", 1, "200000"), ("21", 1, "128000")),
    ]
    await deliver_one_by_one(insights, events)

    (granted,) = (await summary(insights))["entitlements"]

    assert granted["amount"]["checked"] is True
    assert granted["revoked"]["value"] == 1
    assert granted["revoked_amount"]["value"] == "128000.00"


async def test_what_a_check_left_out_is_counted_apart_and_the_list_still_meets_its_total(insights: TestService) -> None:
    await insights.deliver(
        build.approved(("08", 1, "200000")),
        build.payment("a", build.KANDAL, "200000", "instructed", 1),
        build.payment("b", build.TAKEO, "128000", "excluded", 1),
    )

    (paid,) = (await summary(insights))["payments"]

    assert (paid["amount"]["value"], paid["amount"]["checked"]) == ("200000.00", True)
    assert (paid["excluded"]["value"], paid["excluded_amount"]["value"]) == (1, "128000.00")
    assert [row["status"] for row in paid["by_status"]] == ["instructed"]


async def test_people_registered_alone_are_people_but_no_household(insights: TestService) -> None:
    await insights.deliver(
        build.household("a", build.KANDAL, 4), build.household("w", build.KANDAL, 1, level=None, kind="individual")
    )

    found = await summary(insights)

    assert [found[name]["value"] for name in ("households", "people", "individuals")] == [1, 5, 1]


async def test_a_province_is_checked_against_its_own_totals(insights: TestService) -> None:
    await insights.deliver(*build.one_month())

    found = await summary(insights, province="21")

    assert found["households"]["value"] == 1
    (granted,) = found["entitlements"]
    assert granted["amount"]["value"] == "128000.00"
    assert granted["amount"]["control"] == {"source": "cycle.closed", "expected": "128000"}
    assert granted["amount"]["checked"] is True
    assert (await summary(insights, province="08"))["cases"] == []


async def test_an_officer_sees_the_figures_of_her_area_only(insights: TestService) -> None:
    await insights.deliver(*build.one_month())

    hers = await summary(insights, areas=("08",))
    of_a_commune = await summary(insights, areas=("080101",))

    assert hers["people"]["value"] == 5
    assert hers["payments"][0]["amount"]["checked"] is True
    assert of_a_commune["payments"][0]["amount"]["value"] == "200000.00"
    assert of_a_commune["payments"][0]["amount"]["checked"] is False, "no totals are told for a commune"
    assert of_a_commune["payments"][0]["amount"]["control"] is None


async def test_a_province_outside_the_area_is_refused_rather_than_answered_with_zeros(insights: TestService) -> None:
    answer = await insights.http.get(
        "/insights/v1/summary", params={"province": "21"}, headers=insights.token("auditor", areas=("08",))
    )
    assert answer.status_code == 403
    assert answer.json()["code"] == "outside_area"


@pytest.mark.parametrize("path", ["/insights/v1/summary", "/insights/v1/indicators"])
async def test_figures_need_a_token_of_a_role_that_reads_figures(insights: TestService, path: str) -> None:
    assert (await insights.http.get(path)).status_code == 401
    assert (await insights.http.get(path, headers=insights.token("admin"))).status_code == 403
    assert (await insights.http.get(path, headers=insights.token("commune_officer"))).status_code == 403


async def test_a_batch_of_many_events_of_one_household_keeps_the_newest(insights: TestService) -> None:
    await insights.deliver(*(build.household("a", build.KANDAL, n, version=n) for n in (3, 5, 1, 4, 2)))
    assert (await summary(insights))["people"]["value"] == 5


async def test_figures_can_be_asked_for_one_month(insights: TestService) -> None:
    await insights.deliver(*build.one_month())
    assert len((await summary(insights, period="2020-07"))["payments"]) == 1
    assert (await summary(insights, period="2020-08"))["payments"] == []


async def test_indicators_say_what_they_count_in_which_unit_and_against_what(insights: TestService) -> None:
    await insights.deliver(*build.one_month())

    answer = await insights.http.get("/insights/v1/indicators", headers=insights.token("auditor"))

    assert answer.status_code == 200
    indicators = {row["code"]: row for row in answer.json()["indicators"]}
    assert all(row["unit"] and row["unit"] != "currency" and row["definition"] for row in indicators.values())
    assert indicators["households.average_size"]["value"] == "4.00"
    settled = indicators["payments.settled_amount"]
    assert (settled["value"], settled["unit"], settled["checked"], settled["control"]) == (
        "328000.00",
        "KHR",
        True,
        "list.approved",
    )
    assert indicators["payments.settled_share"]["value"] == "100.00"
    assert indicators["cases.resolved"]["value"] == "1"
    assert indicators["households.registered"]["control"] is None
