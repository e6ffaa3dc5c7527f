"""One line of a household file -> one typed staging row, or the reasons why not. Pure: no I/O.

Sealing happens here, so that an identity number exists in clear only between the socket and this function: staging,
tables, logs and rejections never hold one. A cell that does not have its form is not staged at all, since it may be an
identity number in the wrong column.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from services.registry.imports.read_text import csv_rows
from services.registry.imports.rules import COLUMNS, DISABILITIES, RELATIONSHIPS
from services.registry.imports.table import Row, Unreadable
from services.registry.sealing import EQUITY_CARD, NATIONAL_ID, PHONE, Sealer

STAGING_COLUMNS: Final = (
    *("batch_id", "line", "seq", "run", "household_ref", "village_code", "poverty_level", "card_cipher", "card_hash"),
    *("card_valid_from", "card_valid_until", "person_ref", "name_km", "name_en", "sex", "birth_date"),
    *("birth_date_precision", "relationship", "national_id_cipher", "national_id_hash", "phone_cipher"),
    *("phone_hash", "disability", "living_with_hiv", "pregnant", "content"),
)
REJECTION_COLUMNS: Final = ("batch_id", "line", "field", "code", "household_ref")

_REFERENCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,31}")
_VILLAGE: Final = re.compile(r"[0-9]{8}")
CARD_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{3,31}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MONTH: Final = re.compile(r"[0-9]{4}-[0-9]{2}")
_YEAR: Final = re.compile(r"[0-9]{4}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
_EARLIEST: Final = date(1900, 1, 1)
_BOOLEANS: Final = {"": False, "false": False, "0": False, "no": False, "true": True, "1": True, "yes": True}
_SEXES: Final = frozenset({"female", "male"})
_MAX_NAME: Final = 200
_HOUSEHOLD_CELLS: Final = 6
_VILLAGE_CELL: Final = COLUMNS.index("village_code")
_NAME_CELLS: Final = (COLUMNS.index("name_km"), COLUMNS.index("name_en"))
_LOST_ZERO: Final = re.compile(r"[1-9][0-9]{6}")
_DIGITS: Final = {
    **{ord("០") + value: str(value) for value in range(10)},
    **{ord("０") + value: str(value) for value in range(10)},
}
"""Khmer digits, and the wide ones of East Asian keyboards."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
ESCAPED: Final = tuple("'" + sign for sign in _FORMULA)
_APART: Final = "\x1f"
"""Stands between values whose digest is taken: a control character, that no accepted cell holds."""
_APART_BYTES: Final = _APART.encode()


@dataclass(frozen=True)
class Formats:
    """What identity and telephone numbers look like in this country."""

    national_id: re.Pattern[str]
    phone: re.Pattern[str]
    head_min_age: int = 15
    """Years. A birth date known to the month or year counts from its first day: what is unknown refuses nobody."""


