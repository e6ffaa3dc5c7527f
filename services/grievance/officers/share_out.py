"""Who gets which case, without I/O: by area and level, to whoever has most room."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

NATIONAL = "*"


@dataclass(frozen=True)
class Desk:
    """An officer, as the sharing sees her.

    Attributes:
        load: open cases that she has.
        people: ids of her, her household and its members: their cases go to others.
    """

    subject: str
    level: str
    areas: tuple[str, ...]
    categories: frozenset[str]
    capacity: int
    load: int
    people: frozenset[UUID] = frozenset()


@dataclass(frozen=True)
class Waiting:
    """A case that nobody has, as the sharing sees it."""

    id: UUID
    level: str
    category: str
    place_code: str | None
    concerned: frozenset[UUID] = frozenset()


def share_out(cases: Sequence[Waiting], desks: Sequence[Desk]) -> dict[UUID, str]:
    """Each case to the fitting officer who is least full (load by capacity), most urgent case first.

    Args:
        cases: in the order in which they are to be served.

    Returns:
        Case id -> token subject. Cases for which nobody fits or has room are left out: they wait for a supervisor.
    """
    by_level_and_area: dict[tuple[str, str], list[tuple[float, str]]] = {}
    known = {desk.subject: desk for desk in desks}
    load = {desk.subject: desk.load for desk in desks}
    for desk in desks:
        for area in desk.areas:
            heap = by_level_and_area.setdefault((desk.level, area), [])
            heapq.heappush(heap, (desk.load / desk.capacity, desk.subject))
    return {case.id: subject for case in cases if (subject := _pick(case, by_level_and_area, known, load)) is not None}


def _pick(
    case: Waiting,
    heaps: Mapping[tuple[str, str], list[tuple[float, str]]],
    known: Mapping[str, Desk],
    load: dict[str, int],
) -> str | None:
    """The least full officer of the narrowest area that has a fitting one."""
    place = case.place_code or ""
    for area in [place[:length] for length in (8, 6, 4, 2) if len(place) >= length] + [NATIONAL]:
        heap = heaps.get((case.level, area))
        if not heap:
            continue
        passed: list[tuple[float, str]] = []
        chosen: str | None = None
        while heap:
            fullness, subject = heapq.heappop(heap)
            desk = known[subject]
            now = load[subject] / desk.capacity
            if now != fullness:  # she got cases through another area: put her where she belongs
                heapq.heappush(heap, (now, subject))
                continue
            passed.append((fullness, subject))
            if fullness >= 1:
                break
            if _fits(desk, case):
                chosen = subject
                load[subject] += 1
                break
        for _, subject in passed:
            heapq.heappush(heap, (load[subject] / known[subject].capacity, subject))
        if chosen is not None:
            return chosen
    return None


def _fits(desk: Desk, case: Waiting) -> bool:
    answers = not desk.categories or case.category in desk.categories
    return answers and desk.people.isdisjoint(case.concerned)
