"""Left behind: counted by reason, small cells hidden so that nobody can work them out, lists for those who go there."""

from __future__ import annotations

import itertools
from collections import Counter
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.eligibility.left_behind.suppress import (
    RARE,
    SMALLEST_SHOWN,
    TOTAL,
    Shown,
    _bridges,
    hidden_in,
    pooled,
    suppress,
    with_totals,
)
from services.eligibility.tests.builders import household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.test_enrolment_life import CODE, act, enrolments
from shared.contracts.payments import PaymentExcluded, PaymentSettled
from shared.ids import uuid7

ROWS, COLUMNS = ("a", "b"), ("x", "y", "z")
tables = st.fixed_dictionaries({cell: st.integers(0, 8) for cell in itertools.product(ROWS, COLUMNS)})


def _protected(counts: dict[tuple[str, str], int]) -> tuple[dict[tuple[str, str], int], Shown]:
    """Counts with rare reasons together, and the table as shown."""
    names = pooled({row: sum(counts.get((row, column), 0) for column in COLUMNS) for row in ROWS})
    merged: Counter[tuple[str, str]] = Counter()
    for (row, column), count in counts.items():
        merged[names[row], column] += count
    return dict(merged), suppress(merged, sorted({row for row, _ in merged}), COLUMNS)


@given(tables)
@settings(max_examples=60)
def test_no_small_count_can_be_worked_out_by_subtraction(counts: dict[tuple[str, str], int]) -> None:
    """Every table that agrees with what is shown is tried: each hidden cell has at least two possible values."""
    merged, shown = _protected(counts)
    rows = sorted({row for row, _ in merged})
    whole = with_totals(merged, rows, COLUMNS)
    for cell, count in shown.items():
        assert count is None or count == whole[cell]
        assert count is None or count == 0 or count >= SMALLEST_SHOWN
    hidden = [cell for cell, count in shown.items() if count is None]
    if not hidden:
        return
    possible: dict[tuple[str, str], set[int]] = {cell: set() for cell in hidden}
    inner = [cell for cell in itertools.product(rows, COLUMNS) if shown[cell] is None]
    spread = [range(max(0, merged[cell] - 1), merged[cell] + 2) for cell in inner]
    for values in itertools.product(*spread):
        candidate = with_totals({**merged, **dict(zip(inner, values, strict=True))}, rows, COLUMNS)
        if all(candidate[cell] == count for cell, count in shown.items() if count is not None):
            for cell in hidden:
                possible[cell].add(candidate[cell])
    assert all(len(values) > 1 for values in possible.values())


REASONS, PLACES = ("a", "b", "c"), ("0101", "0102", "0201", "0202")
ATOMS = tuple(itertools.product(REASONS, PLACES))
MOVES = np.array(list(itertools.product((-1, 0, 1), repeat=len(ATOMS))), dtype=np.int8)
populations = st.lists(st.one_of(st.integers(0, 6), st.sampled_from((0, 30))), min_size=12, max_size=12)


@given(populations)
@settings(max_examples=120, deadline=None)
def test_nor_from_all_the_tables_of_a_country_its_provinces_and_districts_taken_together(numbers: list[int]) -> None:
    """Every population that differs by one here and there is held against all the tables at once: each count that any
    of them hides has at least two values that agree with everything that all of them show."""
    counts = dict(zip(ATOMS, numbers, strict=True))
    names = pooled({reason: sum(counts[reason, place] for place in PLACES) for reason in REASONS})
    reasons = sorted(set(names.values()))
    shown: dict[tuple[str, str], list[int | None]] = {}

    def show(table: Shown, within: str) -> None:
        for (reason, column), count in table.items():
            shown.setdefault((reason, within if column == TOTAL else column), []).append(count)

    def merged(digits: int, within: str) -> Counter[tuple[str, str]]:
        table: Counter[tuple[str, str]] = Counter()
        for (reason, place), count in counts.items():
            if place.startswith(within):
                table[names[reason], place[:digits]] += count
        return table

    country = suppress(merged(2, ""), reasons, ("01", "02"))
    show(country, "")
    for province in ("01", "02"):
        districts = tuple(place for place in PLACES if place.startswith(province))
        show(suppress(merged(4, province), reasons, districts, hidden_in(country, province)), province)

    vectors = {
        (reason, place): np.array(
            [reason in (names[r], TOTAL) and p.startswith(place) for r, p in ATOMS], dtype=np.int8
        )
        for reason, place in shown
    }
    for values in shown.values():
        assert len(set(values)) == 1, "a count is shown in one table and hidden in another"
        assert values[0] is None or values[0] == 0 or values[0] >= SMALLEST_SHOWN
    known = np.array([vectors[cell] for cell, values in shown.items() if values[0] is not None])
    hidden = [vectors[cell] for cell, values in shown.items() if values[0] is None]
    if not hidden:
        return
    agreeing = MOVES[(MOVES + np.array(numbers) >= 0).all(axis=1)]
    if len(known):
        agreeing = agreeing[(agreeing @ known.T == 0).all(axis=1)]
    assert all((agreeing @ vector != 0).any() for vector in hidden)


