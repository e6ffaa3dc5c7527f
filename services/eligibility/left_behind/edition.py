"""One edition of the figures: counts at a month's end, and what the edition before says, make what is shown. Pure.

A figure is a multiple of five and stays as it was until the count of its households has moved by five since it was last
looked at; so does a gap. Who reads two editions learns of nobody alone: whatever changed, five households changed it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

from services.eligibility.left_behind.protect import LEAST, above, of_all, rounded, shown_places, shown_splits

TOTAL: Final = "total"
PLACES: Final = "place"
PEOPLE: Final = "people"
"""The total of the splits: people, where `place` counts beneficiaries."""
Split = Literal["sex", "age", "disability"]
SPLITS: Final[tuple[Split, ...]] = ("sex", "age", "disability")


class Count(NamedTuple):
    """How many, and of how many households."""

    people: int
    households: int


class Face(NamedTuple):
    """What is shown of a count (None: nothing), and the households it had when that was last decided."""

    figure: int | None
    households: int


Key = tuple[str, str, str, str]
"""What is split (`place`, `people` or a Split), reason, place code ("" is the country), category (or `total`)."""
UNSEEN: Final = Face(None, 0)
NOBODY: Final = Count(0, 0)


def next_edition(
    communes: Mapping[tuple[str, str], Count],
    districts: Mapping[tuple[str, str, str, str], Count],
    sizes: Mapping[str, int],
    before: Mapping[Key, Face] | None,
) -> dict[Key, Face]:
    """The cells of an edition.

    Args:
        communes: beneficiaries by reason and commune.
        districts: people by what is split, reason, district and category.
        sizes: beneficiaries that the programme knows, left behind or not, by commune.
        before: the cells of the edition before; None: it is the first, and looks at everything.

    Returns:
        Those that have households, or had: what is not among them has none and shows none.
    """
    by_reason: defaultdict[str, dict[str, Count]] = defaultdict(dict)
    for (reason, place), count in communes.items():
        by_reason[reason][place] = count
    splits: defaultdict[str, dict[tuple[str, str, str], Count]] = defaultdict(dict)
    for (split, reason, place, category), count in districts.items():
        splits[reason][split, place, category] = count
    earlier: defaultdict[str, dict[Key, Face]] = defaultdict(dict)
    for key, face in (before or {}).items():
        earlier[key[1]][key] = face
    known = _Known(of_all(sizes), first=before is None)
    cells: dict[Key, Face] = {}
    for reason in sorted({*by_reason, *splits, *earlier}):
        cells |= _of_reason(reason, by_reason[reason], splits[reason], earlier[reason], known)
    return cells


class _Known(NamedTuple):
    """What holds for all reasons."""

    sizes: Mapping[str, int]
    first: bool


def _of_reason(
    reason: str,
    communes: Mapping[str, Count],
    districts: Mapping[tuple[str, str, str], Count],
    before: Mapping[Key, Face],
    known: _Known,
) -> dict[Key, Face]:
    shown = shown_places({place: count.households for place, count in communes.items()}, known.sizes)
    totals = _summed((((place, TOTAL), count) for place, count in communes.items()))
    people = _summed((((place, TOTAL), count) for (split, place, _), count in districts.items() if split == "sex"))
    cells: dict[Key, Face] = {}
    moved: set[str] = set()
    for place in {node for node, _ in totals} | {key[2] for key in before if key[0] == PLACES}:
        now = totals.get((place, TOTAL), NOBODY)
        keys = {PLACES: (PLACES, reason, place, TOTAL), PEOPLE: (PEOPLE, reason, place, TOTAL)}
        if not known.first and _stays(before.get(keys[PLACES], UNSEEN), now):
            cells |= {key: before[key] for key in keys.values() if key in before}
            continue
        moved.add(place)
        if now.households:
            cells[keys[PLACES]] = Face(rounded(now.people) if place in shown else None, now.households)
            seen = people.get((place, TOTAL))
            if seen is not None:
                cells[keys[PEOPLE]] = Face(rounded(seen.people) if place in shown else None, now.households)
    for split in SPLITS:
        counts = {(place, category): count for (name, place, category), count in districts.items() if name == split}
        allowed = shown_splits(shown, _households(counts), known.sizes)
        visible = {place for place in allowed if cells.get((PLACES, reason, place, TOTAL), UNSEEN).figure is not None}
        cells |= _of_split(split, reason, counts, before, moved, visible)
    return cells


def _households(counts: Mapping[tuple[str, str], Count]) -> dict[str, dict[str, int]]:
    vectors: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (place, category), count in counts.items():
        vectors[place][category] = count.households
    return dict(vectors)


def _of_split(
    split: Split,
    reason: str,
    counts: Mapping[tuple[str, str], Count],
    before: Mapping[Key, Face],
    moved: set[str],
    visible: set[str],
) -> dict[Key, Face]:
    """The split of each place: looked at anew as a whole, when its total was or one of its categories has moved."""
    now: defaultdict[str, dict[str, Count]] = defaultdict(dict)
    for (place, category), count in _summed(counts.items()).items():
        now[place][category] = count
    for key in before:
        if key[0] == split:
            now[key[2]].setdefault(key[3], NOBODY)
    cells: dict[Key, Face] = {}
    for place, categories in now.items():
        keys = {category: (split, reason, place, category) for category in categories}
        stay = all(_stays(before.get(keys[name], UNSEEN), count) for name, count in categories.items())
        if stay and place not in moved:
            cells |= {key: before[key] for key in keys.values() if key in before}
            continue
        for name, count in categories.items():
            if count.households:
                figure = rounded(count.people) if place in visible else None
                cells[keys[name]] = Face(figure, count.households)
    return cells


def _stays(face: Face, now: Count) -> bool:
    """Too few households have moved to say anything new."""
    return abs(now.households - face.households) < LEAST


def _summed(counts: Iterable[tuple[tuple[str, str], Count]]) -> dict[tuple[str, str], Count]:
    """Counts of places added up to those that they lie in, by place and category."""
    sums: dict[tuple[str, str], Count] = {}
    for (place, category), count in counts:
        for node in above(place):
            so_far = sums.get((node, category), NOBODY)
            added = Count(so_far.people + count.people, so_far.households + count.households)
            sums[node, category] = added
    return sums
