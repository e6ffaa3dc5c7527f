"""Each way a line can be bad: reported by line, field and code, its household refused whole, the others loaded."""

from __future__ import annotations

import csv
import io

import pytest

from services.registry.imports.rules import COLUMNS, MESSAGES
from services.registry.tests.building import VILLAGES, Registry, file_of, person

GOOD = person("GOOD", village_code=VILLAGES[1])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([person(), person(person_ref="2", relationship="head")], {(4, "relationship", "second_head")}),
        ([person(), person(person_ref="2"), person(person_ref="2")], {(5, "person_ref", "duplicate_person_ref")}),
        ([person(), person(person_ref="2", poverty_level="2")], {(4, "poverty_level", "household_cells_differ")}),
        ([person(), person(person_ref="2", card_number="OTHER")], {(4, "card_number", "household_cells_differ")}),
        (
            [person(national_id="111111111"), person("H2", national_id="111111111")],
            {(3, "national_id", "duplicate_national_id"), (4, "national_id", "duplicate_national_id")},
        ),
        (
            [person(card_number="SAME"), person("H2", card_number="SAME")],
            {(3, "card_number", "duplicate_card_number"), (4, "card_number", "duplicate_card_number")},
        ),
        (
            [person(), *(person(person_ref=str(n)) for n in range(2, 62))],
            {(3, "household_ref", "too_many_members")},
        ),
    ],
)
async def test_lines_that_contradict_each_other_are_reported(
    registry: Registry, lines: list[dict[str, str]], expected: set[tuple[int, str, str]]
) -> None:
    done = await registry.send(file_of(GOOD, *lines))
    assert await registry.rejections(done["import_id"]) == expected
    assert (done["registered"], done["rejected_rows"]) == (1, len(lines))


