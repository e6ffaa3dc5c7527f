"""Rows of a household file a column at a time: what is plainly right is read so, all else row by row by `parse_rows`.

`RowParser` says what a row means and what is wrong with it. Here the rows of a block that it would take as they stand
are told apart by a few conditions over whole columns, and only the others are given to it. Both ways make the same
staging row of the same cells: a property test holds them together. In files as people send them nearly every row is
plainly right, and Python works for the sealed numbers alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from services.registry.imports.copy_columns import copy_body, new_ids
from services.registry.imports.optional_cells import read_optional, told
from services.registry.imports.parse_rows import CARD_PATTERN, STAGING_COLUMNS, Formats, RowParser, normal_cells
from services.registry.imports.rules import COLUMNS, DISABILITIES, RELATIONSHIPS
from services.registry.imports.table import Table, Unreadable
from services.registry.sealing import EQUITY_CARD, NATIONAL_ID, PHONE, Sealer

NEW_IDS: Final = ("person_id", "membership_id")
OPTIONAL: Final = ("facts", "numbers")
STAGED_COLUMNS: Final = (*STAGING_COLUMNS, *OPTIONAL, *NEW_IDS)

_TYPES: Final = {
    **dict.fromkeys(STAGING_COLUMNS, pa.string()),
    **{"batch_id": pa.binary(), "line": pa.int32(), "seq": pa.int64(), "run": pa.int32(), "poverty_level": pa.int16()},
    **dict.fromkeys(("card_valid_from", "card_valid_until", "birth_date"), pa.date32()),
    **dict.fromkeys(("living_with_hiv", "pregnant"), pa.bool_()),
    **{name: pa.binary() for name in STAGING_COLUMNS if name.endswith(("_cipher", "_hash"))},
    **dict.fromkeys(("content", *OPTIONAL), pa.binary()),
}
_PLACED: Final = STAGING_COLUMNS[:4]
_VALUES: Final = STAGING_COLUMNS[4:]
_TOLD: Final = (*_VALUES, *OPTIONAL)
_JSONB: Final = b"\x01"
"""Version of the binary form of jsonb, before its text."""
_SEPARATOR: Final = "\x1f"

# Stricter than the rules of `parse_rows` in nothing but this: cells that it would repair or fold are left to it.
_REFERENCE: Final = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,31}$"
_VILLAGE: Final = r"^[0-9]{8}$"
_DAY: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_NAME: Final = r"^[\p{L}\p{Mn}\p{Mc}][^\x00-\x1f\x7f\x{2028}\x{2029}]*$"
_MAX_NAME: Final = 200
_TRUE: Final = ("true", "1", "yes")
_BOOLEANS: Final = ("", "false", "0", "no", *_TRUE)
_LEVELS: Final = ("1", "2")
_EARLIEST: Final = date(1900, 1, 1)
_FIRST_DAY: Final = date.min
_CELL: Final = {name: position for position, name in enumerate(COLUMNS)}


@dataclass
class Staged:
    """Parsed rows, ready for COPY: `body` in STAGED_COLUMNS order, `rejections` in REJECTION_COLUMNS order."""

    rows: int = 0
    body: bytes = b""
    rejections: list[tuple[Any, ...]] = field(default_factory=list)
    repairs: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Read:
    """Rows that have their cells, as columns of text, with the line of each."""

    lines: list[int]
    columns: Sequence[Any]
    optional: Sequence[str]


class ColumnParser:
    """Parses the tables of one file in order; see `RowParser` for what `seq` and `run` are."""

    def __init__(self, batch_id: UUID, sealer: Sealer, formats: Formats, today: date) -> None:
        self._batch_id = batch_id
        self._sealer = sealer
        self._formats = formats
        self._today = today
        self._rows = RowParser(batch_id, range(len(COLUMNS)), sealer, formats, today)

    def parse(self, table: Table) -> Staged:
        """Parse the rows of a table."""
        staged = Staged()
        read, unreadable = _cells_of(table)
        values, good = self._plain(read.columns)
        for column in read.columns[len(COLUMNS) :]:
            good = pc.and_(good, pc.equal(column, ""))  # whatever it says, it is read row by row
        bad = [index for index, plain in enumerate(good.to_pylist()) if not plain]
        slow = self._row_by_row(read, bad, staged)
        kept = good.to_pylist()
        refs, villages = values["household_ref"].to_pylist(), values["village_code"].to_pylist()
        for index, row in zip(bad, slow, strict=True):
            refs[index], villages[index] = row[0], row[1]
        places = list(zip(read.lines, refs, villages, kept, strict=True))
        places += [(line, None, None, False) for line, _ in unreadable]
        if unreadable:
            places.sort(key=lambda place: place[0])
        numbered = [(line, *self._rows.number(ref, village), plain) for line, ref, village, plain in places]
        for line, code in unreadable:
            staged.rejections.append((self._batch_id, line, "line", code, None))
        slow_by_line = {read.lines[index]: row for index, row in zip(bad, slow, strict=True)}
        self._write(staged, values, good, numbered, slow_by_line)
        return staged

    def _row_by_row(self, read: _Read, bad: Sequence[int], staged: Staged) -> list[tuple[Any, ...]]:
        """The values of the rows that are not plainly right."""
        if not bad:
            return []
        picked = pa.array(bad, pa.int32())
        cells = zip(*(column.take(picked).to_pylist() for column in read.columns), strict=True)
        parsed = []
        for index, row in zip(bad, cells, strict=True):
            errors: list[tuple[str, str]] = []
            stripped = [cell.strip() for cell in row]
            core = normal_cells(stripped[: len(COLUMNS)], staged.repairs)
            values = self._rows.values(core, errors)
            parsed.append(self._with_optional(values, core, read.optional, stripped[len(COLUMNS) :], errors))
            line = read.lines[index]
            staged.rejections += [(self._batch_id, line, name, code, values[0]) for name, code in errors]
        return parsed

    def _with_optional(
        self,
        values: tuple[Any, ...],
        core: Sequence[str],
        names: Sequence[str],
        cells: Sequence[str],
        errors: list[tuple[str, str]],
    ) -> tuple[Any, ...]:
        given = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
        if not given:
            return (*values, None, None)
        facts, numbers = read_optional(given, dict(zip(COLUMNS, core, strict=True)), self._sealer, errors)
        content = None if errors else sha256(values[-1] + told(facts, numbers)).digest()
        return (
            *values[:-1],
            content,
            _JSONB + orjson.dumps(facts),
            _JSONB + orjson.dumps(numbers) if numbers else None,
        )

    def _write(
        self,
        staged: Staged,
        values: dict[str, Any],
        good: Any,
        numbered: Sequence[tuple[int, int, int, bool]],
        slow: dict[int, tuple[Any, ...]],
    ) -> None:
        plain = [place for place in numbered if place[3]]
        others = [place for place in numbered if not place[3]]
        nothing = (None,) * len(_TOLD)
        rest = [slow.get(line, nothing) for line, *_ in others]
        columns = self._numbers(plain + others)
        for position, name in enumerate(_TOLD):
            fast = values[name] if not others else values[name].filter(good)
            later = pa.array([row[position] for row in rest], _TYPES[name])
            columns.append(pa.concat_arrays([fast, later]) if rest else fast)
        staged.rows = len(numbered)
        columns += [new_ids(staged.rows) for _ in NEW_IDS]
        staged.body = copy_body(columns)

    def _numbers(self, places: Sequence[tuple[int, int, int, bool]]) -> list[Any]:
        batch = pa.array([self._batch_id.bytes] * len(places), pa.binary())
        numbers = zip(*(place[:3] for place in places), strict=True) if places else ((), (), ())
        kinds = [_TYPES[name] for name in _PLACED[1:]]
        return [batch, *(pa.array(number, kind) for number, kind in zip(numbers, kinds, strict=True))]

    # --- columns -----------------------------------------------------------------------------------------------

    def _plain(self, cells: Sequence[Any]) -> tuple[dict[str, Any], Any]:
        """The values of every row, and which rows are plainly right: the values of the others mean nothing."""
        cell = {name: cells[position] for name, position in _CELL.items()}
        values, good = self._household(cell)
        person, right = self._person(cell)
        good = pc.and_(good, right)
        for name, kind, source in (
            ("national_id", NATIONAL_ID, cell["national_id"]),
            ("phone", PHONE, pc.replace_substring(cell["phone"], " ", "")),
        ):
            pattern = self._formats.national_id if kind == NATIONAL_ID else self._formats.phone
            sealed, right = self._sealed(source, pattern, kind)
            values |= {f"{name}_cipher": sealed[0], f"{name}_hash": sealed[1]}
            good = pc.and_(good, right)
        values |= person
        values["content"] = _digests(cell, values)
        values |= dict.fromkeys(OPTIONAL, pa.nulls(len(good), pa.binary()))
        return values, good

    def _household(self, cell: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        level = cell["poverty_level"]
        with_card = _is_one_of(level, _LEVELS)
        card, fitting = self._sealed(cell["card_number"], CARD_PATTERN, EQUITY_CARD)
        starts, start_right = _dates(cell["card_valid_from"])
        ends, end_right = _dates(cell["card_valid_until"])
        in_order = pc.fill_null(pc.greater_equal(ends, starts), False)
        has_card = pc.and_(pc.not_equal(cell["card_number"], ""), fitting)
        right = _all(with_card, has_card, start_right, end_right, in_order)
        none = _all(*(pc.equal(cell[name], "") for name in COLUMNS[2:6]))
        nothing = pa.scalar(None, pa.date32())
        values = {
            "household_ref": cell["household_ref"],
            "village_code": cell["village_code"],
            "poverty_level": pc.if_else(with_card, pc.if_else(pc.equal(level, "1"), 1, 2), None).cast(pa.int16()),
            "card_cipher": card[0],
            "card_hash": card[1],
            "card_valid_from": pc.if_else(start_right, starts, nothing),
            "card_valid_until": pc.if_else(end_right, ends, nothing),
        }
        formed = (pc.match_substring_regex(cell["household_ref"], _REFERENCE),)
        placed = pc.match_substring_regex(cell["village_code"], _VILLAGE)
        return values, _all(*formed, placed, pc.or_(right, none))

    def _person(self, cell: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        born = cell["birth_date"]
        length = pc.binary_length(born)
        year, month = pc.equal(length, 4), pc.equal(length, 7)
        whole = pc.if_else(year, pc.binary_join_element_wise(born, "01", "01", "-"), born)
        whole = pc.if_else(month, pc.binary_join_element_wise(born, "01", "-"), whole)
        birth_date, dated = _dates(whole)
        grown = pc.less_equal(birth_date, pa.scalar(self._rows.grown_since))
        pregnant, hiv = _is_one_of(cell["pregnant"], _TRUE), _is_one_of(cell["living_with_hiv"], _TRUE)
        disability = pc.if_else(pc.equal(cell["disability"], ""), "none", cell["disability"])
        female = pc.equal(cell["sex"], "female")
        right = _all(
            pc.match_substring_regex(cell["person_ref"], _REFERENCE),
            _named(cell["name_km"], cell["name_en"]),
            pc.or_(female, pc.equal(cell["sex"], "male")),
            dated,
            pc.less_equal(birth_date, pa.scalar(self._today)),
            pc.greater_equal(birth_date, pa.scalar(_EARLIEST)),
            _is_one_of(cell["relationship"], RELATIONSHIPS),
            pc.or_(pc.not_equal(cell["relationship"], "head"), grown),
            _is_one_of(disability, DISABILITIES),
            _is_one_of(cell["pregnant"], _BOOLEANS),
            _is_one_of(cell["living_with_hiv"], _BOOLEANS),
            pc.or_(pc.invert(pregnant), female),
        )
        values = {name: cell[name] for name in ("person_ref", "name_km", "name_en", "sex", "relationship")}
        values["birth_date"] = birth_date
        values["birth_date_precision"] = pc.if_else(year, "year", pc.if_else(month, "month", "day"))
        return values | {"disability": disability, "living_with_hiv": hiv, "pregnant": pregnant}, right

    def _sealed(self, cells: Any, pattern: re.Pattern[str], kind: str) -> tuple[tuple[Any, Any], Any]:
        """Ciphers and hashes of a column, and which cells are empty or have the form. Neighbours alike share a seal."""
        ciphers: list[bytes | None] = []
        hashes: list[bytes | None] = []
        right: list[bool] = []
        last, fits = "", True
        cipher: bytes | None = None
        digest: bytes | None = None
        for text in cells.to_pylist():
            if text != last:
                last, cipher, digest = text, None, None
                fits = not text or pattern.fullmatch(text) is not None
                if text and fits:
                    sealed = self._sealer.seal(text, kind)
                    cipher, digest = sealed.cipher, sealed.hash
            ciphers.append(cipher)
            hashes.append(digest)
            right.append(fits)
        return (pa.array(ciphers, pa.binary()), pa.array(hashes, pa.binary())), pa.array(right, pa.bool_())


def _cells_of(table: Table) -> tuple[_Read, list[tuple[int, str]]]:
    """The rows that have cells; line and code of those that have none. Blank ones are passed over."""
    columns = table.columns() if table.columns is not None else None
    if columns is not None:
        return _Read(list(range(table.first_line, table.first_line + len(columns[0]))), columns, table.optional), []
    lines, rows, unreadable = [], [], []
    for line, row in enumerate(table.read(), table.first_line):
        if isinstance(row, Unreadable):
            unreadable.append((line, row.code))
        elif row is not None:
            lines.append(line)
            rows.append(row)
    cells = list(zip(*rows, strict=True)) if rows else [()] * (len(COLUMNS) + len(table.optional))
    return _Read(lines, [pa.array(column, pa.string()) for column in cells], table.optional), unreadable


def _all(*conditions: Any) -> Any:
    together = conditions[0]
    for condition in conditions[1:]:
        together = pc.and_(together, condition)
    return pc.fill_null(together, False)


def _is_one_of(cells: Any, words: Iterable[str]) -> Any:
    # Made at each use: with its first array pyarrow loads pandas, which only a process that reads files needs.
    return pc.is_in(cells, pa.array(sorted(words)))


def _dates(cells: Any) -> tuple[Any, Any]:
    """Days, and which cells are one: written back they are the same, so that no month has a day that it has not."""
    formed = pc.match_substring_regex(cells, _DAY)
    read = pc.strptime(pc.if_else(formed, cells, None), "%Y-%m-%d", "s", error_is_null=True).cast(pa.date32())
    same = pc.equal(read.cast(pa.string()), cells)
    return read, _all(formed, same, pc.greater_equal(read, pa.scalar(_FIRST_DAY)))


def _named(name_km: Any, name_en: Any) -> Any:
    right = []
    for name in (name_km, name_en):
        fits = pc.and_(pc.match_substring_regex(name, _NAME), pc.less_equal(pc.utf8_length(name), _MAX_NAME))
        right.append(pc.or_(pc.equal(name, ""), fits))
    either = pc.or_(pc.not_equal(name_km, ""), pc.not_equal(name_en, ""))
    return _all(*right, either)


def _digests(cell: dict[str, Any], values: dict[str, Any]) -> Any:
    """As `parse_rows` takes them: cells in order, booleans by their Python names, sealed values by their hash."""
    cells = [cell[name] for name in ("household_ref", "village_code", "poverty_level")]
    cells += [cell[name] for name in ("card_valid_from", "card_valid_until", "person_ref", "name_km", "name_en")]
    cells += [cell["sex"], cell["birth_date"], cell["relationship"], values["disability"]]
    cells += [pc.if_else(values[name], "True", "False") for name in ("living_with_hiv", "pregnant")]
    text = [column.cast(pa.binary()) for column in cells]
    sealed = [pc.fill_null(values[f"{name}_hash"], b"") for name in ("card", "national_id", "phone")]
    joined = pc.binary_join_element_wise(*text, *sealed, _SEPARATOR.encode())
    return pa.array([sha256(item).digest() for item in joined.to_pylist()], pa.binary())
