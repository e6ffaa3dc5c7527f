"""Left behind: counted by reason, small cells hidden so that nobody can work them out, lists for those who go there."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.eligibility.left_behind.suppress import SMALLEST_SHOWN, TOTAL, _a_bridge, suppress, with_totals
from services.eligibility.tests.builders import household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.test_enrolment_life import CODE, act, enrolments
from shared.contracts.payments import PaymentExcluded, PaymentSettled
from shared.ids import uuid7

ROWS, COLUMNS = ("a", "b"), ("x", "y", "z")
tables = st.fixed_dictionaries({cell: st.integers(0, 8) for cell in itertools.product(ROWS, COLUMNS)})


@given(tables)
@settings(max_examples=60)
def test_no_small_count_can_be_worked_out_by_subtraction(counts: dict[tuple[str, str], int]) -> None:
    """Every table that agrees with what is shown is tried: each hidden cell has at least two possible values."""
    shown = suppress(counts, ROWS, COLUMNS)
    whole = with_totals(counts, ROWS, COLUMNS)
    for cell, count in shown.items():
        assert count is None or count == whole[cell]
        assert count is None or count == 0 or count >= SMALLEST_SHOWN
    hidden = [cell for cell, count in shown.items() if count is None]
    if not hidden:
        return
    possible: dict[tuple[str, str], set[int]] = {cell: set() for cell in hidden}
    inner = [cell for cell in itertools.product(ROWS, COLUMNS) if shown[cell] is None]
    spread = [range(max(0, counts[cell] - 1), counts[cell] + 2) for cell in inner]
    for values in itertools.product(*spread):
        candidate = with_totals({**counts, **dict(zip(inner, values, strict=True))}, ROWS, COLUMNS)
        if all(candidate[cell] == count for cell, count in shown.items() if count is not None):
            for cell in hidden:
                possible[cell].add(candidate[cell])
    assert all(len(values) > 1 for values in possible.values())


@given(st.dictionaries(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("pqrstuvw")), st.integers(0, 40)))
def test_in_larger_tables_every_hidden_cell_lies_on_a_cycle_of_hidden_cells(counts: dict[tuple[str, str], int]) -> None:
    shown = suppress(counts, "abcdefgh", "pqrstuvw")
    hidden = {cell for cell, count in shown.items() if count is None}
    assert _a_bridge(hidden) is None
    assert all(count is None or count == 0 or count >= SMALLEST_SHOWN for count in shown.values())


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
    await office.service.deliver(
        *(household(*people, poverty_level=None) for _ in range(8)),
        *(household(card_valid_until=household().effective_on) for _ in range(2)),
    )
    await office.publish()
    await office.enrol()
    cells = _cells(await office.get(f"/programmes/{CODE}/left-behind/blocked"))
    assert cells["clause.card_valid.alone", "01"] is None
    assert cells["clause.poverty_level", "01"] is None  # 8: shown, it would give the 2 away
    assert cells[TOTAL, TOTAL] == 10
    by_age = _cells(await office.get(f"/programmes/{CODE}/left-behind/blocked?by=age"))
    assert by_age["clause.poverty_level", "60+"] == by_age["clause.poverty_level", "0-5"] == 8
    by_sex = _cells(await office.get(f"/programmes/{CODE}/left-behind/blocked?by=sex"))
    assert by_sex["clause.poverty_level", "male"] == 8
    answer = await office.service.http.get(
        f"/eligibility/v1/programmes/{CODE}/left-behind/blocked/table.csv", headers=office.service.token("auditor")
    )
    assert "clause.card_valid.alone,01,hidden" in answer.text


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
