"""Which counts may be shown so that nobody can work out one of fewer than five households. Pure.

Nothing is hidden *inside* what is shown. Of each reason, the places make a tree: the country, provinces, districts,
communes. What is shown cuts it into parts that hold five households or more each: a place that is shown by itself, or
what is left of a shown place when those shown below it are taken off. Whatever is added or subtracted, the result is a
sum of such parts. A shown place may be split by sex, by age or by disability where every category of it has nobody or
five households and more; again so that what is left of the places above has so too. All splits go down the same tree of
totals: a split is shown only where the total is, so no two tables can be subtracted for a place that is not shown.

Reasons are never added up to a total of their own (what is called total adds the figures shown), so one reason says
nothing of another. Places are kept back with the small ones in an order that has nothing to do with the counts (the
least populous first): which ones they are says nothing either, and whoever asks for whichever table misses the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

LEAST: Final = 5
"""Households in a count that is shown."""
DIGITS: Final = 2
"""Of one level of a place code."""


def safe(parts: Iterable[int]) -> bool:
    """Whether the sum of counts that are kept back may become known, to somebody who knows this method too.

    Of parts under five alone: five or more together, and not so many that each must be as large as it can be. With
    parts of five and more kept back beside them: so many that these need not be five each.
    """
    counts = [part for part in parts if part > 0]
    small = [count for count in counts if count < LEAST]
    others = len(counts) - len(small)
    if not small:
        return True
    if not others:
        return LEAST <= sum(small) <= (LEAST - 1) * (len(small) - 1)
    return sum(counts) >= LEAST * others + LEAST - 1


def rounded(count: int) -> int:
    """The nearest multiple of five."""
    return (count + LEAST // 2) // LEAST * LEAST


def above(place: str) -> list[str]:
    """A place and all that it lies in; "" is the country."""
    return [place[:digits] for digits in range(0, len(place) + 1, DIGITS)]


def of_all(counts: Mapping[str, int]) -> Counter[str]:
    """Counts of places with those of all that they lie in."""
    sums: Counter[str] = Counter()
    for place, count in counts.items():
        for node in above(place):
            sums[node] += count
    return sums


def shown_places(counts: Mapping[str, int], sizes: Mapping[str, int]) -> set[str]:
    """The places of one reason whose count may be shown.

    Args:
        counts: households by the smallest place.
        sizes: how populous places are, whatever the reason.
    """
    sums = of_all(counts)
    below = _children(sums)
    shown: set[str] = set()
    todo = [""] if sums[""] >= LEAST else []
    while todo:
        node = todo.pop()
        shown.add(node)
        order = sorted(below[node], key=lambda place: (sizes.get(place, 0), place))
        apart = [place for place in order if sums[place] >= LEAST]
        rest = [sums[place] for place in order if sums[place] < LEAST]
        while apart and not safe(rest):
            rest.append(sums[apart.pop(0)])
        todo += apart
    return shown


def shown_splits(shown: set[str], vectors: Mapping[str, Mapping[str, int]], sizes: Mapping[str, int]) -> set[str]:
    """The places of one reason whose split by one property may be shown.

    Args:
        shown: the places whose total may be shown.
        vectors: households with somebody of a category, by the smallest place that is split, and by category.
        sizes: how populous places are, whatever the reason.
    """
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for place, vector in vectors.items():
        for node in above(place):
            sums[node].update(vector)
    below = _children(sums)
    categories = sorted(sums[""])

    def fits(places: Sequence[str]) -> bool:
        return all(safe(sums[place][category] for place in places) for category in categories)

    split: set[str] = set()
    todo = [""] if "" in shown and fits([""]) else []
    while todo:
        node = todo.pop()
        split.add(node)
        order = sorted(below[node], key=lambda place: (sizes.get(place, 0), place))
        apart = [place for place in order if place in shown and fits([place])]
        rest = [place for place in order if place not in apart]
        while apart and not fits(rest):
            rest.append(apart.pop(0))
        todo += apart
    return split


def _children(nodes: Iterable[str]) -> defaultdict[str, list[str]]:
    below: defaultdict[str, list[str]] = defaultdict(list)
    for node in nodes:
        if node:
            below[node[:-DIGITS]].append(node)
    return below
