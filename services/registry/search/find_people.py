"""A clerk searches: by number, phone, reference or name; only in her area; each person shown is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from rapidfuzz import fuzz
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.sealing import EQUITY_CARD, PERSON_IDENTIFIERS, PHONE, Sealer
from services.registry.search import repository
from services.registry.search.errors import NotAName, NothingAsked
from services.registry.search.looks import record_looks
from services.registry.search.names import sound, tokens, whole_key
from services.registry.search.schemas import PersonFound, SearchRequest, SearchResult
from shared.auth import Principal, ensure_area

SCAN: Final = 1_500
"""Index entries read for one key in one area: a wider question is answered with its first candidates and `more`."""
DISTRICT: Final = 4
"""Digits of a district's code: the area of less than so many is wide."""
LEAST: Final = 0.45
"""Names less alike than this are not shown."""


async def find_people(
    session: AsyncSession, sealer: Sealer, principal: Principal, request: SearchRequest
) -> SearchResult:
    """People of the caller's area who fit, best first.

    Raises:
        NothingAsked, NotAName: there is nothing to search by.
        OutsideArea: the place named is not in the caller's area.
    """
    if request.place is not None and not principal.national:
        _ensure_overlap(principal, request.place)
    where = {"areas": list(principal.areas), "place": request.place or "", "limit": request.limit + 1}
    rows: Sequence[Row[Any]]
    if request.number is not None:
        rows = await repository.by_numbers(session, _numbers(sealer, request.number.get_secret_value()), **where)
        found = [(1.0, row) for row in rows]
    elif request.phone is not None:
        digest = sealer.digest(request.phone.get_secret_value().replace(" ", ""), PHONE)
        found = [(1.0, row) for row in await repository.by_phone(session, digest, **where)]
    elif request.reference is not None:
        rows = await repository.by_reference(session, request.reference.strip().upper(), **where)
        found = [(1.0, row) for row in rows]
    elif request.name:
        found = await _by_name(session, principal, request)
    else:
        raise NothingAsked("Give a number, a phone, a reference or a name.")
    fitting = [(score, row) for score, row in found if _fits(row, request)]
    shown = [_found(row, score) for score, row in fitting[: request.limit]]
    people = list(dict.fromkeys(item.person_id for item in shown))
    await record_looks(session, principal, people, via="search", reason=request.reason)
    return SearchResult(items=shown, more=len(fitting) > request.limit)


def _ensure_overlap(principal: Principal, place: str) -> None:
    """A place above the clerk's area is searched in her part of it."""
    if not any(area.startswith(place) for area in principal.areas):
        ensure_area(principal, place)


def _numbers(sealer: Sealer, number: str) -> list[tuple[str, bytes]]:
    bare = number.replace(" ", "")
    return [(kind, sealer.digest(bare, kind)) for kind in (*PERSON_IDENTIFIERS, EQUITY_CARD)]


def _fits(row: Row[Any], request: SearchRequest) -> bool:
    if request.sex is not None and row.sex != request.sex:
        return False
    return request.birth_year is None or abs(row.birth_date.year - request.birth_year) <= 1


async def _by_name(session: AsyncSession, principal: Principal, request: SearchRequest) -> list[tuple[float, Row[Any]]]:
    assert request.name is not None
    words = tokens(request.name)
    if not words:
        raise NotAName("Write the name in Khmer or in Latin letters.")
    sounds = sorted({sound(word) for word in words})
    ranges = _ranges(principal, request.place or "")
    candidates = await _candidates(session, sounds, ranges)
    where = {"areas": list(principal.areas), "place": request.place or ""}
    rows = await repository.people(session, [row.person_id for row in candidates], **where)
    scored = [(_likeness(words, row), row) for row in rows]
    best = [item for item in scored if item[0] >= LEAST]
    return sorted(best, key=lambda item: (-item[0], str(item[1].person_id)))


async def _candidates(
    session: AsyncSession, sounds: list[str], ranges: Sequence[tuple[str, str]]
) -> Sequence[Row[Any]]:
    """Whose names to look at: in a wide area, of a name that many have, those of the whole name alone."""
    if len(sounds) == 1:
        return await repository.candidates(session, sounds, ranges, SCAN)
    whole = whole_key(sounds)
    if any(len(first) < DISTRICT for first, _ in ranges):
        alike = await repository.candidates(session, [whole], ranges, repository.MAX_CANDIDATES)
        if len(alike) == repository.MAX_CANDIDATES:
            return alike
    return await repository.candidates(session, [whole, *sounds], ranges, SCAN)


def _ranges(principal: Principal, place: str) -> list[tuple[str, str]]:
    """Ranges [first, last) of village codes: the place within the caller's areas."""
    areas = ("",) if principal.national else principal.areas
    narrowed = {area if area.startswith(place) else place for area in areas if _overlap(area, place)}
    kept = [
        area for area in sorted(narrowed) if not any(area != other and area.startswith(other) for other in narrowed)
    ]
    return [(area, area + ":") for area in kept]  # ":" follows "9"


def _overlap(area: str, place: str) -> bool:
    return area.startswith(place) or place.startswith(area)


def _likeness(words: Sequence[str], row: Row[Any]) -> float:
    """How alike two names are, by letters and by sound, whatever their order: from 0 to 1."""
    asked, asked_sounds = " ".join(words), " ".join(sound(word) for word in words)
    best = 0.0
    for name in (row.name_km, row.name_en):
        theirs, their_sounds = _spoken(name)
        if theirs:
            letters = fuzz.token_sort_ratio(asked, theirs)
            sounds = fuzz.token_set_ratio(asked_sounds, their_sounds)
            best = max(best, letters / 100, 0.9 * sounds / 100 + 0.1 * letters / 100)
    return round(best, 3)


@lru_cache(maxsize=65_536)
def _spoken(name: str) -> tuple[str, str]:
    """The words of a name, and what they sound like: a country has far fewer names than people."""
    words = tokens(name)
    return " ".join(words), " ".join(sound(word) for word in words)


def _found(row: Row[Any], score: float) -> PersonFound:
    return PersonFound.model_validate({**row._mapping, "score": score})
