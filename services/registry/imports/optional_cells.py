"""The optional columns of a household file: what else is known of a household or person. Pure.

A column that is left out, and an empty cell, say nothing: what the register has stays. The household's own cells count
on the line of its head. Numbers are sealed here as in `parse_rows`; the rest becomes one JSON object of column names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

import orjson

from services.registry.imports.parse_rows import ESCAPED, plain_digits, text_fault
from services.registry.imports.rules import DEGREES, NUMBER_COLUMNS, WASHINGTON_GROUP
from services.registry.sealing import Sealer

NUMBER_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9/.-]{3,31}")
"""Form of birth certificates, social-security numbers and disability cards; a national id has its own."""
_REFERENCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,31}")
_SCORE: Final = re.compile(r"-?[0-9]{1,4}(\.[0-9]{1,4})?")
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MAX_ISSUER: Final = 100
_TRUTHS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_KINDS: Final = ("family", "individual", "institution")
_EDUCATION: Final = ("none", "pre_school", "primary", "lower_secondary", "upper_secondary", "higher")
_EMPLOYMENT: Final = ("none", "part_time", "full_time")
_DETAILS: Final = ("issuer", "valid_from", "valid_until")

Errors = list[tuple[str, str]]


class _Wrong(ValueError):
    """A cell that is not what it should be; the message is the code."""


def _day(text: str) -> str:
    try:
        if len(text) == 10:
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass  # a day that no month has: refused like any other text that is not a date
    raise _Wrong("invalid_date")


def _refuse(code: str) -> Any:
    raise _Wrong(code)


def _formed(pattern: re.Pattern[str], code: str) -> Callable[[str], str]:
    return lambda text: text if pattern.fullmatch(text) else _refuse(code)


def _one_of(values: Sequence[str], code: str) -> Callable[[str], str]:
    return lambda text: text.lower() if text.lower() in values else _refuse(code)


def _truth(text: str) -> bool:
    found = _TRUTHS.get(text.lower())
    return found if found is not None else bool(_refuse("invalid_boolean"))


_FACTS: Final[dict[str, tuple[str, Callable[[str], Any]]]] = {
    "household_kind": ("kind", _one_of(_KINDS, "invalid_kind")),
    "poverty_score": ("poverty_score", lambda text: _score(text)),
    "poverty_source": ("poverty_source", _formed(_CODE, "invalid_code")),
    "poverty_cause": ("poverty_cause", _formed(_CODE, "invalid_code")),
    "card_issuer": ("card_issuer", lambda text: _issuer(text)),
    "expected_delivery_on": ("expected_delivery_on", _day),
    "disability_card_valid_until": ("disability_card_valid_until", _day),
    "education_level": ("education_level", _one_of(_EDUCATION, "invalid_education_level")),
    "school_code": ("school_code", _formed(_REFERENCE, "invalid_reference")),
    "employment": ("employment", _one_of(_EMPLOYMENT, "invalid_employment")),
    "insured": ("insured", _truth),
    "civil_servant": ("civil_servant", _truth),
    "national_id_issuer": ("national_id_issuer", lambda text: _issuer(text)),
    "national_id_valid_from": ("national_id_valid_from", _day),
    "national_id_valid_until": ("national_id_valid_until", _day),
}
"""Column of the file -> name in the JSON (the register's column) and how its cell is read."""


def _score(text: str) -> str:
    return f"{Decimal(text):.4f}" if _SCORE.fullmatch(text) else _refuse("invalid_score")


def _issuer(text: str) -> str:
    return _refuse("invalid_issuer") if text_fault(text, _MAX_ISSUER) else text


def read_optional(
    given: Mapping[str, str], core: Mapping[str, str], sealer: Sealer, errors: Errors
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The facts, and the sealed numbers, that these cells tell.

    Args:
        given: non-empty cells by column.
        core: the cells of the same line that every file has.
        errors: gets what is wrong, as (field, code).
    """
    cells = {name: _meant(name, cell) for name, cell in given.items()}
    facts: dict[str, Any] = {}
    for name, (column, reading) in _FACTS.items():
        if name in cells:
            _read(name, column, cells[name], reading, facts, errors)
    if any(name in cells for name in WASHINGTON_GROUP):
        _washington_group(cells, facts, errors)
    if "expected_delivery_on" in facts and not _TRUTHS.get(core["pregnant"].lower(), False):
        errors.append(("expected_delivery_on", "not_pregnant"))
    for name in (name for name in cells if name.startswith("national_id_") and not core["national_id"]):
        errors.append((name, "number_missing"))
    _in_order("national_id", facts, errors, "national_id_")
    return facts, [number for kind in NUMBER_COLUMNS if (number := _number(kind, cells, sealer, errors))]


def _meant(name: str, cell: str) -> str:
    cell = cell[1:] if cell.startswith(ESCAPED) else cell
    return cell if name.endswith("issuer") else plain_digits(cell)


def _read(
    name: str, column: str, cell: str, reading: Callable[[str], Any], facts: dict[str, Any], errors: Errors
) -> None:
    try:
        facts[column] = reading(cell)
    except _Wrong as wrong:
        errors.append((name, str(wrong)))


def _washington_group(cells: Mapping[str, str], facts: dict[str, Any], errors: Errors) -> None:
    """The six questions, all of them."""
    answers = {}
    for name, question in WASHINGTON_GROUP.items():
        if cells.get(name) not in DEGREES:
            errors.append((name, "invalid_degree" if name in cells else "required"))
        else:
            answers[question] = int(cells[name])
    facts["washington_group"] = answers


def _number(kind: str, cells: Mapping[str, str], sealer: Sealer, errors: Errors) -> dict[str, Any] | None:
    details = {name: cells[f"{kind}_{name}"] for name in _DETAILS if f"{kind}_{name}" in cells}
    if kind == "disability_card":
        details.pop("valid_until", None)  # a fact of the person, which rules ask for; the number's validity is the same
    if kind not in cells:
        errors += [(f"{kind}_{name}", "number_missing") for name in details]
        return None
    bare = cells[kind].replace(" ", "")
    if not NUMBER_PATTERN.fullmatch(bare):
        errors.append((kind, "invalid_number"))
        return None
    sealed = sealer.seal(bare, kind)
    number: dict[str, Any] = {"type": kind, "hash": sealed.hash.hex(), "cipher": sealed.cipher.hex()}
    for name, cell in details.items():
        _read(f"{kind}_{name}", name, cell, _issuer if name == "issuer" else _day, number, errors)
    if kind == "disability_card" and "disability_card_valid_until" in cells:
        _read("disability_card_valid_until", "valid_until", cells["disability_card_valid_until"], _day, number, [])
    _in_order(kind, number, errors)
    return number


def _in_order(kind: str, told: Mapping[str, Any], errors: Errors, prefix: str = "") -> None:
    starts, ends = told.get(f"{prefix}valid_from"), told.get(f"{prefix}valid_until")
    if starts and ends and ends < starts:
        errors.append((f"{kind}_valid_until", "ends_before_start"))


def told(facts: Mapping[str, Any], numbers: Sequence[Mapping[str, Any]]) -> bytes:
    """What the cells say, as bytes to take a digest of: numbers by their hash."""
    plain = [{name: value for name, value in number.items() if name != "cipher"} for number in numbers]
    return orjson.dumps([facts, plain], option=orjson.OPT_SORT_KEYS)
