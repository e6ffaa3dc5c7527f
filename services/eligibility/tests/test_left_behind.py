"""Left behind: counted by reason at each month's end, and lists for those who go there. Attacks are in
test_left_behind_figures.py."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.eligibility.left_behind.count_editions import queue_editions
from services.eligibility.tests.builders import PACKS, household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.test_enrolment_life import CODE, act, enrolments
from shared.contracts.payments import PaymentExcluded, PaymentSettled
from shared.ids import uuid7

EXPIRED = {"card_valid_until": household().effective_on}
BLOCKED = f"/programmes/{CODE}/left-behind/blocked"


async def count(office: Office, day: date = date(2020, 8, 1)) -> None:
    """The day begins, and months that are over are counted."""
    office.service.clock.advance(day - office.service.clock.now().date())
    await queue_editions(office.service.context)
    await office.service.run_jobs()


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
