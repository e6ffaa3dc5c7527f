"""The database itself keeps the books: balanced, immutable, each reference once."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.payments.instructions.outcomes import Outcome, apply_outcomes
from services.payments.tests.builders import CORE, SETTINGS, Cycle, Office, grants
from services.payments.tests.test_month import TODAY
from shared.testing.plugin import MakeService

BOOK = """
    WITH t AS (INSERT INTO ledger_transaction (reference, kind, effective_on) VALUES ('x', 'allot', '2020-07-01')
               RETURNING id)
    INSERT INTO posting (transaction_id, ledger_account_id, amount, currency)
    SELECT t.id, a.id, CASE a.type WHEN 'available' THEN CAST(:debit AS numeric) ELSE CAST(:credit AS numeric) END,
           :currency
    FROM t, ledger_account a WHERE a.type IN ('available', 'allotment')
"""


@pytest.mark.parametrize(
    ("debit", "credit", "currency"),
    [
        ("100", "-99", "KHR"),
        ("100", "100", "KHR"),
        ("100.5", "-100.5", "KHR"),
        ("100", "-100", "USD"),
        ("0", "0", "KHR"),
    ],
)
async def test_postings_that_do_not_balance_or_fit_are_refused(
    make_service: MakeService, debit: str, credit: str, currency: str
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    await office.open_fund()
    with pytest.raises(DBAPIError):
        async with office.service.database.session() as session:
            await session.execute(text(BOOK), {"debit": debit, "credit": credit, "currency": currency})
    async with office.service.database.session() as session:
        await session.execute(text(BOOK), {"debit": "7", "credit": "-7", "currency": "KHR"})
    assert (await office.balances())["available"] == 1_000_000_007


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE posting SET amount = amount * 2",
        "DELETE FROM posting",
        "TRUNCATE posting",
        "UPDATE ledger_transaction SET reference = 'y'",
        "DELETE FROM ledger_transaction",
    ],
)
async def test_what_is_booked_is_never_changed(make_service: MakeService, statement: str) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    await office.open_fund()
    with pytest.raises(DBAPIError, match="append-only"):
        async with office.service.database.session() as session:
            await session.execute(text(statement))


async def test_a_posting_without_its_transaction_is_refused(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    await office.open_fund()
    with pytest.raises(DBAPIError, match="no ledger transaction"):
        async with office.service.database.session() as session:
            await session.execute(
                text(
                    "INSERT INTO posting SELECT 999999, id, CASE type WHEN 'available' THEN 5 ELSE -5 END, 'KHR'"
                    " FROM ledger_account WHERE type IN ('available', 'allotment')"
                )
            )


async def test_channels_that_tell_the_same_at_once_book_it_once(make_service: MakeService) -> None:
    """A callback, a poll and a statement arrive together, over the same attempts in other orders: no deadlock."""
    office = Office(await make_service(CORE, **SETTINGS))
    await office.pay(Cycle(grants(30)))
    attempts = await office.send()

    async def tell(turn: int) -> int:
        ordered = sorted(attempts, key=lambda item: hash((turn, item.id)))
        async with office.service.database.session() as session:
            told = [Outcome(item.id, "settled", TODAY, f"channel-{turn}", "M") for item in ordered]
            return (await apply_outcomes(session, told)).applied

    assert sum(await asyncio.gather(*(tell(turn) for turn in range(6)))) == 30
    balances = await office.balances()
    assert balances["in_transit"] == 0
    assert balances["paid"] == sum(item.amount for item in attempts)
