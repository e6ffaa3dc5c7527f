"""Places over HTTP: loading, looking up, and a change of location class."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta

from services.registry.app import SERVICE
from services.registry.tests.building import KEYS, VILLAGES, Registry, file_of, person
from shared.contracts.registry import HouseholdChanged
from shared.testing.service import TestService
from shared.worker import Worker


async def test_loading_the_gazetteer_twice_changes_nothing_the_second_time(
    make_service: Callable[..., Awaitable[TestService]],
) -> None:
    registry = Registry(await make_service(SERVICE, **KEYS))
    results = []
    for _ in range(2):
        answer = await registry.http.post("/registry/v1/places:load", headers=registry.officer("registry_officer"))
        assert answer.status_code == 202, answer.text
        results.append((await registry.service.run_jobs())[-1]["result"])
    assert results[0]["places"] == {"province": 25, "district": 210, "commune": 1654, "village": 14576}
    assert (results[0]["new"], results[0]["classes_set"]) == (16465, 14576)
    assert (results[1]["new"], results[1]["changed"], results[1]["classes_set"]) == (0, 0, 0)
    assert results[0]["quirks_by_kind"]["village_code_replaced"] == 73
    summary = (await registry.http.get("/registry/v1/places/summary", headers=registry.officer())).json()
    assert summary["village"] == 14576
    assert sum(summary["villages_by_class"].values()) == 14576


async def test_only_a_national_registry_officer_loads_the_gazetteer(registry: Registry) -> None:
    for headers in (registry.officer("commune_officer"), registry.officer("registry_officer", areas=["01"])):
        assert (await registry.http.post("/registry/v1/places:load", headers=headers)).status_code == 403
    assert (await registry.http.get("/registry/v1/places")).status_code == 401


async def test_places_are_found_by_parent_level_code_and_the_beginning_of_a_name(registry: Registry) -> None:
    async def codes(query: str) -> list[str]:
        answer = await registry.http.get(f"/registry/v1/places?{query}", headers=registry.officer())
        assert answer.status_code == 200, answer.text
        return [item["code"] for item in answer.json()["items"]]

    assert await codes("parent=010201") == ["01020101", "01020102"]
    assert await codes("level=province") == ["01", "12"]
    assert await codes("q=12010101") == ["12010101"]
    assert await codes("q=place 0106") == ["0106", "010601", "01060101"]
    assert await codes("q=ភូមិ 12&level=district") == ["1201"]
    assert await codes("q=%25") == []


async def test_the_class_of_a_village_is_the_one_of_the_day_asked_for(registry: Registry) -> None:
    url = f"/registry/v1/places/{VILLAGES[0]}"
    headers = registry.officer("registry_officer")
    change = {"location_class": "other_urban", "effective_on": "2021-01-01"}
    assert (await registry.http.put(f"{url}/location-class", json=change, headers=headers)).status_code == 202
    for day, expected in (("2018-12-31", None), ("2020-12-31", "rural"), ("2021-01-01", "other_urban")):
        assert (await registry.http.get(f"{url}?on={day}", headers=headers)).json()["location_class"] == expected
    assert (await registry.http.get(url, headers=headers)).json()["classes"] == [
        {"location_class": "rural", "valid_from": "2019-01-01", "valid_until": "2020-12-31"},
        {"location_class": "other_urban", "valid_from": "2021-01-01", "valid_until": None},
    ]


async def test_a_class_change_is_refused_for_a_commune_an_unknown_class_and_another_area(registry: Registry) -> None:
    async def status(code: str, location_class: str, areas: tuple[str, ...] = ("*",)) -> tuple[int, str]:
        answer = await registry.http.put(
            f"/registry/v1/places/{code}/location-class",
            json={"location_class": location_class, "effective_on": "2021-01-01"},
            headers=registry.officer("registry_officer", areas=areas),
        )
        return answer.status_code, answer.json().get("code", "")

    assert await status("010201", "rural") == (422, "not_a_village")
    assert await status("01020101", "suburban") == (422, "unknown_location_class")
    assert await status("99999999", "rural") == (404, "place_not_found")
    assert await status("01020101", "other_urban", ("12",)) == (403, "outside_area")


async def test_households_follow_their_villages_class_on_the_day_it_begins_and_not_before(registry: Registry) -> None:
    await registry.send(file_of(person(), person("H2", village_code=VILLAGES[1])))
    await registry.service.outbox()
    change = {"location_class": "other_urban", "effective_on": "2020-07-03"}
    url = f"/registry/v1/places/{VILLAGES[0]}/location-class"
    await registry.http.put(url, json=change, headers=registry.officer("registry_officer"))
    await registry.service.run_jobs()
    assert await registry.service.outbox() == []
    registry.service.clock.advance(timedelta(days=2))
    await Worker(registry.service.context).run_due_schedules()
    await registry.service.run_jobs()
    (event,) = await registry.service.outbox()
    assert isinstance(event, HouseholdChanged)
    assert (event.village_code, event.location_class, event.effective_on, event.version) == (
        VILLAGES[0],
        "other_urban",
        date(2020, 7, 3),
        2,
    )
