"""A file is read a column at a time: what comes of it is what `RowParser` makes of each row alone."""

from __future__ import annotations

import json
import struct
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.imports.copy_columns import copy_body, new_ids
from services.registry.imports.parse_columns import STAGED_COLUMNS, ColumnParser, Staged
from services.registry.imports.parse_rows import STAGING_COLUMNS, RowParser
from services.registry.imports.read_text import csv_columns, csv_rows
from services.registry.imports.rules import COLUMNS
from services.registry.imports.table import Row, Table, Unreadable
from services.registry.tests.building import person
from services.registry.tests.test_parse_rows import SEALER, TODAY, country

SEALED = {"card_cipher", "national_id_cipher", "phone_cipher"}
BATCH = UUID(int=7)
_TEXTS = {"household_ref", "village_code", "person_ref", "name_km", "name_en", "sex", "birth_date_precision"}
_TEXTS |= {"relationship", "disability"}
_NUMBERS = {"line": ">i", "seq": ">q", "run": ">i", "poverty_level": ">h"}
_DAYS = {"card_valid_from", "card_valid_until", "birth_date"}


def rows_of(body: bytes) -> list[dict[str, Any]]:
    """What PostgreSQL reads in a binary COPY of STAGED_COLUMNS, by the format's description."""
    assert body[:19] == b"PGCOPY\n\xff\r\n\x00" + bytes(8)
    position, found = 19, []
    while (fields := struct.unpack_from(">h", body, position)[0]) != -1:
        assert fields == len(STAGED_COLUMNS)
        position += 2
        row: dict[str, Any] = {}
        for name in STAGED_COLUMNS:
            (length,) = struct.unpack_from(">i", body, position)
            position += 4
            row[name] = None if length == -1 else _value(name, body[position : position + length])
            position += max(length, 0)
        found.append(row)
    assert position + 2 == len(body)
    return found


def _value(name: str, data: bytes) -> Any:
    if name in _TEXTS:
        return data.decode()
    if name in _NUMBERS:
        return struct.unpack(_NUMBERS[name], data)[0]
    if name in _DAYS:
        return date(2000, 1, 1) + timedelta(days=struct.unpack(">i", data)[0])
    if name in {"living_with_hiv", "pregnant"}:
        return data == b"\x01"
    if name in {"facts", "numbers"}:
        assert data[:1] == b"\x01"
        return json.loads(data[1:])
    return UUID(bytes=data) if name in {"batch_id", "person_id", "membership_id"} else data


def read(tables: list[Table]) -> tuple[list[dict[str, Any]], list[Any], dict[str, int]]:
    """Staging rows in order, rejections, repairs: a column at a time."""
    parser = ColumnParser(BATCH, SEALER, country(), TODAY)
    parts: list[Staged] = [parser.parse(table) for table in tables]
    rows = sorted((row for part in parts for row in rows_of(part.body)), key=lambda row: row["line"])
    assert sum(part.rows for part in parts) == len(rows)
    repairs: dict[str, int] = {}
    for part in parts:
        for name, count in part.repairs.items():
            repairs[name] = repairs.get(name, 0) + count
    return rows, sorted(item for part in parts for item in part.rejections), repairs


def one_by_one(tables: list[Table]) -> tuple[list[dict[str, Any]], list[Any], dict[str, int]]:
    """The same by the rows' own parser."""
    parser = RowParser(BATCH, range(len(COLUMNS)), SEALER, country(), TODAY)
    rows, rejections, repairs = [], [], {}  # type: ignore[var-annotated]
    for table in tables:
        block = parser.parse_table(table.read(), table.first_line)
        rows += [dict(zip(STAGING_COLUMNS, row, strict=True)) for row in block.rows]
        rejections += block.rejections
        for name, count in block.repairs.items():
            repairs[name] = repairs.get(name, 0) + count
    return rows, sorted(rejections), repairs


def told(row: dict[str, Any]) -> dict[str, Any]:
    """A row for comparison: what is encrypted with a nonce, by what it holds; ids of its own left out."""
    kinds = {"card_cipher": "equity_card", "national_id_cipher": "national_id", "phone_cipher": "phone"}
    opened = {name: row[name] and SEALER.open(row[name], kinds[name]) for name in SEALED}
    return {name: value for name, value in row.items() if name in STAGING_COLUMNS} | opened


