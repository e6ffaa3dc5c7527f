"""A person as she is compared: rows of the register -> columns that the comparison reads. Pure but for Arrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pyarrow as pa

from services.registry.duplicates.names import EMPTY, name_form

SCHEMA: Final = pa.schema(
    [
        ("unique_id", pa.string()),
        ("household_id", pa.string()),
        ("spelling", pa.string()),
        ("spelling_km", pa.string()),
        ("sound", pa.string()),
        ("first_sound", pa.string()),
        ("last_sound", pa.string()),
        ("sex", pa.string()),
        ("birth_date", pa.string()),
        ("birth_day", pa.string()),
        ("birth_year", pa.int32()),
        ("village", pa.string()),
        ("commune", pa.string()),
        ("district", pa.string()),
        ("number", pa.string()),
    ]
)
"""Columns of the comparison; null is unknown, and weighs nothing."""


@dataclass(frozen=True, slots=True)
class Person:
    """What is compared of a person. `place` is the codes of village, commune, district; texts may be empty."""

    person_id: str
    household_id: str
    name_km: str
    name_en: str
    sex: str | None
    birth_date: date | None
    birth_date_precision: str
    place: tuple[str | None, str | None, str | None]
    number: str | None


def village_place(code: str) -> tuple[str, str, str]:
    """A village's place as it is compared: itself, its commune, its district (and in that, its province)."""
    return code, code[:6], code[:4]


def feature_batch(people: Sequence[Person]) -> pa.RecordBatch:
    """People as columns of SCHEMA."""
    rows = [_features(person) for person in people]
    return pa.RecordBatch.from_pylist(rows, schema=SCHEMA)


def _features(person: Person) -> Mapping[str, Any]:
    latin, khmer = name_form(person.name_en), name_form(person.name_km)
    form = latin if latin is not EMPTY else khmer
    sounds = form.sound.split(" ") if form.sound else []
    born = person.birth_date
    village, commune, district = person.place
    exact = born is not None and person.birth_date_precision == "day"
    return {
        "unique_id": person.person_id,
        "household_id": person.household_id,
        "spelling": form.spelling or None,
        "spelling_km": khmer.spelling or None,
        "sound": form.sound or None,
        "first_sound": sounds[0] if sounds else None,
        "last_sound": sounds[-1] if sounds else None,
        "sex": person.sex,
        "birth_date": born.strftime("%Y%m%d") if born and exact else None,
        "birth_day": born.strftime("%Y%m%d") if born and exact else None,
        "birth_year": born.year if born else None,
        "village": village,
        "commune": commune,
        "district": district,
        "number": person.number,
    }
