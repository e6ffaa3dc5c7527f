"""Finding people who may stand in the register twice, and deciding about them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from services.registry.duplicates.compare import Comparison, Pair
from services.registry.duplicates.features import Person, feature_batch, village_place
from services.registry.duplicates.rules import RULES, DuplicateRules, load_rules
from services.registry.tests.building import VILLAGES, Registry, file_of, person
from shared.worker import Worker


def someone(person_id: str, name: str = "Sok Dara", **said: Any) -> Person:
    values: dict[str, Any] = {
        "person_id": person_id,
        "household_id": f"h{person_id}",
        "name_km": "",
        "name_en": name,
        "sex": "female",
        "birth_date": date(1980, 5, 17),
        "birth_date_precision": "day",
        "place": village_place(VILLAGES[0]),
        "number": None,
    }
    return Person(**(values | said))


def compare(fresh: list[Person], known: list[Person]) -> list[Pair]:
    comparison = Comparison(load_rules())
    try:
        comparison.add(feature_batch(fresh), known=False)
        if known:
            comparison.add(feature_batch(known), known=True)
        return comparison.pairs()
    finally:
        comparison.close()


CROWD = [
    someone(
        f"k{n}", f"{family} {given}", birth_date=date(1950 + n, 1 + n % 12, 1 + n % 28), place=village_place(village)
    )
    for n, (family, given, village) in enumerate(
        (family, given, village)
        for family in ("Chea", "Keo", "Heng", "Ly")
        for given in ("Bopha", "Vuthy", "Sophal", "Ratha")
        for village in VILLAGES
    )
]


@pytest.mark.parametrize(
    "said",
    [
        {"name": "DARA SOKH"},
        {"name": "", "name_km": "សុខ ដារ៉ា"},
        {"birth_date": date(1980, 5, 18)},
        {"name": "Sok Darra", "birth_date": date(1980, 1, 1), "birth_date_precision": "year"},
        {"place": village_place("01020102")},
    ],
)
def test_the_same_person_written_otherwise_is_found_with_reasons(said: dict[str, Any]) -> None:
    name = said.pop("name", "Sok Dara")
    (pair,) = compare([someone("n", name, **said)], [someone("twin"), *CROWD])
    assert (pair.left, pair.right) == ("n", "twin")  # the newcomer is left
    assert pair.score >= load_rules().thresholds.possible
    levels = {field: level for field, level, _ in pair.reasons}
    assert levels["sex"] == "same"
    assert all(weight != 0 for _, _, weight in pair.reasons)


@pytest.mark.parametrize(
    "said",
    [
        {"name": "Sok Vuthy", "birth_date": date(1961, 2, 3)},
        {"birth_date": date(1999, 9, 9), "place": village_place(VILLAGES[3])},
        {"name": "Keo Bopha", "sex": "male"},
    ],
)
def test_somebody_else_is_left_alone(said: dict[str, Any]) -> None:
    name = said.pop("name", "Sok Dara")
    assert [pair for pair in compare([someone("n", name, **said)], [someone("other")]) if pair.score > 0.95] == []


def test_newcomers_are_compared_with_each_other_and_the_household_tells_more() -> None:
    alone = compare([someone("a"), someone("b", place=village_place(VILLAGES[2]))], [])
    family = [
        someone("a", household_id="h1"),
        someone("a2", "Chan Vuthy", household_id="h1", birth_date=date(1975, 2, 2)),
        someone("b", household_id="h2", place=village_place(VILLAGES[2])),
        someone("b2", "Chann Wuthy", household_id="h2", birth_date=date(1990, 3, 3), place=village_place(VILLAGES[2])),
    ]
    together = [pair for pair in compare(family, []) if {pair.left, pair.right} == {"a", "b"}]
    assert len(alone) == len(together) == 1
    assert sum(weight for *_, weight in together[0].reasons) > sum(weight for *_, weight in alone[0].reasons)
    assert ("household", "one_name") in {(field, level) for field, level, _ in together[0].reasons}


def test_twins_of_one_household_are_two_and_one_person_listed_twice_is_one() -> None:
    twins = [someone("a", "Sok Dara", household_id="h"), someone("b", "Sok Dany", household_id="h")]
    assert compare(twins, []) == []
    assert len(compare([*twins, someone("c", "Sokh Darra", household_id="h")], [])) == 1


def test_who_has_a_parents_name_in_one_household_is_not_the_parent() -> None:
    parent = someone("a", household_id="h", birth_date=date(1960, 3, 4), number="theirs")
    child = someone("b", household_id="h", birth_date=date(1999, 8, 9), number="theirs")
    assert compare([parent, child], []) == []
    assert [pair.score > 0.5 for pair in compare([parent, replace(child, birth_date=date(1960, 3, 4))], [])] == [True]


def test_a_name_that_many_have_says_less_than_one_that_few_have() -> None:
    far, days = village_place("12010101"), [date(1950, 1, 1) + timedelta(days=n * 40) for n in range(400)]
    others = [someone(f"o{n}", "Chan Sophea", place=far, birth_date=day) for n, day in enumerate(days)]
    scores = {}
    for name in ("Chan Sophea", "Nget Bunthoeun"):
        fresh = someone("f", name, birth_date=date(1981, 2, 3), place=village_place("05010101"))
        (pair,) = [
            pair
            for pair in compare(
                [fresh], [someone("k", name, birth_date=date(1981, 2, 4), place=village_place("05010101")), *others]
            )
            if pair.right == "k"
        ]
        scores[name] = (pair.score, {field: weight for field, _, weight in pair.reasons}["name"])
    assert scores["Chan Sophea"][0] < scores["Nget Bunthoeun"][0]
    assert scores["Chan Sophea"][1] < scores["Nget Bunthoeun"][1] - 4  # bits: sixteen times as much


def test_nobody_gets_more_candidates_than_the_rules_allow() -> None:
    twins = [someone(f"t{n}") for n in range(20)]
    assert len(compare([someone("n")], twins)) == load_rules().thresholds.per_person


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds": {"likely": 0.5, "possible": 0.9, "per_person": 5, "expected_share": 0.1}},
        {"blocking": [["name; DROP TABLE"]]},
        {"blocking": []},
        {"comparisons": {}},
        {"surplus": 1},
    ],
)
def test_rules_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    known = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    assert DuplicateRules.model_validate(known)
    with pytest.raises(ValidationError):
        DuplicateRules.model_validate(known | change)


# --- on the register -----------------------------------------------------------------------------------------------


async def run(registry: Registry, **body: Any) -> dict[str, Any]:
    headers = registry.officer("registry_officer")
    answer = await registry.http.post("/registry/v1/duplicate-runs", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    await registry.service.run_jobs()
    found = await registry.http.get(f"/registry/v1/duplicate-runs/{answer.json()['run_id']}", headers=headers)
    return dict(found.json())


async def waiting(registry: Registry, *, areas: tuple[str, ...] = ("*",), query: str = "") -> list[dict[str, Any]]:
    answer = await registry.http.get(f"/registry/v1/duplicates{query}", headers=registry.officer(areas=areas))
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def decide(registry: Registry, pair: dict[str, Any], version: int | None = None, **body: Any) -> Any:
    headers = {**registry.officer(), "If-Match": f'"{version or pair["version"]}"'}
    url = f"/registry/v1/duplicates/{pair['id']}/decision"
    return await registry.http.post(url, json={"reason": "looked at both"} | body, headers=headers)


FAMILY = [("1", "Sok Dara", "1980-05-17"), ("2", "Chan Vuthy", "1975-02-02"), ("3", "Chea Bopha", "2015-03-03")]


def family(ref: str, village: str, *, spelled: dict[str, str] | None = None) -> list[dict[str, str]]:
    return [
        person(ref, number, village_code=village, name_km="", name_en=(spelled or {}).get(name, name), birth_date=born)
        for number, name, born in FAMILY
    ]


async def test_a_run_lists_people_and_households_and_a_second_one_lists_them_once(registry: Registry) -> None:
    await registry.send(file_of(*family("H1", VILLAGES[0])))
    registry.service.clock.advance(timedelta(days=1))
    since = registry.service.clock.now().isoformat()
    variants = {"Sok Dara": "Dara Sokh", "Chan Vuthy": "Chann Wuthy"}
    await registry.send(file_of(*family("H2", VILLAGES[1], spelled=variants)))
    first = await run(registry, registered_since=since)
    assert (first["state"], first["persons"], first["compared_with"]) == ("finished", 3, 6)
    pairs = await waiting(registry)
    kinds = sorted(pair["kind"] for pair in pairs)
    assert kinds == ["household", "person", "person", "person"]
    assert all(pair["reasons"] for pair in pairs)
    again = await run(registry)
    assert len(await waiting(registry)) == len(pairs)
    assert again["persons"] == 6
    assert "Sok" not in str(pairs)  # lists hold no names


async def test_deciding_same_merges_different_ends_it_and_unsure_leaves_it(registry: Registry) -> None:
    await registry.send(file_of(*family("H1", VILLAGES[0]), *family("H2", VILLAGES[1])))
    await run(registry)
    by_kind = {pair["kind"]: pair for pair in await waiting(registry)}
    one = by_kind["household"]
    view = await registry.http.get(f"/registry/v1/duplicates/{one['id']}", headers=registry.officer())
    left, right = view.json()["left"], view.json()["right"]
    assert [member["name_en"] for member in left] == [member["name_en"] for member in right]
    unsure = await decide(registry, one, decision="unsure")
    assert (unsure.status_code, unsure.json()["state"]) == (200, "unsure")
    stale = await decide(registry, one, decision="different")
    assert stale.status_code == 412
    which = await decide(registry, one, 2, decision="same")
    assert (which.status_code, which.json()["errors"][0]["code"]) == (422, "not_of_the_pair")
    same = [[a["person_id"], b["person_id"]] for a, b in zip(left, right, strict=True)]
    merged = await decide(registry, one, 2, decision="same", surviving_id=one["right_id"], same_people=same)
    assert merged.status_code == 200, merged.text
    assert merged.json()["merge_id"]
    late = await decide(registry, one, 3, decision="different")
    assert (late.status_code, late.json()["code"]) == (409, "already_decided")
    present = await registry.rows("SELECT count(*) AS n FROM membership WHERE valid_until IS NULL")
    assert present[0].n == 3
    looks = await registry.rows("SELECT count(*) AS n FROM audit_entry WHERE action = 'person.look'")
    assert looks[0].n == 6


async def test_a_pair_that_was_found_to_be_two_is_not_listed_again(registry: Registry) -> None:
    await registry.send(file_of(person("H1"), person("H2", village_code=VILLAGES[1])))
    await run(registry)
    (pair,) = await waiting(registry)
    assert (await decide(registry, pair, decision="different")).status_code == 200
    await run(registry)
    assert await waiting(registry) == []
    assert [entry["state"] for entry in await waiting(registry, query="?state=different")] == ["different"]


async def test_undoing_a_merge_says_that_the_pair_is_two(registry: Registry) -> None:
    await registry.send(file_of(person("H1"), person("H2", village_code=VILLAGES[1])))
    await run(registry)
    (pair,) = await waiting(registry)
    merged = await decide(registry, pair, decision="same", surviving_id=pair["left_id"])
    assert merged.status_code == 200, merged.text
    headers = {**registry.officer(), "If-Match": '"1"'}
    url = f"/registry/v1/merges/{merged.json()['merge_id']}/undo"
    assert (await registry.http.post(url, json={"reason": "two sisters"}, headers=headers)).status_code == 200
    (row,) = await registry.rows("SELECT state, merge_id FROM duplicate_candidate")
    assert (row.state, row.merge_id) == ("different", None)


async def test_a_pair_across_areas_waits_for_the_level_above(registry: Registry) -> None:
    await registry.send(
        file_of(person("H1", phone="012345678"), person("H2", village_code=VILLAGES[3], phone="012345678"))
    )
    assert [pair["band"] for pair in await waiting(registry)] == ["exact"]
    assert await waiting(registry, areas=("01",)) == []
    (pair,) = await waiting(registry)
    other = await registry.http.get(f"/registry/v1/duplicates/{pair['id']}", headers=registry.officer(areas=["01"]))
    assert other.status_code == 404


async def test_the_night_covers_whoever_came_since_the_last_run(registry: Registry) -> None:
    await registry.send(file_of(person("H1")))
    registry.service.clock.advance(timedelta(days=2))
    await run(registry)
    await registry.send(file_of(person("H2", village_code=VILLAGES[1])))
    await Worker(registry.service.context).run_due_schedules()
    await registry.service.run_jobs()
    runs = await registry.rows("SELECT persons, requested_by FROM duplicate_run ORDER BY requested_at")
    assert [tuple(row) for row in runs] == [(1, "officer-1"), (1, "system:schedule")]
    assert len(await waiting(registry)) == 1
