"""Optional columns of household files: disability, pregnancy, school, work, poverty and papers, in and out again."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from services.registry.imports.optional_cells import read_optional
from services.registry.imports.rules import COLUMNS, MESSAGES, OPTIONAL_COLUMNS
from services.registry.imports.sources import FileKind
from services.registry.tests.building import Registry, file_of, person
from services.registry.tests.test_export import export
from services.registry.tests.test_parse_rows import SEALER

EVERYTHING = {
    "household_kind": "institution",
    "poverty_score": "42.5",
    "poverty_source": "idpoor_round_13",
    "poverty_cause": "drought",
    "card_issuer": "Ministry of Planning",
    "expected_delivery_on": "2020-11-01",
    "disability_card_valid_until": "2024-01-31",
    **{f"wg_{name}": "2" for name in ("seeing", "hearing", "walking", "remembering", "self_care")},
    "wg_communicating": "៤",
    "education_level": "lower_secondary",
    "school_code": "0102-17",
    "employment": "part_time",
    "insured": "true",
    "civil_servant": "no",
    "national_id_issuer": "GDI",
    "national_id_valid_from": "2015-01-01",
    "national_id_valid_until": "2025-01-01",
    "birth_certificate": "BC-1234",
    "birth_certificate_issuer": "ឃុំ ក",
    "birth_certificate_valid_from": "1980-06-01",
    "social_security": "NSSF 0099",
    "social_security_valid_until": "2030-01-01",
    "disability_card": "D-77/8",
    "disability_card_valid_from": "2019-01-31",
}


def with_optional(*lines: dict[str, str]) -> str:
    """A file that has every column."""
    text = io.StringIO()
    writer = csv.DictWriter(text, (*OPTIONAL_COLUMNS, *COLUMNS), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def whole_person(**cells: str) -> dict[str, str]:
    return person("H1", national_id="123456789", pregnant="true", **EVERYTHING) | cells


async def the_person(registry: Registry) -> Any:
    (row,) = await registry.rows(
        "SELECT p.*, g.kind, g.poverty_score, g.poverty_source, g.poverty_cause FROM person p"
        " JOIN household g ON g.head_person_id = p.id WHERE g.household_ref = 'H1'"
    )
    return row


async def numbers(registry: Registry) -> dict[str, tuple[str | None, str, str]]:
    rows = await registry.rows("SELECT * FROM identifier WHERE withdrawn_at IS NULL")
    return {row.type: (row.issuer, str(row.valid_from), str(row.valid_until)) for row in rows}


async def test_whatever_the_register_knows_of_a_person_may_stand_in_the_file(registry: Registry) -> None:
    done = await registry.send(with_optional(whole_person(), person("H2")))
    assert (done["registered"], done["rejections"]) == (2, 0)
    row = await the_person(registry)
    assert (row.kind, str(row.poverty_score), row.poverty_source) == ("institution", "42.5000", "idpoor_round_13")
    assert (str(row.expected_delivery_on), str(row.disability_card_valid_until)) == ("2020-11-01", "2024-01-31")
    assert (row.education_level, row.school_code, row.employment) == ("lower_secondary", "0102-17", "part_time")
    assert (row.insured, row.civil_servant) == (True, False)
    assert row.washington_group == {
        **dict.fromkeys(("seeing", "hearing", "walking", "remembering", "self_care"), 2), "communicating": 4,
    }  # fmt: skip
    assert await numbers(registry) == {
        "equity_card": (None, "2020-01-01", "2023-01-01"),  # of H2, read last: both have one
        "national_id": ("GDI", "2015-01-01", "2025-01-01"),
        "birth_certificate": ("ឃុំ ក", "1980-06-01", "None"),
        "social_security": (None, "None", "2030-01-01"),
        "disability_card": (None, "2019-01-31", "2024-01-31"),
    }
    found = await registry.http.post(
        "/registry/v1/search", json={"number": "NSSF0099", "reason": "test"}, headers=registry.officer()
    )
    assert len(found.json()["items"]) == 1


async def test_an_empty_cell_or_a_column_left_out_says_nothing(registry: Registry) -> None:
    await registry.send(with_optional(whole_person()))
    before, papers = await the_person(registry), await numbers(registry)
    plain = whole_person(name_en="Other")
    assert (await registry.send(file_of({name: plain[name] for name in COLUMNS})))["updated"] == 1
    after = await the_person(registry)
    assert (after.education_level, after.washington_group, after.kind) == (
        before.education_level, before.washington_group, before.kind,
    )  # fmt: skip
    assert await numbers(registry) == papers
    changed = whole_person(education_level="higher", birth_certificate="BC-9999", employment="")
    assert (await registry.send(with_optional(changed)))["updated"] == 1
    row = await the_person(registry)
    assert (row.education_level, row.employment) == ("higher", "part_time")
    held = await registry.rows(
        "SELECT withdrawn_at IS NULL AS present FROM identifier WHERE type = 'birth_certificate'"
    )
    assert sorted(row.present for row in held) == [False, True]
    assert (await registry.send(with_optional(changed)))["unchanged"] == 1


@pytest.mark.parametrize("kind", [FileKind.NDJSON, FileKind.XLSX, FileKind.PARQUET])
async def test_every_format_has_them(registry: Registry, kind: FileKind) -> None:
    from services.registry.tests.test_import_formats import in_format, workbook  # the builders of those tests

    line = whole_person()
    data = workbook([list(line), list(line.values())]) if kind is FileKind.XLSX else in_format(kind, [line])
    headers = {**registry.officer(), "Content-Type": kind.value}
    sent = await registry.http.post("/registry/v1/household-imports", content=data, headers=headers)
    assert sent.status_code == 202, sent.text
    await registry.service.run_jobs()
    assert (await registry.read(sent.json()["import_id"]))["registered"] == 1
    assert (await the_person(registry)).school_code == "0102-17"


@pytest.mark.parametrize("name", ["csv", "ndjson", "xlsx", "parquet"])
async def test_what_is_exported_with_them_is_imported_again_unchanged(registry: Registry, name: str) -> None:
    await registry.send(with_optional(whole_person(civil_servant="false", social_security="NSSF0099")))
    before = await registry.everything()
    answer = await export(registry, format=name, numbers=True, optional=True)
    headers = {**registry.officer(), "Content-Type": FileKind[name.upper()].value}
    sent = await registry.http.post("/registry/v1/household-imports", content=answer.content, headers=headers)
    assert sent.status_code == 202, sent.text
    await registry.service.run_jobs()
    done = await registry.read(sent.json()["import_id"])
    assert (done["unchanged"], done["updated"], done["rejections"]) == (1, 0, 0)
    assert await registry.everything() == before


async def test_papers_leave_only_with_the_other_numbers(registry: Registry) -> None:
    await registry.send(with_optional(whole_person()))
    lines = list(csv.DictReader(io.StringIO((await export(registry, optional=True)).text)))
    assert (lines[0]["education_level"], lines[0]["poverty_score"]) == ("lower_secondary", "42.5000")
    assert [lines[0][name] for name in ("birth_certificate", "social_security", "disability_card")] == [""] * 3


@pytest.mark.parametrize(
    ("cells", "field", "code"),
    [
        ({"household_kind": "castle"}, "household_kind", "invalid_kind"),
        ({"poverty_score": "1e5"}, "poverty_score", "invalid_score"),
        ({"poverty_cause": "Very poor"}, "poverty_cause", "invalid_code"),
        ({"card_issuer": "=cmd"}, "card_issuer", "invalid_issuer"),
        ({"expected_delivery_on": "2020-02-31"}, "expected_delivery_on", "invalid_date"),
        ({"expected_delivery_on": "2020-12-01", "pregnant": "false"}, "expected_delivery_on", "not_pregnant"),
        ({"wg_seeing": "5"}, "wg_seeing", "invalid_degree"),
        ({"wg_walking": ""}, "wg_walking", "required"),
        ({"education_level": "phd"}, "education_level", "invalid_education_level"),
        ({"school_code": "a b"}, "school_code", "invalid_reference"),
        ({"employment": "yes"}, "employment", "invalid_employment"),
        ({"insured": "maybe"}, "insured", "invalid_boolean"),
        ({"national_id": ""}, "national_id_issuer", "number_missing"),
        ({"birth_certificate": ""}, "birth_certificate_issuer", "number_missing"),
        ({"social_security": "x"}, "social_security", "invalid_number"),
        ({"social_security_valid_from": "2031-01-01"}, "social_security_valid_until", "ends_before_start"),
        ({"national_id_valid_until": "2014-01-01"}, "national_id_valid_until", "ends_before_start"),
    ],
)
def test_a_bad_optional_cell_is_reported_and_the_line_refused(cells: dict[str, str], field: str, code: str) -> None:
    line = whole_person(**cells)
    given = {name: line[name] for name in OPTIONAL_COLUMNS if line.get(name)}
    errors: list[tuple[str, str]] = []
    read_optional(given, {name: line[name] for name in COLUMNS}, SEALER, errors)
    assert (field, code) in errors
    assert {reason for _, reason in errors} <= set(MESSAGES)


async def test_a_paper_of_two_people_is_refused(registry: Registry) -> None:
    twice = with_optional(person("H1", social_security="S-1234"), person("H2", social_security="s 1234"))
    done = await registry.send(twice)
    assert await registry.rejections(done["import_id"]) == {
        (2, "social_security", "duplicate_number"), (3, "social_security", "duplicate_number"),
    }  # fmt: skip
    await registry.send(with_optional(person("H1", social_security="S-1234")))
    done = await registry.send(with_optional(person("H3", social_security="S-1234"), person("H4")))
    assert await registry.rejections(done["import_id"]) == {(2, "social_security", "registered_number")}
    assert done["registered"] == 1


async def test_no_number_of_an_optional_column_lies_in_clear(registry: Registry) -> None:
    await registry.send(with_optional(whole_person(), whole_person(person_ref="2", relationship="x")))
    for table in ("import_row", "identifier", "import_rejection", "fact_change", "outbox", "job"):
        rows = await registry.rows(f"SELECT to_jsonb(t)::text AS told FROM {table} t")
        assert not [row for row in rows for number in ("BC-1234", "NSSF", "D-77/8") if number in row.told], table
