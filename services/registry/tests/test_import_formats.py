"""XLSX, NDJSON and Parquet beside CSV: one reader port, the same report, and files made to do harm."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import AsyncIterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.imports import limits, read_parquet, read_sheet
from services.registry.imports.errors import LineTooLong, UnpacksTooLarge, UnreadableFile, WrongHeader
from services.registry.imports.read_lines import Measured
from services.registry.imports.rules import COLUMNS
from services.registry.imports.sealed_spool import SealedSpool
from services.registry.imports.sources import FileKind, tables
from services.registry.imports.table import Row, Unreadable
from services.registry.tests.building import VILLAGES, Registry, file_of, person

URL = "/registry/v1/household-imports"


def workbook(rows: Sequence[Sequence[Any]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in rows:
        sheet.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def in_format(kind: FileKind, lines: Sequence[dict[str, Any]]) -> bytes:
    if kind is FileKind.CSV:
        return file_of(*lines).encode()
    if kind is FileKind.NDJSON:
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    if kind is FileKind.XLSX:
        return workbook([COLUMNS, *([line[name] for name in COLUMNS] for line in lines)])
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(lines)), out)
    return out.getvalue()


async def read(kind: FileKind, data: bytes, piece: int = 1 << 16) -> list[Row]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(data), piece):
            yield data[start : start + piece]

    return [row async for table in tables(kind, Measured(chunks(), 1 << 30)) for row in table.read()]


async def send(registry: Registry, kind: FileKind, data: bytes) -> Any:
    headers = {**registry.officer(), "Content-Type": kind.value}
    return await registry.http.post(URL, content=data, headers=headers)


@pytest.mark.parametrize("kind", list(FileKind))
async def test_each_format_brings_in_the_same_people_and_reports_the_same_faults(
    registry: Registry, kind: FileKind
) -> None:
    lines = [person(national_id="123456789"), person(person_ref="2", sex="x"), person("H2")]
    answer = await send(registry, kind, in_format(kind, lines))
    assert answer.status_code == 202, answer.text
    await registry.service.run_jobs()
    done = await registry.read(answer.json()["import_id"])
    assert (done["rows"], done["registered"], done["rejected_rows"]) == (3, 1, 2)
    first = 1 if kind in {FileKind.NDJSON, FileKind.PARQUET} else 2  # of a sheet, line 1 names the columns
    assert await registry.rejections(done["import_id"]) == {(first + 1, "sex", "invalid_sex")}


@pytest.mark.parametrize("kind", list(FileKind))
async def test_a_file_cut_in_the_middle_leaves_nothing(registry: Registry, kind: FileKind) -> None:
    whole = in_format(kind, [person(f"H{n}") for n in range(200)])
    answer = await send(registry, kind, whole[: len(whole) // 2])
    if kind in {FileKind.XLSX, FileKind.PARQUET}:
        assert (answer.status_code, answer.json()["code"]) == (400, "unreadable_file")
        assert [await registry.count(name) for name in ("import_row", "household_import", "job")] == [0, 0, 0]
    else:  # text has no end of its own: the last line is reported, and nobody of its household is registered
        assert answer.status_code == 202
        await registry.service.run_jobs()
        done = await registry.read(answer.json()["import_id"])
        assert done["rejected_households"] >= 0
        assert {code for *_, code in await registry.rejections(done["import_id"])} & {"column_count", "invalid_json"}


@pytest.mark.parametrize("kind", [FileKind.XLSX, FileKind.PARQUET])
@pytest.mark.parametrize("data", [b"", b"not that", b"PK\x03\x04 no", b"PAR1 no PAR1"])
async def test_a_file_that_is_not_what_it_says_is_refused(kind: FileKind, data: bytes) -> None:
    with pytest.raises(UnreadableFile):
        await read(kind, data)


@pytest.mark.parametrize("kind", [FileKind.XLSX, FileKind.PARQUET])
async def test_wrong_columns_are_named_in_every_format(kind: FileKind) -> None:
    if kind is FileKind.XLSX:
        data = workbook([[*COLUMNS[:-1], "sex", "other"], ["x"] * 18])
    else:
        out = io.BytesIO()
        pq.write_table(pa.table({name: ["x"] for name in (*COLUMNS[:-1], "other")}), out)
        data = out.getvalue()
    with pytest.raises(WrongHeader) as refused:
        await read(kind, data)
    assert refused.value.extra["missing"] == ["pregnant"]
    assert refused.value.extra["unknown"] == 1


# --- spreadsheets --------------------------------------------------------------------------------------------------


async def test_typed_cells_of_a_sheet_read_as_what_they_show(registry: Registry) -> None:
    cells = {"village_code": 1020101, "poverty_level": 1.0, "birth_date": date(1980, 5, 17), "pregnant": False}
    answer = await send(registry, FileKind.XLSX, in_format(FileKind.XLSX, [person() | cells]))
    await registry.service.run_jobs()
    done = await registry.read(answer.json()["import_id"])
    assert (done["registered"], done["repairs"]) == (1, {"lost_zero": 1})
    assert (await registry.rows("SELECT village_code FROM household"))[0].village_code == VILLAGES[0]


async def test_a_formula_is_reported_and_never_computed(registry: Registry) -> None:
    lines = [person(name_en='=HYPERLINK("http://x","y")'), person("H2", name_en="+1"), person("H3", name_en="@x")]
    for kind in (FileKind.XLSX, FileKind.CSV):
        answer = await send(registry, kind, in_format(kind, lines))
        await registry.service.run_jobs()
        found = await registry.rejections(answer.json()["import_id"])
        assert found == {(line, "name_en", "formula_cell") for line in (2, 3, 4)}


async def test_a_fraction_or_a_time_of_day_is_no_cell_of_ours() -> None:
    rows = await read(FileKind.XLSX, in_format(FileKind.XLSX, [person() | {"poverty_level": 1.5}]))
    assert rows == [Unreadable("invalid_cell")]


def zip_of(name: str, content: bytes, claimed: int | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    data = bytearray(out.getvalue())
    if claimed is not None:  # lie about the size in the directory
        at = data.rindex(b"PK\x01\x02") + 24
        data[at : at + 4] = struct.pack("<I", claimed)
    return bytes(data)


async def test_zip_bombs_are_refused_before_they_are_unpacked() -> None:
    with pytest.raises(UnpacksTooLarge):
        await read(FileKind.XLSX, zip_of("xl/worksheets/sheet1.xml", bytes(30 << 20)))
    with pytest.raises(UnpacksTooLarge):
        await read(FileKind.XLSX, zip_of("a.bin", b"x", claimed=limits.MAX_UNPACKED_BYTES + 1))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for number in range(limits.MAX_ENTRIES + 1):
            file.writestr(f"{number}.bin", b"")
    with pytest.raises(UnpacksTooLarge):
        await read(FileKind.XLSX, out.getvalue())


async def test_an_entry_that_lies_about_its_size_is_damaged() -> None:
    with pytest.raises(UnreadableFile):
        await read(FileKind.XLSX, zip_of("xl/workbook.xml", bytes(1 << 20), claimed=100))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
async def test_xml_that_defines_entities_is_refused(encoding: str) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
    with pytest.raises(UnreadableFile):
        await read(FileKind.XLSX, zip_of("xl/workbook.xml", bomb.encode(encoding)))


# --- JSON lines and Parquet ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{", "invalid_json"),
        ("[1]", "invalid_json"),
        ("[" * 15_000, "invalid_json"),
        ('{"sex": "male", "sex": "female"}', "repeated_name"),
        ('{"salary": "1"}', "unknown_name"),
        ('{"sex": ["male"]}', "invalid_cell"),
        ('{"sex": 1.5}', "invalid_cell"),
        ('{"sex": NaN}', "invalid_cell"),
    ],
)
async def test_a_line_of_json_that_cannot_be_a_person_says_why(line: str, code: str) -> None:
    assert await read(FileKind.NDJSON, line.encode()) == [Unreadable(code)]


async def test_a_long_text_repeated_by_a_dictionary_is_measured_before_it_is_unpacked() -> None:
    columns = {name: ["x" * 20_000] * 5_000 if name == "name_en" else ["x"] * 5_000 for name in COLUMNS}
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    assert len(out.getvalue()) < 200_000
    with pytest.raises(LineTooLong):
        await read(FileKind.PARQUET, out.getvalue())


async def test_a_parquet_file_of_too_many_rows_or_too_large_groups_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = in_format(FileKind.PARQUET, [person(str(n)) for n in range(100)])
    monkeypatch.setattr(limits, "MAX_ROWS", 99)
    with pytest.raises(UnpacksTooLarge):
        await read(FileKind.PARQUET, data)
    monkeypatch.undo()
    monkeypatch.setattr(limits, "MAX_ROW_GROUP_BYTES", 100)
    with pytest.raises(UnpacksTooLarge):
        await read(FileKind.PARQUET, data)
    assert read_parquet.limits is read_sheet.limits is limits


# --- text ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=4, max_size=4), st.integers(1, 40))
async def test_line_ends_may_be_mixed_and_cut_anywhere(ends: list[str], piece: int) -> None:
    lines = file_of(*(person(f"H{n}") for n in range(3))).split("\n")[:4]
    data = "".join(line + end for line, end in zip(lines, ends, strict=True)).encode()
    rows = await read(FileKind.CSV, b"\xef\xbb\xbf" + data, piece)
    assert [row[0] for row in rows if isinstance(row, list)] == ["H0", "H1", "H2"]


async def test_khmer_digits_are_digits_and_counted(registry: Registry) -> None:
    cells = {"village_code": "០១០២០១០១", "birth_date": "១៩៨០-០៥-១៧", "phone": "០១២៣៤៥៦៧៨", "national_id": "១១១១១១១១១"}
    done = await registry.send(file_of(person(**cells)))
    assert (done["registered"], done["repairs"]) == (1, {"khmer_digits": 1})
    again = await registry.send(file_of(person(birth_date="1980-05-17", phone="012345678", national_id="111111111")))
    assert again["unchanged"] == 1


async def test_a_village_code_that_lost_its_zero_is_read_and_counted(registry: Registry) -> None:
    done = await registry.send(file_of(person(village_code="1020101"), person(person_ref="2")))
    assert (done["registered"], done["repairs"]) == (1, {"lost_zero": 1})


async def test_a_child_as_head_is_refused(registry: Registry) -> None:
    done = await registry.send(file_of(person(birth_date="2010-01-01"), person("H2", birth_date="2005")))
    assert await registry.rejections(done["import_id"]) == {(2, "relationship", "head_too_young")}
    assert done["registered"] == 1  # born in 2005 may be fifteen


async def test_a_person_in_two_households_is_refused_by_number_and_listed_by_name(registry: Registry) -> None:
    done = await registry.send(
        file_of(person("H1", national_id="111111111"), person("H2", "1", national_id="111111111"), person("H3"))
    )
    assert {code for *_, code in await registry.rejections(done["import_id"])} == {"duplicate_national_id"}
    again = await registry.send(file_of(person("H4")))
    assert (again["registered"], again["candidates"]) == (1, 1)
    (pair,) = await registry.rows("SELECT band, state, reasons FROM duplicate_candidate")
    assert (pair.band, pair.state) == ("exact", "open")
    assert {reason["field"] for reason in pair.reasons} == {"name_en", "name_km", "birth_date", "sex"}


async def test_a_member_who_moved_away_or_died_is_not_brought_back_by_an_old_file(registry: Registry) -> None:
    await registry.send(file_of(person(), person(person_ref="2"), person(person_ref="3")))
    async with registry.service.database.session() as session:
        from sqlalchemy import text

        await session.execute(
            text("SELECT set_config('samaki.change', (SELECT id::text FROM register_change LIMIT 1), true)")
        )
        await session.execute(text("UPDATE membership SET valid_until = '2020-06-30' WHERE person_ref = '3'"))
        await session.execute(
            text("UPDATE person SET alive = false WHERE id = (SELECT person_id FROM membership WHERE person_ref = '3')")
        )
    lines = [person(name_en="Other"), person(person_ref="2"), person(person_ref="3")]
    done = await registry.send(file_of(*lines))
    assert await registry.rejections(done["import_id"]) == {(4, "person_ref", "person_dead")}


REAL = Path(__file__).parents[4] / "shared" / "data" / "idpoor_2010_round.csv"


async def test_real_codes_without_their_leading_zero_are_read(registry: Registry) -> None:
    if not REAL.exists():
        pytest.skip("the file of the 2010 round is not here")
    codes = [line.split(",")[3] for line in REAL.read_text(encoding="utf-8-sig").splitlines()[1:]]
    short = [code for code in codes if len(code) == 7]
    assert len(short) > 1000
    lines = [person(f"H{n}", village_code=code) for n, code in enumerate(short[:300])]
    done = await registry.send(file_of(*lines))
    assert done["repairs"] == {"lost_zero": 300}
    codes_reported = {code for *_, code in await registry.rejections(done["import_id"])}
    assert codes_reported <= {"unknown_village"}  # this register knows four villages: no code is called malformed
    assert done["registered"] == sum("0" + code in VILLAGES for code in short[:300])


# --- the spool -----------------------------------------------------------------------------------------------------


@given(st.binary(max_size=500), st.lists(st.tuples(st.integers(0, 600), st.integers(0, 100)), max_size=10))
def test_a_sealed_spool_reads_like_a_file(data: bytes, reads: list[tuple[int, int]]) -> None:
    spool, plain = SealedSpool(), io.BytesIO(data)
    for start in range(0, len(data), 7):
        spool.append(data[start : start + 7])
    for offset, size in reads:
        assert spool.seek(offset) == plain.seek(offset)
        assert spool.read(size) == plain.read(size)
    assert spool.seek(0, io.SEEK_END) == len(data)
    spool.close()


def test_a_sealed_spool_holds_nothing_in_clear() -> None:
    spool = SealedSpool()
    spool.append(b"national id 123456789" * 100)
    spool._file.seek(0)
    assert b"123456789" not in spool._file.read()
