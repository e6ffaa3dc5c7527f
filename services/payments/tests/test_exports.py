"""The finance ministry's export: every payment once, exact amounts, nothing that a spreadsheet would compute."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from openpyxl import load_workbook

from services.payments.tests.builders import CORE, SETTINGS, VILLAGES, Cycle, Office, grants
from shared.spreadsheet import csv_text
from shared.testing.plugin import MakeService


@pytest.fixture
async def office(make_service: MakeService) -> Office:
    return Office(await make_service(CORE, **SETTINGS))


async def download(office: Office, name: str, who: dict[str, str] | None = None, **query: str) -> Any:
    return await office.service.http.get(f"/payments/v1/exports/{name}", params=query, headers=who or office.releaser)


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def test_every_payment_of_a_month_is_exported_once_and_adds_up(office: Office) -> None:
    cycle = Cycle(grants(30))
    await office.pay(cycle)

    answer = await download(office, "payments.csv", period="2020-07")
    totals = await download(office, "totals.csv", period="2020-07")

    assert answer.status_code == 200, answer.text
    rows = read(answer.text)
    assert len({row["payment_reference"] for row in rows}) == 30
    assert sum(Decimal(row["amount"]) for row in rows) == sum(grant.amount for grant in cycle.granted)
    assert {row["status"] for row in rows} == {"instructed"}
    assert {row["fund_code"] for row in rows} == {"TREASURY-20"}
    by_group = read(totals.text)
    assert sum(int(row["count"]) for row in by_group) == 30
    assert {row["province_code"] for row in by_group} == {village[:2] for village in VILLAGES}
    assert "Sok Dara" not in answer.text
    assert "85512" not in answer.text, "no account number leaves"


async def test_a_workbook_holds_totals_and_payments_as_numbers(office: Office, tmp_path) -> None:
    cycle = Cycle(grants(5))
    await office.pay(cycle)

    answer = await download(office, "payments.xlsx", cycle_id=str(cycle.id))

    assert answer.status_code == 200
    file = tmp_path / "export.xlsx"
    file.write_bytes(answer.content)
    book = load_workbook(file, read_only=True)
    assert book.sheetnames == ["totals", "payments"]
    header, *rows = list(book["payments"].values)
    amounts = [Decimal(str(row[header.index("amount")])) for row in rows]
    assert sum(amounts) == sum(grant.amount for grant in cycle.granted)


async def test_an_export_needs_a_limit_the_role_and_shows_the_callers_area_only(office: Office) -> None:
    cycle = Cycle(grants(6))
    await office.pay(cycle)
    hers = office.service.token("finance_officer", areas=(VILLAGES[1][:2],))

    unlimited = await download(office, "payments.csv")
    refused = await download(office, "payments.csv", office.maker, period="2020-07")
    of_province = read((await download(office, "payments.csv", hers, period="2020-07")).text)

    assert (unlimited.status_code, unlimited.json()["code"]) == (422, "export_unlimited")
    assert refused.status_code == 403
    assert [row["province_code"] for row in of_province] == [VILLAGES[1][:2]] * 2


def test_a_cell_that_begins_like_a_formula_is_not_computed() -> None:
    cells = ("=1+1", "+855", "-1", "-1+2", "@SUM(A1)", "\tx", "plain", 5, None)
    (row,) = csv.reader(io.StringIO(csv_text([cells])))
    assert row == ["'=1+1", "'+855", "-1", "'-1+2", "'@SUM(A1)", "'\tx", "plain", "5", ""]
