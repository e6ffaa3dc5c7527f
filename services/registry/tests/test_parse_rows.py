"""One line of a household file: typed and sealed, or the reasons why not."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.imports.parse_rows import STAGING_COLUMNS, Block, Formats, RowParser, parse_birth_date
from services.registry.imports.receive_import import formats
from services.registry.imports.rules import COLUMNS, MESSAGES
from services.registry.sealing import EQUITY_CARD, NATIONAL_ID, PHONE, Sealer
from services.registry.settings import RegistrySettings
from services.registry.tests.building import KEYS, file_of, person
from shared.crypto import CryptoError, FieldCipher, KeyedHash
from shared.ids import uuid7

SEALER = Sealer(FieldCipher(KEYS["encryption_key"]), KeyedHash(KEYS["hash_key"]))
TODAY = date(2020, 7, 1)


def country() -> Formats:
    return formats(RegistrySettings(database_url="postgresql://x/x", KAFKA_BOOTSTRAP_SERVERS="x", **KEYS))  # type: ignore[arg-type]


def parser() -> RowParser:
    return RowParser(uuid7(), range(len(COLUMNS)), SEALER, country(), TODAY)


def parse(*lines: dict[str, str]) -> Block:
    return parser().parse(file_of(*lines).split("\n")[1:-1], 2)


def value(block: Block, column: str, row: int = 0) -> object:
    return block.rows[row][STAGING_COLUMNS.index(column)]


@pytest.mark.parametrize(
    ("cells", "field", "code"),
    [
        ({"household_ref": ""}, "household_ref", "required"),
        ({"household_ref": "a b"}, "household_ref", "invalid_reference"),
        ({"village_code": "102010"}, "village_code", "invalid_village_code"),
        ({"poverty_level": "3"}, "poverty_level", "invalid_poverty_level"),
        ({"card_number": ""}, "card_number", "required"),
        ({"card_number": "?"}, "card_number", "invalid_card_number"),
        ({"poverty_level": ""}, "card_number", "card_without_level"),
        ({"card_valid_from": "01/02/2020"}, "card_valid_from", "invalid_date"),
        ({"card_valid_until": "2020-02-30"}, "card_valid_until", "invalid_date"),
        ({"card_valid_until": "2019-12-31"}, "card_valid_until", "card_ends_before_start"),
        ({"person_ref": ""}, "person_ref", "required"),
        ({"name_km": "", "name_en": ""}, "name_km", "name_required"),
        ({"name_en": "x" * 201}, "name_en", "invalid_name"),
        ({"name_en": "a\x00b"}, "name_en", "invalid_name"),
        ({"sex": "x"}, "sex", "invalid_sex"),
        ({"birth_date": "2020-07-02"}, "birth_date", "birth_date_in_future"),
        ({"birth_date": "1899-12-31"}, "birth_date", "birth_date_too_early"),
        ({"birth_date": "17-05-1980"}, "birth_date", "invalid_birth_date"),
        ({"relationship": "cousin"}, "relationship", "invalid_relationship"),
        ({"national_id": "12345678"}, "national_id", "invalid_national_id"),
        ({"phone": "12"}, "phone", "invalid_phone"),
        ({"disability": "yes"}, "disability", "invalid_disability"),
        ({"living_with_hiv": "maybe"}, "living_with_hiv", "invalid_boolean"),
        ({"sex": "male", "pregnant": "true"}, "pregnant", "pregnant_male"),
    ],
)
def test_a_bad_cell_is_reported_and_not_kept(cells: dict[str, str], field: str, code: str) -> None:
    block = parse(person(**cells))
    assert (field, code) in [(name, reason) for _, _, name, reason, _ in block.rejections]
    assert len(block.rows) == 1
    assert code in MESSAGES
    if cells.get(field) and field in STAGING_COLUMNS and code.startswith("invalid"):
        assert value(block, field) is None


def test_a_good_line_has_no_rejection_and_its_values_are_typed() -> None:
    block = parse(person(national_id="123456789", phone="012 345 678", living_with_hiv="Yes"))
    assert block.rejections == []
    assert value(block, "birth_date") == date(1980, 5, 17)
    assert value(block, "living_with_hiv") is True
    assert SEALER.open(value(block, "national_id_cipher"), NATIONAL_ID) == "123456789"  # type: ignore[arg-type]
    assert SEALER.open(value(block, "phone_cipher"), PHONE) == "012345678"  # type: ignore[arg-type]


def test_a_sealed_number_does_not_open_as_another_kind() -> None:
    with pytest.raises(CryptoError):
        SEALER.open(SEALER.seal("123456789", NATIONAL_ID).cipher, EQUITY_CARD)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1980-05-17", (date(1980, 5, 17), "day")),
        ("1980-05", (date(1980, 5, 1), "month")),
        ("1980", (date(1980, 1, 1), "year")),
        ("1980-13", None),
        ("1980-02-30", None),
        ("80", None),
        ("1980-5-17", None),
        ("១៩៨០", None),
    ],
)
def test_a_birth_date_keeps_the_precision_it_was_known_with(text: str, expected: tuple[date, str] | None) -> None:
    assert parse_birth_date(text) == expected


def test_runs_follow_the_household_reference_and_a_line_without_one_stays_in_the_run_before() -> None:
    block = parse(person("A"), person("A", "2"), person("", "3"), person("B"), person("A"))
    assert [value(block, "run", row) for row in range(5)] == [1, 1, 1, 2, 3]


def test_neighbouring_lines_of_one_household_share_its_number() -> None:
    block = parse(person("A"), person("A", "2"), person("B"), person("B", village_code="01020102"), person("A"))
    assert [value(block, "seq", row) for row in range(5)] == [1, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "cells",
    [
        *(
            {name: other}
            for name, other in {
                "poverty_level": "2",
                "card_number": "OTHER",
                "card_valid_from": "2020-01-02",
                "name_km": "\u179f",
                "card_valid_until": "2023-01-02",
                "person_ref": "3",
                "name_en": "Sok",
                "sex": "male",
                "phone": "012345679",
                "birth_date": "1980-05",
                "relationship": "other",
                "national_id": "123456780",
                "disability": "mild",
                "living_with_hiv": "true",
                "pregnant": "yes",
            }.items()
        ),
        {"national_id": ""},
        {"phone": ""},
        {"national_id": "", "phone": ""},
    ],
)
def test_the_content_of_a_line_changes_with_every_cell(cells: dict[str, str]) -> None:
    good = person(national_id="123456789", phone="012345678", person_ref="2")
    assert value(parse(good), "content") == value(parse(good), "content")
    assert value(parse(good | cells), "content") not in (None, value(parse(good), "content"))


@given(st.lists(st.text(max_size=60), max_size=20))
def test_no_text_breaks_the_parser_and_every_line_that_is_not_blank_is_a_row(texts: list[str]) -> None:
    lines = [text.replace("\n", " ") for text in texts]
    block = parser().parse(lines, 2)
    assert [row[1] for row in block.rows] == [n for n, text in enumerate(lines, 2) if text and not text.isspace()]
    assert {line for _, line, *_ in block.rejections} == {row[1] for row in block.rows}


@given(st.lists(st.text(alphabet=st.characters(blacklist_characters=",\n"), max_size=20), min_size=17, max_size=17))
def test_any_seventeen_cells_are_a_row_and_only_known_codes_are_given(cells: list[str]) -> None:
    block = parser().parse_table([[cell.strip() for cell in cells]], 1)
    assert len(block.rows) == 1
    assert {code for *_, code, _ in block.rejections} <= set(MESSAGES)