async def test_lines_of_one_household_that_stand_apart_are_one_household(registry: Registry) -> None:
    await registry.send(file_of(person(), person("H2"), person(person_ref="2"), person("H2", "2"), person("H2", "3")))
    found = await registry.rows(
        "SELECT g.household_ref, count(*) AS members FROM household g JOIN membership m ON m.household_id = g.id"
        " GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in found] == [("H1", 2), ("H2", 3)]
    bad = await registry.send(
        file_of(person("H3"), GOOD, person("H3", "2", sex="x"), person("H3", "3", card_number=""))
    )
    assert {line for line, _, _ in await registry.rejections(bad["import_id"])} == {4, 5}
    assert (bad["rejected_rows"], bad["rejected_households"], bad["registered"]) == (3, 1, 1)


async def test_a_household_with_one_bad_member_is_refused_whole_and_every_bad_line_reported(
    registry: Registry,
) -> None:
    lines = [person(), person(person_ref="2", sex="x"), person(person_ref="3", birth_date="soon", phone="1")]
    done = await registry.send(file_of(*lines, GOOD))
    assert await registry.rejections(done["import_id"]) == {
        (3, "sex", "invalid_sex"),
        (4, "birth_date", "invalid_birth_date"),
        (4, "phone", "invalid_phone"),
    }
    assert (done["rejected_households"], done["rejected_rows"], done["registered"]) == (1, 3, 1)


@pytest.mark.parametrize("village", ["", "01020199", VILLAGES[2]])
async def test_a_member_line_with_a_wrong_village_does_not_register_the_household_without_her(
    registry: Registry, village: str
) -> None:
    no_card = {"poverty_level": "", "card_number": "", "card_valid_from": "", "card_valid_until": ""}
    lines = [person(person_ref=str(n), **no_card) for n in (1, 2, 3)]
    lines[1]["village_code"] = village
    done = await registry.send(file_of(*lines, GOOD))
    assert (2, "household_ref", "neighbouring_line") in await registry.rejections(done["import_id"])
    assert [row.household_ref for row in await registry.rows("SELECT household_ref FROM household")] == ["GOOD"]


@pytest.mark.parametrize("bad", [{"household_ref": ""}, {"name_en": 'a"b', "household_ref": ""}])
async def test_a_member_line_without_a_household_makes_both_neighbours_wait(
    registry: Registry, bad: dict[str, str]
) -> None:
    done = await registry.send(file_of(person(), person(person_ref="2", **bad), person("H2"), GOOD))
    assert {line for line, _, code in await registry.rejections(done["import_id"]) if code == "neighbouring_line"} == {
        2,
        4,
    }
    assert done["registered"] == 1


async def test_a_stray_quotation_mark_spoils_its_own_line_only(registry: Registry) -> None:
    body = file_of(person(), person("H2"), GOOD).replace("H2,01020101,1", '"H2,01020101,1', 1)
    done = await registry.send(body)
    assert (3, "line", "unclosed_quote") in await registry.rejections(done["import_id"])
    assert (done["rows"], done["rejected_rows"]) == (3, 3)  # its neighbours wait: it may be one of theirs


async def test_a_line_with_too_few_cells_is_reported(registry: Registry) -> None:
    done = await registry.send(file_of(GOOD) + "H9,01020101\n")
    assert (3, "line", "column_count") in await registry.rejections(done["import_id"])


async def test_a_number_registered_for_somebody_else_is_refused(registry: Registry) -> None:
    await registry.send(file_of(person(national_id="111111111")))
    done = await registry.send(file_of(person("H2", national_id="111 111 111".replace(" ", "")), GOOD))
    assert await registry.rejections(done["import_id"]) == {(2, "national_id", "registered_national_id")}
    done = await registry.send(file_of(person("H3", card_number="card-h1")))
    assert await registry.rejections(done["import_id"]) == {(2, "card_number", "registered_card_number")}


async def test_a_commune_officer_loads_only_households_of_her_area(registry: Registry) -> None:
    done = await registry.send(file_of(person(), person("H2", village_code=VILLAGES[3])), areas=["0102"])
    assert await registry.rejections(done["import_id"]) == {(3, "village_code", "outside_area")}
    assert [row.village_code for row in await registry.rows("SELECT village_code FROM household")] == [VILLAGES[0]]


async def test_an_officer_without_an_area_loads_nothing(registry: Registry) -> None:
    done = await registry.send(file_of(person()), areas=[])
    assert (done["registered"], done["rejected_households"]) == (0, 1)


async def test_a_dry_run_says_what_would_be_and_loads_nothing(registry: Registry) -> None:
    await registry.send(file_of(person("KNOWN"), person("CHANGED")))
    before = [await registry.count(table) for table in ("household", "person", "outbox", "register_change")]
    lines = (GOOD, person(sex="x"), person("KNOWN"), person("CHANGED", name_en="Sok Darra"))
    foreseen = await registry.send(file_of(*lines), dry_run=True)
    assert await registry.rejections(foreseen["import_id"]) == {(3, "sex", "invalid_sex")}
    names = ("registered", "updated", "unchanged", "rejected_households", "rejected_rows")
    assert [foreseen[name] for name in names] == [1, 1, 1, 1, 1]
    after = [await registry.count(table) for table in ("household", "person", "outbox", "register_change")]
    assert (after, await registry.count("import_row")) == (before, 0)
    done = await registry.send(file_of(*lines))
    assert [done[name] for name in names] == [foreseen[name] for name in names]


async def test_the_report_downloads_as_csv_with_a_message_for_each_line(registry: Registry) -> None:
    done = await registry.send(file_of(person(sex="x"), GOOD))
    url = f"/registry/v1/household-imports/{done['import_id']}/rejections.csv"
    answer = await registry.http.get(url, headers=registry.officer())
    assert list(csv.reader(io.StringIO(answer.text))) == [
        ["line", "household_ref", "field", "code", "message"],
        ["2", "H1", "sex", "invalid_sex", MESSAGES["invalid_sex"]],
    ]


async def test_rejections_are_paged_without_loss(registry: Registry) -> None:
    done = await registry.send(file_of(*(person(f"H{n}", sex="x", phone="1") for n in range(10))))
    url: str | None = f"/registry/v1/household-imports/{done['import_id']}/rejections?limit=3"
    seen: list[tuple[int, str]] = []
    cursor = ""
    while True:
        page = (await registry.http.get(url + cursor, headers=registry.officer())).json()
        seen += [(item["line"], item["field"]) for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [(line, field) for line in range(2, 12) for field in ("phone", "sex")]


def test_every_column_is_named_once() -> None:
    assert len(set(COLUMNS)) == len(COLUMNS) == 17