@dataclass
class Block:
    """Parsed lines, ready for COPY: `rows` in STAGING_COLUMNS order, `rejections` in REJECTION_COLUMNS order."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    rejections: list[tuple[Any, ...]] = field(default_factory=list)
    repairs: dict[str, int] = field(default_factory=dict)
    """What was read otherwise than it was written, and could be nothing else: `khmer_digits`, `lost_zero`."""


def parse_birth_date(text: str) -> tuple[date, str] | None:
    """A birth date and its precision (`day`, `month`, `year`); None if it is not one."""
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text), "day"
        if _MONTH.fullmatch(text):
            return date.fromisoformat(text + "-01"), "month"
        if _YEAR.fullmatch(text):
            return date.fromisoformat(text + "-01-01"), "year"
    except ValueError:
        return None
    return None


def check_birth_date(text: str, today: date) -> tuple[tuple[date, str], str] | tuple[None, str]:
    """The birth date with its precision, or None and the code of what is wrong with it."""
    parsed = parse_birth_date(text)
    if parsed is None:
        return None, "invalid_birth_date" if text else "required"
    if parsed[0] > today:
        return None, "birth_date_in_future"
    if parsed[0] < _EARLIEST:
        return None, "birth_date_too_early"
    return parsed, ""


class RowParser:
    """Parses the lines of one file in order, giving each the household and the run it belongs to.

    `seq` numbers the households as they come: neighbouring lines of one village and household_ref share it. (A
    household whose lines stand apart has several; the set-wise checks make them one.)

    A *run* is a stretch of neighbouring lines with the same household_ref. A line whose household cannot be told (no
    reference, or a wrong village) makes every household of its run doubtful: the set-wise checks refuse those.

    Args:
        batch_id: of the import.
        order: position in the file of each of COLUMNS.
        today: in the country.
    """

    def __init__(self, batch_id: UUID, order: Sequence[int], sealer: Sealer, formats: Formats, today: date) -> None:
        self._batch_id = batch_id
        self._order = tuple(order)
        self._sealer = sealer
        self._formats = formats
        self._today = today
        self.grown_since = date(today.year - formats.head_min_age, today.month, min(today.day, 28))
        self._seq = 0
        self._run = 0
        self._last_ref: str | None = None
        self._last_place: tuple[str | None, str | None] | None = None
        self._household_cells: Sequence[str] = ()
        self._household_values: tuple[Any, ...] = ()

    def parse(self, lines: Sequence[str], first_line: int) -> Block:
        """Parse consecutive lines of CSV, without their line ends. Blank ones are passed over."""
        return self.parse_table(csv_rows(lines, self._order), first_line)

    def parse_table(self, rows: Sequence[Row], first_line: int) -> Block:
        """Parse consecutive rows, cells in COLUMNS order."""
        block = Block()
        for line, row in enumerate(rows, first_line):
            if isinstance(row, Unreadable):
                nothing = (None,) * (len(STAGING_COLUMNS) - 4)
                block.rows.append((self._batch_id, line, *self.number(None, None), *nothing))
                block.rejections.append((self._batch_id, line, "line", row.code, None))
            elif row is not None:
                self._place(row, line, block)
        return block

    def _place(self, cells: Sequence[str], line: int, block: Block) -> None:
        errors: list[tuple[str, str]] = []
        values = self.values(normal_cells(cells, block.repairs), errors)
        block.rows.append((self._batch_id, line, *self.number(values[0], values[1]), *values))
        if errors:
            block.rejections += [(self._batch_id, line, name, code, values[0]) for name, code in errors]

    def number(self, household_ref: str | None, village_code: str | None) -> tuple[int, int]:
        """`seq` and `run` of the next line, which is of this household; None: it cannot be told."""
        if household_ref is not None and household_ref != self._last_ref:
            self._run += 1
            self._last_ref = household_ref
        place = (household_ref, village_code)
        if place != self._last_place:
            self._seq += 1
            self._last_place = place
        return self._seq, self._run

    def values(self, cells: Sequence[str], errors: list[tuple[str, str]]) -> tuple[Any, ...]:
        """The values of STAGING_COLUMNS from `household_ref` on; what is wrong goes to `errors` as (field, code)."""
        household = self._household(cells[:_HOUSEHOLD_CELLS], errors)
        (person_ref, name_km, name_en, sex, birth, relationship, national_id, phone, disability, hiv, pregnant) = cells[
            _HOUSEHOLD_CELLS:
        ]
        person = _checked(person_ref, _REFERENCE, "person_ref", "invalid_reference", errors)
        names = _names(name_km, name_en, errors)
        sex_of = _choice(sex.lower(), _SEXES, "sex", "invalid_sex", errors)
        birth_date, precision = self._birth_date(birth, errors)
        relation = _choice(relationship.lower(), RELATIONSHIPS, "relationship", "invalid_relationship", errors)
        identity = self._sealed(national_id, self._formats.national_id, NATIONAL_ID, "invalid_national_id", errors)
        phones = self._sealed(phone.replace(" ", ""), self._formats.phone, PHONE, "invalid_phone", errors)
        disabled = _choice(disability.lower() or "none", DISABILITIES, "disability", "invalid_disability", errors)
        with_hiv = _boolean(hiv, "living_with_hiv", errors)
        with_child = _boolean(pregnant, "pregnant", errors)
        if with_child and sex_of == "male":
            errors.append(("pregnant", "pregnant_male"))
        if relation == "head" and birth_date is not None and birth_date > self.grown_since:
            errors.append(("relationship", "head_too_young"))
        content = None
        if not errors:
            told = (*cells[:3], *cells[4:8], name_en, sex_of, birth, relation, disabled, with_hiv, with_child)
            content = _digest(told, household[4], identity[1], phones[1])
        head = (*household, person, *names, sex_of, birth_date, precision, relation)
        return (*head, *identity, *phones, disabled, with_hiv, with_child, content)

    def _household(self, cells: Sequence[str], errors: list[tuple[str, str]]) -> tuple[Any, ...]:
        """The household's own values: read once for neighbouring lines that repeat them."""
        if cells == self._household_cells:
            return self._household_values
        before = len(errors)
        ref, village, level, card, card_from, card_until = cells
        household = _checked(ref, _REFERENCE, "household_ref", "invalid_reference", errors)
        place = _checked(village, _VILLAGE, "village_code", "invalid_village_code", errors)
        values = (household, place, *self._poverty(level, card, card_from, card_until, errors))
        if len(errors) == before:
            self._household_cells, self._household_values = cells, values
        return values

    def _poverty(
        self, level: str, card: str, card_from: str, card_until: str, errors: list[tuple[str, str]]
    ) -> tuple[Any, ...]:
        if not level:
            given = {"card_number": card, "card_valid_from": card_from, "card_valid_until": card_until}
            errors += [(name, "card_without_level") for name, cell in given.items() if cell]
            return (None, None, None, None, None)
        if level not in {"1", "2"}:
            errors.append(("poverty_level", "invalid_poverty_level"))
        sealed = self._sealed(card, CARD_PATTERN, EQUITY_CARD, "invalid_card_number", errors, required=True)
        starts = _date(card_from, "card_valid_from", errors)
        ends = _date(card_until, "card_valid_until", errors)
        if starts and ends and ends < starts:
            errors.append(("card_valid_until", "card_ends_before_start"))
        return (int(level) if level in {"1", "2"} else None, *sealed, starts, ends)

    def _birth_date(self, text: str, errors: list[tuple[str, str]]) -> tuple[date | None, str | None]:
        parsed, code = check_birth_date(text, self._today)
        if parsed is None:
            errors.append(("birth_date", code))
            return None, None
        return parsed

    def _sealed(
        self,
        text: str,
        pattern: re.Pattern[str],
        kind: str,
        code: str,
        errors: list[tuple[str, str]],
        *,
        required: bool = False,
    ) -> tuple[bytes | None, bytes | None]:
        name = "card_number" if kind == EQUITY_CARD else kind
        if not text:
            if required:
                errors.append((name, "required"))
            return None, None
        if not pattern.fullmatch(text):
            errors.append((name, code))
            return None, None
        sealed = self._sealer.seal(text, kind)
        return sealed.cipher, sealed.hash