@given(st.dictionaries(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("pqrstuvw")), st.integers(0, 40)))
def test_in_larger_tables_every_hidden_cell_lies_on_a_cycle_that_leaves_the_margin_alone(
    counts: dict[tuple[str, str], int],
) -> None:
    names = pooled({row: sum(counts.get((row, column), 0) for column in "pqrstuvw") for row in "abcdefgh"})
    merged: Counter[tuple[str, str]] = Counter()
    for (row, column), count in counts.items():
        merged[names[row], column] += count
    shown = suppress(merged, sorted(set(names.values())), "pqrstuvw")
    hidden = {cell for cell, count in shown.items() if count is None and cell[1] != TOTAL}
    if shown[TOTAL, TOTAL] is not None:
        assert not _bridges(hidden)
    assert all(count is None or count == 0 or count >= SMALLEST_SHOWN for count in shown.values())


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 12)))
def test_rare_reasons_are_counted_together_until_they_are_five_or_all(totals: dict[str, int]) -> None:
    names = pooled(totals)
    together = sum(count for reason, count in totals.items() if names[reason] == RARE)
    assert together == 0 or together >= SMALLEST_SHOWN or together == sum(totals.values())
    assert all(not 0 < totals[reason] < SMALLEST_SHOWN for reason in totals if names[reason] == reason)


def test_a_table_without_small_counts_is_shown_whole_with_its_totals() -> None:
    shown = suppress({("a", "x"): 7, ("b", "x"): 9}, ["a", "b"], ["x"])
    assert shown == {
        ("a", "x"): 7,
        ("b", "x"): 9,
        ("a", TOTAL): 7,
        ("b", TOTAL): 9,
        (TOTAL, "x"): 16,
        (TOTAL, TOTAL): 16,
    }


def _cells(table: Any) -> dict[tuple[str, str], int | None]:
    return {(cell["reason"], cell["category"]): cell["count"] for cell in table["cells"]}


async def test_eligible_and_not_enrolled_are_counted_by_reason_and_place(office: Office) -> None:
    ended = [household(village_code="01020304") for _ in range(6)]
    late = [household(village_code="02020304") for _ in range(7)]
    await office.service.deliver(*ended)
    await office.publish()
    await office.enrol()
    for enrolment in (await enrolments(office)).values():
        await act(office, enrolment, "end", cause="not_found", for_good=True)
    await office.service.deliver(*late)
    async with office.service.database.session() as session:
        await session.execute(
            text("INSERT INTO standing SELECT :code, household_id, household_id, 1, uuidv7(), 1, true, '{}', 1, "
                 "'2020-07-01', village_code FROM household_fact WHERE village_code = '02020304'"),
            {"code": CODE},
        )  # fmt: skip
    cells = _cells(await office.get(f"/programmes/{CODE}/left-behind/not_enrolled"))
    assert cells["ended.not_found", "01"] == 6
    assert cells["never_enrolled", "02"] == 7
    assert cells[TOTAL, TOTAL] == 13


