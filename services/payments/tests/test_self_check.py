"""The self-check names every riel that differs: differences are planted, one at a time, and found where they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.payments.instructions.outcomes import Outcome, apply_outcomes
from services.payments.ledger.run_self_check import nightly
from services.payments.tests.builders import CORE, SETTINGS, Cycle, Office, grants
from services.payments.tests.test_month import TODAY
from shared.testing.plugin import MakeService


async def paid_month(make_service: MakeService) -> Office:
    office = Office(await make_service(CORE, **SETTINGS))
    await office.pay(Cycle(grants(6)))
    attempts = await office.send()
    async with office.service.database.session() as session:
        told: list[Any] = [Outcome(item.id, "settled", TODAY, "camt.054", "M") for item in attempts[:3]]
        told += [Outcome(attempts[3].id, "failed", TODAY, "pain.002", "M", "AC04", "closed")]
        told += [Outcome(attempts[0].id, "returned", TODAY, "pacs.004", "M", "AC06", "blocked")]
        await apply_outcomes(session, told)
    await office.post(f"/payments/{attempts[3].payment_id}:reissue", office.maker, {"same_account": True}, 200)
    return office


async def plant(office: Office, statement: str) -> None:
    """Past the database's own guards, as a superuser or a broken disk would."""
    async with office.service.database.session() as session:
        await session.execute(text("ALTER TABLE movement DISABLE TRIGGER USER"))
        await session.execute(text("ALTER TABLE journal_balance DISABLE TRIGGER USER"))
        await session.execute(text(statement))
        await session.execute(text("ALTER TABLE movement ENABLE TRIGGER USER"))
        await session.execute(text("ALTER TABLE journal_balance ENABLE TRIGGER USER"))


async def test_a_month_with_every_kind_of_outcome_has_no_difference(make_service: MakeService) -> None:
    office = await paid_month(make_service)
    report = await office.self_check()
    assert (report["differences"], report["items"]) == (0, [])
    assert len(report["checks"]) == 15


@pytest.mark.parametrize(
    ("planted", "check", "difference"),
    [
        (
            "UPDATE movement SET amount = amount + 7 WHERE kind = 'settle' AND ctid ="
            " (SELECT min(ctid) FROM movement WHERE kind = 'settle')",
            "attempt_ledger",
            "7",
        ),
        ("UPDATE journal_balance SET debit = debit + 3 WHERE debit > 0 AND journal_id = 2", "journal_balance", "3"),
        ("DELETE FROM movement WHERE kind = 'fail'", "attempt_ledger", None),
        ("UPDATE payment_attempt SET state = 'settled' WHERE state = 'sent'", "unwitnessed", None),
        ("UPDATE payment SET amount = amount - 1 WHERE status = 'settled'", "payment_attempt", "1"),
        ("UPDATE fund SET allotment = allotment + 5", "allotment", "-5"),
        ("DELETE FROM outbox WHERE type LIKE '%settled%'", "events", "-3"),
        ("UPDATE payment_list SET ready_amount = ready_amount + 9", "list_payments", "-9"),
        ("UPDATE payment_list_fund SET amount = amount + 11", "reserved", "-11"),
        ("UPDATE entitlement SET amount = amount - 2", "paid_twice", "2"),
        (
            "WITH f AS (INSERT INTO statement_file (source, sha256, received_at, received_by, bytes)"
            " VALUES ('bank', decode('01', 'hex'), now(), 'x', 1) RETURNING id)"
            " INSERT INTO reconciliation_break (file_id, number, kind, end_to_end_id, offered, offered_currency,"
            " created_at, fund_code, suspended)"
            " SELECT id, 0, 'orphan', '', 'settled', 'KHR', now(), 'TREASURY-20', 13 FROM f",
            "suspense",
            "-13",
        ),
    ],
)
async def test_a_planted_difference_is_named(
    make_service: MakeService, planted: str, check: str, difference: str | None
) -> None:
    office = await paid_month(make_service)
    await plant(office, planted)
    report = await office.self_check()
    found = [item for item in report["items"] if item["check"] == check]
    assert found, report
    if difference is not None:
        assert {item["difference"] for item in found} == {difference}
    async with office.service.database.session() as session:
        kept = (await session.execute(text("SELECT differences FROM self_check"))).scalar_one()
    assert kept == report["differences"]


async def test_books_are_read_as_they_stood_at_a_past_instant_also_from_closed_days(make_service: MakeService) -> None:
    office = await paid_month(make_service)
    now = datetime.now(UTC)
    async with office.service.database.session() as session:
        first = (await session.execute(text("SELECT min(recorded_at) FROM journal"))).scalar_one()
    before = await _types(office, first - timedelta(seconds=1))
    opened = await _types(office, first)
    assert set(before.values()) == {0}
    assert opened["allotment"] == -1_000_000_000
    assert sum(opened.values()) == 0
    today = await _types(office, now + timedelta(days=1))
    async with office.service.database.session() as session:
        await session.execute(text("ALTER TABLE journal DISABLE TRIGGER USER"))
        await session.execute(text("UPDATE journal SET recorded_at = recorded_at - interval '5 days'"))
        await session.execute(text("ALTER TABLE journal ENABLE TRIGGER USER"))
    await nightly(office.service.context)
    async with office.service.database.session() as session:
        assert (await session.execute(text("SELECT count(*) FROM ledger_day"))).scalar_one() > 0
    assert await _types(office, None) == today
    assert await _types(office, now - timedelta(days=4)) == today
    assert set((await _types(office, now - timedelta(days=6))).values()) == {0}
    assert (await office.self_check())["differences"] == 0
    with pytest.raises(Exception, match="closed"):
        async with office.service.database.session() as session:
            await session.execute(text("INSERT INTO journal (recorded_at) VALUES (now() - interval '5 days')"))


async def test_an_account_statement_runs_from_its_opening_to_its_closing_balance(make_service: MakeService) -> None:
    office = await paid_month(make_service)
    book = await office.get("/ledger/trial-balance", office.releaser)
    account = next(item for item in book["accounts"] if item["type"] == "available")
    path, lines, cursor = f"/ledger/accounts/{account['id']}/statement?limit=2", [], ""
    while cursor is not None:
        page = await office.get(path + (f"&cursor={cursor}" if cursor else ""), office.releaser)
        lines += page["items"]
        cursor = page["next_cursor"]
    assert len({line["reference"] for line in lines}) == len(lines) == account["movements"]
    assert sum(int(line["amount"]) for line in lines) == int(account["balance"]) == int(page["closing"])
    assert page["opening"] == "0"
    await office.get("/ledger/accounts/999999/statement", office.releaser, 404)
    chart = {entry["type"]: entry for entry in await office.get("/ledger/chart", office.releaser)}
    assert chart["in_transit"]["credited_by"] == ["settle", "fail", "expire"]


async def _types(office: Office, at: datetime | None) -> dict[str, int]:
    asked = "" if at is None else f"?at={at.isoformat().replace('+', '%2B')}"
    book = await office.get(f"/ledger/trial-balance{asked}", office.releaser)
    sums: dict[str, int] = {}
    for account in book["accounts"]:
        sums[account["type"]] = sums.get(account["type"], 0) + int(account["balance"])
    return sums
