"""A split village: households move where the change names their part, and stay listed for an officer where not."""

from __future__ import annotations

from typing import Any

import pytest

from services.registry.tests.building import VILLAGES, Registry, file_of, person

OLD = VILLAGES[0]
PARTS = ["01020131", "01020132"]


async def split(registry: Registry, *placements: dict[str, Any], **more: Any) -> Any:
    places = [{"code": code, "name_km": "ភូមិ", "name_en": f"Part {code}"} for code in PARTS]
    body = {"kind": "split", "old_codes": [OLD], "new_codes": PARTS, "new_places": places}
    asked = body | {"placements": list(placements), "effective_on": "2020-07-01"} | more
    answer = await registry.http.post(
        "/registry/v1/places/code-changes", json=asked, headers=registry.officer("registry_officer")
    )
    if answer.status_code == 202:
        await registry.service.run_jobs()
    return answer


async def villages(registry: Registry) -> dict[str, str]:
    rows = await registry.rows("SELECT household_ref, village_code FROM household")
    return {row.household_ref: row.village_code for row in rows}


async def unplaced(registry: Registry, **who: Any) -> list[tuple[str, list[str]]]:
    url, found, cursor = "/registry/v1/places/unplaced-households?limit=1", [], ""
    while True:
        page = (await registry.http.get(url + cursor, headers=registry.officer(**who))).json()
        found += [(item["household_ref"], item["became"]) for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def test_households_move_where_the_change_names_their_part_and_others_stay_listed(registry: Registry) -> None:
    await registry.send(file_of(*(person(f"H{n}") for n in range(5)), person("FAR", village_code=VILLAGES[3])))
    await registry.service.outbox()
    named = ({"new_code": PARTS[0], "household_refs": ["H0", "H1"]}, {"new_code": PARTS[1], "household_refs": ["H2"]})
    assert (await split(registry, *named)).status_code == 202
    here = await villages(registry)
    assert [here[f"H{n}"] for n in range(5)] == [PARTS[0], PARTS[0], PARTS[1], OLD, OLD]
    assert await unplaced(registry) == [("H3", PARTS), ("H4", PARTS)]
    assert await unplaced(registry, areas=["12"]) == []
    assert sorted(event.village_code for event in await registry.service.outbox()) == [PARTS[0], PARTS[0], PARTS[1]]


async def test_one_part_may_take_everybody_who_is_not_named(registry: Registry) -> None:
    await registry.send(file_of(*(person(f"H{n}") for n in range(3))))
    await split(registry, {"new_code": PARTS[0], "household_refs": ["H1"]}, {"new_code": PARTS[1], "all_others": True})
    assert await villages(registry) == {"H0": PARTS[1], "H1": PARTS[0], "H2": PARTS[1]}
    assert await unplaced(registry) == []


async def test_a_file_with_the_old_code_is_read_by_what_is_known_of_the_household(registry: Registry) -> None:
    await split(registry, {"new_code": PARTS[0], "household_refs": ["H1"]})
    done = await registry.send(file_of(person("H1"), person("H2")))
    assert await villages(registry) == {"H1": PARTS[0]}
    assert await registry.rejections(done["import_id"]) == {(3, "village_code", "unknown_village")}


@pytest.mark.parametrize(
    ("placements", "more", "code"),
    [
        ([{"new_code": VILLAGES[1], "household_refs": ["H1"]}], {}, "wrong_codes"),
        ([{"new_code": code, "household_refs": ["H1"]} for code in PARTS], {}, "placed_twice"),
        ([{"new_code": PARTS[0], "household_refs": ["H1", "H1"]}], {}, "placed_twice"),
        ([{"new_code": code, "all_others": True} for code in PARTS], {}, "all_others_twice"),
        (
            [{"new_code": PARTS[0], "all_others": True}],
            {"kind": "renamed", "new_codes": PARTS[:1]},
            "not_a_split_village",
        ),
    ],
)
async def test_placements_that_cannot_be_are_refused(
    registry: Registry, placements: list[dict[str, Any]], more: dict[str, Any], code: str
) -> None:
    answer = await split(registry, *placements, **more)
    assert answer.status_code == 422
    assert code in {error["code"] for error in answer.json()["errors"]}
    assert await registry.count("place_code_change") == await registry.count("place_placement") == 0