async def test_those_kept_out_are_counted_by_the_clause_that_blocked_and_small_cells_are_hidden(office: Office) -> None:
    people = (member(70), member(4, sex="male"))
    expired = {"card_valid_until": household().effective_on}
    await office.service.deliver(
        *(household(*people, poverty_level=None, village_code="01020304") for _ in range(8)),
        *(household(*people, poverty_level=None, village_code="02010101") for _ in range(9)),
        *(household(village_code="01020304", **expired) for _ in range(2)),
        *(household(village_code="02010101", **expired) for _ in range(6)),
    )
    await office.publish()
    await office.enrol()
    path = f"/programmes/{CODE}/left-behind/blocked"
    cells = _cells(await office.get(path))
    assert cells["clause.card_valid.alone", "01"] is None
    assert cells["clause.card_valid.alone", "02"] is None  # 6: with the total it would give the 2 away
    assert (cells["clause.card_valid.alone", TOTAL], cells[TOTAL, TOTAL]) == (8, 25)
    below = _cells(await office.get(f"{path}?place=01"))
    assert below["clause.card_valid.alone", "0102"] is None
    assert below["clause.card_valid.alone", TOTAL] is None  # hidden above, and so here
    local = await office.get(f"{path}?place=01", roles=("commune_officer",), areas=("01",))
    assert _cells(local) == below
    await office.get(path, roles=("commune_officer",), areas=("01",), status=403)
    await office.get(f"{path}?place=02", roles=("commune_officer",), areas=("01",), status=403)
    by_age = _cells(await office.get(f"{path}?by=age"))
    assert by_age["clause.poverty_level", "60+"] == by_age["clause.poverty_level", "0-5"] == 17
    by_sex = _cells(await office.get(f"{path}?by=sex"))
    assert by_sex["clause.poverty_level", "male"] == 17
    refused = await office.get(f"{path}?by=sex&place=01", status=422)
    assert refused["errors"][0]["code"] == "whole_country_only"
    answer = await office.service.http.get(f"/eligibility/v1{path}/table.csv", headers=office.service.token("auditor"))
    assert "clause.card_valid.alone,01,hidden" in answer.text


async def test_reasons_that_hardly_anybody_has_are_counted_together(office: Office) -> None:
    expired = {"card_valid_until": household().effective_on}
    await office.service.deliver(*(household(poverty_level=None) for _ in range(8)), household(**expired))
    await office.publish()
    await office.enrol()
    cells = _cells(await office.get(f"/programmes/{CODE}/left-behind/blocked"))
    assert cells == {("rare", "01"): 9, ("rare", TOTAL): 9, (TOTAL, "01"): 9, (TOTAL, TOTAL): 9}


async def test_granted_and_not_paid_are_counted_by_what_payments_told(office: Office) -> None:
    await office.service.deliver(*(household() for _ in range(16)))
    await office.publish()
    await office.enrol()
    closed = await office.close(await office.compute(await office.open()))
    items = (await office.get(f"/cycles/{closed['id']}/entitlements?limit=100"))["items"]
    common = {"attempt": 1, "rail": "bank", "currency": "KHR", "period": "2020-07", "programme_code": CODE}
    events: list[Any] = []
    for n, item in enumerate(items[:11]):
        values = common | {
            "version": 2, "payment_id": uuid7(), "entitlement_id": item["id"], "cycle_id": closed["id"],
            "beneficiary_id": item["beneficiary_id"], "beneficiary_reference": item["beneficiary_reference"],
            "village_code": item["village_code"], "component": item["component"], "amount": Decimal(item["amount"]),
        }  # fmt: skip
        if n < 6:
            events.append(PaymentExcluded(reason_code="no_account", reason="No account.", **values))
        else:
            events.append(PaymentSettled(settled_on="2020-07-25", **values))
    await office.service.deliver(*events)
    older = events[-1].model_copy(update={"version": 1})
    await office.service.deliver(
        PaymentExcluded(reason_code="hold", reason="Held.", **older.model_dump(exclude={"settled_on"}))
    )
    path = f"/programmes/{CODE}/left-behind/not_paid"
    cells = _cells(await office.get(f"{path}?cycle_id={closed['id']}"))
    assert (cells["excluded.no_account", "01"], cells["no_payment_yet", "01"], cells[TOTAL, TOTAL]) == (6, 5, 11)
    assert (await office.get(path, status=422))["errors"][0]["code"] == "cycle_needed"


async def test_outreach_lists_are_for_those_who_go_there_in_their_area_and_each_reading_is_on_record(
    office: Office,
) -> None:
    here, there = household(village_code="01020304"), household(village_code="02020304")
    await office.service.deliver(here, there)
    await office.publish()
    await office.enrol()
    for enrolment in (await enrolments(office)).values():
        await act(office, enrolment, "end", cause="not_found", for_good=True)
    path = f"/programmes/{CODE}/left-behind/not_enrolled/people"
    page = await office.get(path, roles=("commune_officer",), areas=("0102",))
    assert [item["beneficiary_id"] for item in page["items"]] == [str(here.household_id)]
    await office.get(path, roles=("auditor",), status=403)
    async with office.service.database.session() as session:
        detail = await session.scalar(text("SELECT detail FROM audit_entry WHERE action = 'left_behind.list'"))
    assert (detail["kind"], detail["count"]) == ("not_enrolled", 1)
