"""Figures of who is left behind, attacked: within a table, between levels and tables, and between two days."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.eligibility.left_behind.edition import PLACES, SPLITS, Count, Face, Key, next_edition
from services.eligibility.left_behind.protect import LEAST, rounded, safe, shown_places, shown_splits

# --- one edition: an attacker who knows the method, and every count that is shown to the last one ---------------------


SIZES = {"01": 30, "02": 10, "03": 20, "0101": 10, "0102": 20, "0201": 8, "0202": 2}
"""How populous places are: anybody knows."""


def _shown(counts: Mapping[str, int]) -> dict[str, int]:
    shown = shown_places(counts, SIZES)
    return {node: sum(count for place, count in counts.items() if place.startswith(node)) for node in shown}


def _small_and_certain(worlds: Iterable[tuple[tuple[int, ...], object]], judged: int) -> Iterator[tuple[int, ...]]:
    """Worlds in which a count from 1 to 4 is the same in every world that looks alike.

    Args:
        worlds: every one with counts up to a bound, and what is shown of it.
        judged: only those up to this count: near the bound, worlds that look alike were not tried.
    """
    alike: defaultdict[object, list[tuple[int, ...]]] = defaultdict(list)
    for world, looks in worlds:
        alike[looks].append(world)
    for group in alike.values():
        for values in zip(*group, strict=True):
            if len(set(values)) == 1 and 0 < values[0] < LEAST:
                yield from (world for world in group if max(world) <= judged)


def test_of_three_places_no_count_under_five_is_certain_though_the_method_is_known() -> None:
    """Every country with 0 to 16 households in each of three provinces."""
    worlds = (
        (world, tuple(sorted(_shown(dict(zip(("01", "02", "03"), world, strict=True))).items())))
        for world in itertools.product(range(17), repeat=3)
    )
    assert list(_small_and_certain(worlds, 8)) == []


def test_of_districts_and_their_provinces_no_count_under_five_is_certain_either() -> None:
    """Every country with two provinces of two districts, 0 to 9 households in each."""
    places = ("0101", "0102", "0201", "0202")
    worlds = (
        (world, tuple(sorted(_shown(dict(zip(places, world, strict=True))).items())))
        for world in itertools.product(range(10), repeat=4)
    )
    assert list(_small_and_certain(worlds, 4)) == []


def _looks_by_sex(places: tuple[str, ...], world: tuple[int, ...]) -> object:
    pairs = zip(places, zip(world[::2], world[1::2], strict=True), strict=True)
    vectors = {place: {"f": women, "m": men} for place, (women, men) in pairs}
    totals = _shown({place: sum(vector.values()) for place, vector in vectors.items()})
    parts = [
        (node, sex, sum(vector[sex] for place, vector in vectors.items() if place.startswith(node)))
        for node in sorted(shown_splits(set(totals), vectors, SIZES))
        for sex in "fm"
    ]
    return tuple(sorted(totals.items())), tuple(parts)


def test_of_two_places_split_by_sex_no_category_under_five_is_certain() -> None:
    """Every country with two provinces, 0 to 11 women and men in each; a household is a person."""
    every = itertools.product(range(12), repeat=4)
    assert list(_small_and_certain(((world, _looks_by_sex(("01", "02"), world)) for world in every), 5)) == []


def test_of_three_places_split_by_sex_no_category_under_five_is_certain_either() -> None:
    """Every country with three provinces, 0 to 5 women and men in each."""
    looks = ((world, _looks_by_sex(("01", "02", "03"), world)) for world in itertools.product(range(6), repeat=6))
    assert list(_small_and_certain(looks, 4)) == []


ATOMS = tuple(itertools.product(("0101", "0102", "0201"), ("female", "male"), ("old", "young")))
STEPS = np.array(list(itertools.product((-1, 0, 1), repeat=len(ATOMS))), dtype=np.int8)
people = st.lists(st.one_of(st.integers(0, 7), st.sampled_from((0, 30))), min_size=len(ATOMS), max_size=len(ATOMS))


@given(people)
@settings(max_examples=30, deadline=None)
def test_nor_from_all_tables_taken_together_of_all_levels_by_place_by_sex_and_by_age(numbers: list[int]) -> None:
    """Every population that differs by one here and there is held against all tables at once. Whatever is fewer than
    five in a table that could be asked for has at least two values that agree with all that is shown."""
    vectors = {
        "sex": _vectors(numbers, 1),
        "age": _vectors(numbers, 2),
    }
    totals: defaultdict[str, int] = defaultdict(int)
    for (place, _, _), count in zip(ATOMS, numbers, strict=True):
        totals[place] += count
    shown = shown_places(totals, SIZES)
    known = [_of(node) for node in sorted(shown)]
    for name, vector in vectors.items():
        split = sorted(shown_splits(shown, vector, SIZES))
        known += [_of(node, name, category) for node in split for category in _names(name)]
    asked = [_of(node) for node in _nodes()]
    asked += [_of(node, name, category) for node in _nodes() for name in vectors for category in _names(name)]
    small = [vector for vector in asked if 0 < int(vector @ np.array(numbers)) < LEAST]
    agreeing = STEPS[(STEPS + np.array(numbers) >= 0).all(axis=1)]
    if known:
        agreeing = agreeing[(agreeing @ np.array(known).T == 0).all(axis=1)]
    assert all((agreeing @ vector != 0).any() for vector in small)


def _nodes() -> list[str]:
    return ["", "01", "02", "0101", "0102", "0201"]


def _names(split: str) -> tuple[str, str]:
    return ("female", "male") if split == "sex" else ("old", "young")


def _vectors(numbers: list[int], at: int) -> dict[str, dict[str, int]]:
    vectors: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for atom, count in zip(ATOMS, numbers, strict=True):
        vectors[atom[0]][atom[at]] += count
    return {place: dict(vector) for place, vector in vectors.items()}


def _of(node: str, split: str = "", category: str = "") -> np.ndarray:
    at = 1 if split == "sex" else 2
    inside = [atom[0].startswith(node) and (not split or atom[at] == category) for atom in ATOMS]
    return np.array(inside, dtype=np.int8)


@given(st.dictionaries(st.sampled_from([f"{p:02}{d:02}{c:02}" for p in (1, 2) for d in (1, 2, 3) for c in (1, 2)]),
                       st.integers(0, 40)))  # fmt: skip
def test_what_is_left_of_a_shown_place_when_those_shown_below_are_taken_off_is_nobody_or_five_households(
    counts: dict[str, int],
) -> None:
    shown = _shown(counts)
    for node, count in shown.items():
        inside = [value for place, value in shown.items() if place[:-2] == node and place != node]
        left = count - sum(inside)
        assert count >= LEAST
        assert left == 0 or left >= LEAST
        assert node == "" or node[:-2] in shown


@pytest.mark.parametrize(
    ("parts", "is_safe"),
    [
        ([], True), ([0], True), ([5, 9], True), ([2, 2, 1], True), ([8, 1], True), ([6, 3], True), ([6, 7, 1], True),
        ([3], False), ([2, 2], False), ([4, 4], False), ([4, 1], False), ([5, 1], False), ([5, 5, 1], False),
    ],
)  # fmt: skip
def test_a_rest_whose_parts_could_be_told_from_their_sum_is_not_safe(parts: list[int], is_safe: bool) -> None:
    assert safe(parts) is is_safe


def test_figures_are_multiples_of_five() -> None:
    assert [rounded(count) for count in (0, 5, 7, 8, 12, 13)] == [0, 5, 5, 10, 10, 15]


# --- two days: an attacker who asks today and tomorrow ----------------------------------------------------------------


@dataclass(frozen=True)
class Home:
    """A household left behind: where, why, and its people as (sex, age, disability)."""

    commune: str
    reason: str
    people: tuple[tuple[str, str, str], ...]


person = st.tuples(
    st.sampled_from(("female", "male")), st.sampled_from(("0-5", "18-59")), st.sampled_from(("none", "with_disability"))
)
home = st.builds(
    Home,
    commune=st.sampled_from(("010101", "010102", "010201", "020101")),
    reason=st.sampled_from(("a", "b")),
    people=st.lists(person, min_size=1, max_size=4).map(tuple),
)
homes = st.lists(home, max_size=60)


def _counted(population: Iterable[Home], before: Mapping[Key, Face] | None) -> dict[Key, Face]:
    """An edition of this population, counted as the database counts it."""
    communes: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    districts: defaultdict[tuple[str, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in population:
        communes[one.reason, one.commune][0] += 1
        communes[one.reason, one.commune][1] += 1
        for at, split in enumerate(SPLITS):
            for category in {member[at] for member in one.people}:
                cell = districts[split, one.reason, one.commune[:4], category]
                cell[0] += sum(member[at] == category for member in one.people)
                cell[1] += 1
    return next_edition(
        {key: Count(*value) for key, value in communes.items()},
        {key: Count(*value) for key, value in districts.items()},
        {"010101": 100, "010102": 300, "010201": 200, "020101": 150},
        before,
    )


def _figures(edition: Mapping[Key, Face]) -> dict[Key, int]:
    return {key: face.figure for key, face in edition.items() if face.figure is not None}


def _one_changed(population: list[Home], at: int, other: Home | None) -> list[Home]:
    """The same day, but for one household: it left, came, moved, has another reason or other people."""
    if other is None:
        return population[:at] + population[at + 1 :]
    return [*population[:at], other, *population[at + 1 :]]


@given(homes, st.integers(0, 60), st.one_of(st.none(), home))
@settings(max_examples=150, deadline=None)
def test_two_days_that_differ_by_one_household_get_the_same_answers_even_across_a_months_end(
    population: list[Home], at: int, other: Home | None
) -> None:
    """The worst case: one day lies before a month's end, the next day after it, so that two editions are compared."""
    today = _counted(population, None)
    tomorrow = _counted(_one_changed(population, at, other), today)
    assert _figures(tomorrow) == _figures(today)


