"""Which entries of a sanctions list a person may be: found by an index, scored by likeness. Pure.

Scores are from 0 to 1. The dates of birth, where both are known, move the bar: somebody born in the same year is held
at a lesser likeness, somebody born in another year only when the names are all but the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from rapidfuzz import fuzz

from services.payments.sanctions.names import Form, Name, near, taken_apart


@dataclass(frozen=True, slots=True)
class Entry:
    """A name on the list.

    Attributes:
        hash: keyed hash of all that it says: another spelling or date is another entry.
        born: `1970-01-31`, `1970`, or empty.
    """

    hash: bytes
    reference: str
    name: Name = field(repr=False)
    born: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Bars:
    """How alike two names must be for a hit: by name alone, and where the years of birth agree or differ."""

    name: float
    birth_agrees: float
    birth_differs: float
    birth_years: int


@dataclass(frozen=True, slots=True)
class Match:
    """An entry that a person may be, how alike they are, and why it was found."""

    entry: Entry
    score: float
    reasons: tuple[str, ...]


class Index:
    """The entries of a list, found by the keys of their names."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._by_key: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            for part in _parts(entry.name):
                self._by_key[part].append(entry)

    def matches(self, name: str, born: str, bars: Bars) -> list[Match]:
        """The entries this person may be, the likeliest first."""
        person = taken_apart(name)
        found = {entry.hash: entry for part in _parts(person) for entry in self._by_key.get(part, ())}
        judged = (judge(person, born, entry, bars) for entry in found.values())
        return sorted((match for match in judged if match is not None), key=lambda match: -match.score)


def _parts(name: Name) -> set[str]:
    return {part for key in name.keys for part in near(key)}


def judge(person: Name, born: str, entry: Entry, bars: Bars) -> Match | None:
    """Hold a person against one entry; None: it is not her."""
    score = likeness(person, entry.name)
    years = _years(born), _years(entry.born)
    if years[0] is None or years[1] is None:
        bar, reason = bars.name, "birth_unknown"
    elif abs(years[0] - years[1]) <= bars.birth_years:
        bar, reason = bars.birth_agrees, "birth_agrees"
    else:
        bar, reason = bars.birth_differs, "birth_differs"
    if score < bar:
        return None
    same = "same_name" if score >= 0.9995 else "similar_name"
    return Match(entry, round(score, 3), (same, reason))


def likeness(one: Name, other: Name) -> float:
    """How alike two names are, 0 to 1: letters in any order and however cut into words; consonants count for half where
    the spelling differs."""
    letters = _likeness(one.forms[0], other.forms[0])
    if letters < _HOPELESS:
        return letters
    return max(letters, (letters + _likeness(one.forms[1], other.forms[1])) / 2)


_HOPELESS = 0.5
"""Letters less alike than this: the same consonants would not make a hit at any bar that may be configured."""


def _likeness(one: Form, other: Form) -> float:
    best = max(
        fuzz.ratio(one.written, other.written),
        fuzz.ratio(one.ordered, other.ordered),
        fuzz.ratio(one.turned, other.written),
    )
    if one.words != other.words and min(one.words, other.words) >= 2:  # a name in the middle is often left out
        best = max(best, 0.96 * fuzz.token_set_ratio(one.spaced, other.spaced))
    return best / 100


def _years(born: str) -> int | None:
    return int(born[:4]) if born[:4].isdigit() else None