def _checked(text: str, pattern: re.Pattern[str], name: str, code: str, errors: list[tuple[str, str]]) -> str | None:
    if pattern.fullmatch(text):
        return text
    errors.append((name, code if text else "required"))
    return None


def _choice(text: str, allowed: frozenset[str], name: str, code: str, errors: list[tuple[str, str]]) -> str | None:
    if text in allowed:
        return text
    errors.append((name, code if text else "required"))
    return None


def _boolean(text: str, name: str, errors: list[tuple[str, str]]) -> bool | None:
    value = _BOOLEANS.get(text.lower())
    if value is None:
        errors.append((name, "invalid_boolean"))
    return value


def _date(text: str, name: str, errors: list[tuple[str, str]]) -> date | None:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass  # a day that no month has: reported below like any other text that is not a date
    errors.append((name, "invalid_date" if text else "required"))
    return None


def _names(name_km: str, name_en: str, errors: list[tuple[str, str]]) -> tuple[str | None, str | None]:
    if not name_km and not name_en:
        errors.append(("name_km", "name_required"))
        return None, None
    bad = False
    for name, text in (("name_km", name_km), ("name_en", name_en)):
        code = text_fault(text)
        if code:
            errors.append((name, code))
            bad = True
    return (None, None) if bad else (name_km, name_en)


def text_fault(text: str, longest: int = _MAX_NAME) -> str | None:
    """What is wrong with a name, as a code; None: nothing, also of none."""
    if not text:
        return None
    if text.startswith(_FORMULA):
        return "formula_cell"
    begins = text[0].isalpha() or unicodedata.category(text[0]) in {"Mn", "Mc"}
    return None if begins and len(text) <= longest and not _CONTROL.search(text) else "invalid_name"


def normal_cells(cells: Sequence[str], repairs: dict[str, int]) -> Sequence[str]:
    """The cells as they are meant: what has one possible meaning is read so, and counted in `repairs`.

    Khmer digits outside names are digits; a village code of seven digits lost the zero of provinces 01 to 09; an
    apostrophe before a sign that begins a formula is how our own exports keep a spreadsheet from computing it.
    """
    first, after = _NAME_CELLS[0], _NAME_CELLS[-1] + 1
    coded = "".join(cells[:first]) + "".join(cells[after:])
    plain = coded.isascii() and "'" not in coded and not any(cells[name].startswith("'") for name in _NAME_CELLS)
    if plain and len(cells[_VILLAGE_CELL]) == 8:
        return cells
    normal = [
        cell if cell.isascii() or position in _NAME_CELLS else cell.translate(_DIGITS)
        for position, cell in enumerate(cells)
    ]
    if normal != list(cells):
        repairs["khmer_digits"] = repairs.get("khmer_digits", 0) + 1
    normal = [cell[1:] if cell.startswith(ESCAPED) else cell for cell in normal]
    if _LOST_ZERO.fullmatch(normal[_VILLAGE_CELL]):
        repairs["lost_zero"] = repairs.get("lost_zero", 0) + 1
        normal[_VILLAGE_CELL] = "0" + normal[_VILLAGE_CELL]
    return normal


def plain_digits(text: str) -> str:
    """The text with Khmer and wide digits as plain ones."""
    return text if text.isascii() else text.translate(_DIGITS)


def _digest(values: Sequence[Any], *hashes: bytes | None) -> bytes:
    """What the line says, in 32 bytes: two lines are the same if their digests are. Sealed values by their hash."""
    told = _APART.join([str(value) for value in values])
    return sha256(told.encode() + b"".join(_APART_BYTES + (item or b"") for item in hashes)).digest()