@given(homes, st.lists(st.tuples(st.integers(0, 60), st.one_of(st.none(), home)), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_nor_do_four_households_change_a_first_edition(
    population: list[Home], changes: list[tuple[int, Home | None]]
) -> None:
    today = _counted(population, None)
    for at, other in changes:
        population = _one_changed(population, at, other)
    assert _figures(_counted(population, today)) == _figures(today)


@given(st.lists(homes, min_size=2, max_size=4))
@settings(max_examples=60, deadline=None)
def test_whatever_happens_in_months_a_count_that_changes_was_changed_by_five_households(
    months: list[list[Home]],
) -> None:
    """A split is looked at as a whole, and with its total: there, one of its counts or its total has moved by five."""
    edition: dict[Key, Face] = {}
    for population in months:
        following = _counted(population, edition or None)
        moved = {
            key
            for key in {*edition, *following}
            if abs(following.get(key, Face(None, 0)).households - edition.get(key, Face(None, 0)).households) >= LEAST
        }
        before, after = _figures(edition), _figures(following)
        for split, reason, place, category in {*before, *after}:
            key = (split, reason, place, category)
            if before.get(key) != after.get(key):
                of_place = {(name, reason, place) for name in (split, PLACES)}
                assert any(other[:3] in of_place for other in moved), key
        edition = following


@given(homes)
@settings(max_examples=60, deadline=None)
def test_a_figure_is_within_six_of_the_households_however_long_ago_it_was_decided(population: list[Home]) -> None:
    """Growing household by household, a month each: what is shown lags by four at most, and is rounded by two."""
    edition: dict[Key, Face] = {}
    for many in range(len(population) + 1):
        edition = _counted(population[:many], edition or None)
        for (split, reason, place, _), figure in _figures(edition).items():
            if split == PLACES:
                now = sum(one.reason == reason and one.commune.startswith(place) for one in population[:many])
                assert abs(figure - now) <= 6


def test_a_months_change_of_many_households_is_shown() -> None:
    many = [replace(Home("010101", "a", (("female", "18-59", "none"),))) for _ in range(20)]
    first = _counted(many[:8], None)
    assert _figures(first)[PLACES, "a", "010101", "total"] == 10
    assert _figures(_counted(many, first))["sex", "a", "0101", "female"] == 20


def test_a_split_does_not_outlive_its_total() -> None:
    """Four women and four men left: neither moved by five, but together they did, and four remain."""
    women = [Home("010101", "a", (("female", "18-59", "none"),))] * 6
    men = [Home("010101", "a", (("male", "18-59", "none"),))] * 6
    first = _counted([*women, *men], None)
    assert _figures(first)["sex", "a", "0101", "male"] == 5
    assert _figures(_counted([*women[:2], *men[:2]], first)) == {}
