"""The summary: right figures, right units, and an honest word on whether they were checked."""

from __future__ import annotations

import random
from datetime import date
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


async def indicators(insights: TestService, **query: str) -> list[dict[str, Any]]:
    answer = await insights.http.get("/insights/v1/indicators", params=query, headers=insights.token("auditor"))
    assert answer.status_code == 200, answer.text
    return list(answer.json()["indicators"])


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


async def test_refunds_of_contributions_count_in_no_figure_of_benefits_and_are_counted_apart(
    insights: TestService,
) -> None:
    await insights.deliver(*build.one_month())
    before, indicators_before = await summary(insights), await indicators(insights)

    await insights.deliver(
        build.refund("x", build.TAKEO, "50000", "instructed", 1),
        build.refund("y", build.TAKEO, "20000", "instructed", 1),
        build.refund("x", build.TAKEO, "50000", "settled", 2),
        build.refund("y", build.TAKEO, "20000", "failed", 2),
    )

    after = await summary(insights)
    (refunds,) = after.pop("refunds")
    assert before.pop("refunds") == []
    assert after == before, "a refund is no payment of a benefit"
    assert (refunds["period"], refunds["count"]["value"], refunds["amount"]["value"]) == ("2020-07", 2, "70000.00")
    assert [(row["status"], row["amount"]["value"], row["amount"]["unit"]) for row in refunds["by_status"]] == [
        ("failed", "20000.00", "KHR"),
        ("settled", "50000.00", "KHR"),
    ]
    found = await indicators(insights)
    told = {row["code"]: row["value"] for row in found if row["code"].startswith("refunds.")}
    assert told == {"refunds.sent": "2", "refunds.sent_amount": "70000.00", "refunds.settled_amount": "50000.00"}
    assert [row for row in found if not row["code"].startswith("refunds.")] == indicators_before


async def test_of_one_programme_there_are_no_refunds_and_of_a_month_its_own(insights: TestService) -> None:
    await insights.deliver(build.refund("x", build.TAKEO, "50000", "instructed", 1))

    assert (await summary(insights, programme_code=build.PROGRAMME))["refunds"] == []
    assert (await summary(insights, period="2020-08"))["refunds"] == []
    assert (await summary(insights, province="08"))["refunds"] == []
    assert len((await summary(insights, programme_code="REFUND", period="2020-07", province="21"))["refunds"]) == 1


async def test_new_enrolments_are_counted_by_month_and_cause_whatever_became_of_them(insights: TestService) -> None:
    august, september = date(2020, 8, 31), date(2020, 9, 1)
    await insights.deliver(
        build.enrolled("a", build.KANDAL, cause="by_officer"),
        build.enrolled("b", build.KANDAL, cause="by_officer"),
        build.enrolled("c", build.TAKEO, cause="aged_in", on=august),
        build.enrolled("d", build.TAKEO, cause="birth", on=september),
        build.enrolled("e", build.TAKEO),
        build.suspended("b", build.KANDAL, 2),
        build.enrolled("a", build.TAKEO, 2, cause="by_officer"),
        build.enrolled("c", build.TAKEO, 4, cause="new_card", on=september),
    )

    def counted(found: dict[str, Any]) -> list[tuple[str, str | None, int]]:
        return [(row["period"], row["cause"], row["enrolments"]["value"]) for row in found["new_enrolments"]]

    assert counted(await summary(insights)) == [
        ("2020-07", "by_officer", 2),
        ("2020-07", None, 1),
        ("2020-08", "aged_in", 1),
        ("2020-09", "birth", 1),
        ("2020-09", "new_card", 1),
    ]
    assert counted(await summary(insights, period="2020-08")) == [("2020-08", "aged_in", 1)]
    assert counted(await summary(insights, province="08")) == [("2020-07", "by_officer", 1)], "she moved to Takeo"
    new = [row for row in await indicators(insights, period="2020-07") if row["code"] == "enrolments.new"]
    assert [(row["dimensions"]["cause"], row["value"], row["unit"]) for row in new] == [
        ("by_officer", "2", "enrolments"),
        ("not_told", "1", "enrolments"),
    ]


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
    by_code = {row["code"]: row for row in answer.json()["indicators"]}
    assert all(row["unit"] and row["unit"] != "currency" and row["definition"] for row in by_code.values())
    assert by_code["households.average_size"]["value"] == "4.00"
    settled = by_code["payments.settled_amount"]
    assert (settled["value"], settled["unit"], settled["checked"], settled["control"]) == (
        "328000.00",
        "KHR",
        True,
        "list.approved",
    )
    assert by_code["payments.settled_share"]["value"] == "100.00"
    assert by_code["cases.resolved"]["value"] == "1"
    assert by_code["households.registered"]["control"] is None