_CELLS = {
    "household_ref": ["H1", "H2", "H2", "", "a b", "'-x", "H១"],
    "village_code": ["01020101", "1020101", "0102010", "០១០២០១០១", "", "01020102"],
    "poverty_level": ["1", "2", "", "3", "១"],
    "card_number": ["C-100", "C-200", "", "?", "x" * 33],
    "card_valid_from": ["2019-01-01", "", "2019-02-29", "2020-02-29", "0000-01-01", "2019-1-1", "२०१९-01-01"],
    "card_valid_until": ["2022-01-01", "", "2018-12-31", "9999-12-31", "2021-13-01"],
    "person_ref": ["1", "2", "3/a", "", "-"],
    "name_km": ["សុខ ដារ៉ា", "", "=1+1", "'=1", "៤", "ញ៉ែ\u2028ម", "x" * 201, "1a", "្ក"],
    "name_en": ["Sok Dara", "", "D'Arc", "@x", "'@x", "\u0301a", "a\x00b", "Ωmega"],
    "sex": ["female", "male", "Female", "x", ""],
    "birth_date": ["1980-05-17", "1980-05", "1980", "2020-07-01", "2020-07-02", "1899-12-31", "2001-02-29", "", "១៩៨០"],
    "relationship": ["head", "spouse", "child", "Head", "cousin", ""],
    "national_id": ["", "123456789", "12345678", "១២៣៤៥៦៧៨៩"],
    "phone": ["", "012345678", "012 345 678", "+85512345678", "12"],
    "disability": ["", "none", "severe", "Mild", "yes"],
    "living_with_hiv": ["", "true", "no", "Yes", "maybe"],
    "pregnant": ["", "false", "1", "TRUE", "2"],
}
_ODD = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in _CELLS.items()})
_GOOD = st.fixed_dictionaries(
    {"household_ref": st.sampled_from(["H1", "H2"]), "birth_date": st.sampled_from(["1980-05-17", "1980-05", "1980"])}
)
_PEOPLE = st.one_of(
    _GOOD.map(lambda cells: person(**cells)),
    st.tuples(st.sampled_from(sorted(_CELLS)), _ODD).map(lambda one: person(**{one[0]: one[1][one[0]]})),
    st.tuples(
        st.sampled_from(["male", "female"]), st.sampled_from(["true", "false"]), st.sampled_from(["head", "child"])
    ).map(
        lambda one: person(
            sex=one[0],
            pregnant=one[1],
            relationship=one[2],
            birth_date="2010-01-01" if one[2] == "child" else "1990-02-03",
        )
    ),
    _ODD,
)
_ROWS = st.one_of(
    _PEOPLE.map(lambda cells: [cells[name] for name in COLUMNS]),
    st.sampled_from([None, Unreadable("column_count")]),
)


@given(st.lists(st.lists(_ROWS, max_size=6), min_size=1, max_size=3))
def test_rows_read_by_column_are_those_read_one_by_one(blocks: list[list[Row]]) -> None:
    tables, line = [], 2
    for block in blocks:
        tables.append(Table(line, lambda block=block: block))  # type: ignore[misc]
        line += len(block)
    fast, slow = read(tables), one_by_one(tables)
    assert [told(row) for row in fast[0]] == [told(row) for row in slow[0]]
    assert fast[1:] == slow[1:]


@given(st.lists(_PEOPLE, max_size=8), st.permutations(range(len(COLUMNS))), st.sampled_from([" ", "", "\u3000"]))
def test_csv_cut_by_columns_is_csv_cut_line_by_line(people: list[dict[str, str]], order: list[int], blank: str) -> None:
    lines = []
    for cells in people:
        placed = [""] * len(COLUMNS)
        for position, name in zip(order, COLUMNS, strict=True):
            placed[position] = blank + cells[name] + blank
        lines.append(",".join(placed))
    columns = csv_columns("\n".join(lines).encode(), order)
    rows = csv_rows(lines, order)
    if not lines:
        assert columns is None
        return
    assert columns is not None
    assert [list(row) for row in zip(*(column.to_pylist() for column in columns), strict=True)] == rows


@pytest.mark.parametrize("spoilt", ["", "  ", "a,b", '"quoted",x', ",".join("x" * 18)])
def test_a_block_with_an_odd_line_is_left_to_the_other_way(spoilt: str) -> None:
    good = ",".join(person()[name] for name in COLUMNS)
    assert csv_columns(f"{good}\n{good}".encode(), range(17)) is not None
    assert csv_columns(f"{good}\n{spoilt}\n{good}".encode(), range(17)) is None


def test_new_ids_are_uuid7_all_different_and_ascending() -> None:
    ids = [UUID(bytes=value) for value in new_ids(10_000).to_pylist()]
    assert ids == sorted(set(ids))
    assert {(value.version, value.variant) for value in ids} == {(7, "specified in RFC 4122")}


def test_a_copy_of_nothing_has_its_header_and_its_end() -> None:
    empty = [pa.array([], pa.string()), pa.array([], pa.int32())]
    assert copy_body(empty) == b"PGCOPY\n\xff\r\n\x00" + bytes(8) + b"\xff\xff"
