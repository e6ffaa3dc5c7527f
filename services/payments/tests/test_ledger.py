"""The database itself keeps the books: balanced, immutable, each reference once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.payments.instructions.outcomes import Outcome, apply_outcomes
from services.payments.ledger.reading_repository import trial_balance
from services.payments.ledger.self_check_repository import close_days
from services.payments.tests.builders import CORE, SETTINGS, Cycle, Office, grants
from services.payments.tests.test_month import TODAY
from shared.testing.plugin import MakeService

BOOK = """
    WITH j AS (INSERT INTO journal DEFAULT VALUES RETURNING id)
    INSERT INTO movement (journal_id, subject_id, kind, effective_on, debit_account_id, credit_account_id, amount,
    currency)
    SELECT j.id, uuidv7(), 'allot', '2020-07-01', d.id, c.id, CAST(:amount AS numeric), :currency
    FROM j, ledger_account d, ledger_account c WHERE d.type = :debit AND c.type = :credit
"""


@pytest.mark.parametrize(
    ("amount", "currency", "credit"),
    [
        ("-100", "KHR", "allotment"),
        ("0", "KHR", "allotment"),
        ("100.5", "KHR", "allotment"),
        ("100", "USD", "allotment"),
        ("100", "KHR", "available"),
    ],
)
async def test_a_movement_that_could_not_balance_is_refused_by_the_database(
    make_service: MakeService, amount: str, currency: str, credit: str
) -> None:
    """A movement holds both its postings; what is left to check is its sign, its two accounts and its currency."""
    office = Office(await make_service(CORE, **SETTINGS))
    await office.open_fund()
    values = {"amount": amount, "currency": currency, "credit": credit, "debit": "available"}
    with pytest.raises(DBAPIError):
        async with office.service.database.session() as session:
            await session.execute(text(BOOK), values)
    async with office.service.database.session() as session:
        right = {"amount": "7", "currency": "KHR", "credit": "allotment", "debit": "available"}
        await session.execute(text(BOOK), right)
    assert (await office.balances())["available"] == 1_000_000_007


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE movement SET amount = amount * 2",
        "DELETE FROM movement",
        "TRUNCATE movement",
        "UPDATE journal SET recorded_at = now()",
        "DELETE FROM journal",
        "DELETE FROM journal_balance",
        "UPDATE journal_balance SET debit = debit + 1",
        "INSERT INTO journal_balance VALUES (1, 1, 5, 0, 1)",
        "UPDATE ledger_day SET debit = debit + 1",
        "DELETE FROM ledger_day",
        "DELETE FROM payment",
    ],
)
async def test_what_is_booked_is_never_changed(make_service: MakeService, statement: str) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    await office.open_fund()
    with pytest.raises(DBAPIError, match="append-only"):
        async with office.service.database.session() as session:
            await session.execute(text(statement))


async def test_a_movement_under_no_journal_is_refused(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    await office.open_fund()
    with pytest.raises(DBAPIError, match="names no journal"):
        async with office.service.database.session() as session:
            await session.execute(
                text(
                    "INSERT INTO movement SELECT 999999, uuidv7(), 'allot', 0, '2020-07-01', d.id, c.id, 5, 'KHR'"
                    " FROM ledger_account d, ledger_account c WHERE d.type = 'available' AND c.type = 'allotment'"
                )
            )


async def test_an_attempt_of_no_payment_is_refused(make_service: MakeService) -> None:
    """What a foreign key would say, checked once per statement."""
    service = await make_service(CORE, **SETTINGS)
    with pytest.raises(DBAPIError, match="names no payment"):
        async with service.database.session() as session:
            await session.execute(
                text(
                    "INSERT INTO payment_attempt (id, payment_id, attempt, rail, provider, account_id, account_version,"
                    " end_to_end_id, state, amount, currency)"
                    " VALUES (uuidv7(), uuidv7(), 1, 'bank', 'wing', uuidv7(), 1, 'E2E', 'queued', 5, 'KHR')"
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


PAST = """
    WITH j AS (INSERT INTO journal (recorded_at) VALUES (CAST(:at AS timestamptz)) RETURNING id)
    INSERT INTO movement (journal_id, subject_id, kind, effective_on, debit_account_id, credit_account_id, amount,
        currency)
    SELECT j.id, uuidv7(), 'allot', '2020-07-01', d.id, c.id, s.amount, 'KHR'
    FROM j CROSS JOIN unnest(CAST(:debits AS text[]), CAST(:credits AS text[]), CAST(:amounts AS numeric[]))
        AS s(debit, credit, amount)
    JOIN ledger_account d ON d.type = s.debit JOIN ledger_account c ON c.type = s.credit
"""
PLAIN = text(
    """
    SELECT account, sum(debit) AS debit, sum(credit) AS credit FROM (
        SELECT debit_account_id AS account, amount AS debit, 0 AS credit, journal_id FROM movement
        UNION ALL SELECT credit_account_id, 0, amount, journal_id FROM movement) AS leg
    JOIN journal j ON j.id = leg.journal_id WHERE j.recorded_at <= :at GROUP BY account
    """
)
TYPES = ("available", "unreleased", "suspense", "fees", "income")
BOOKED = st.tuples(
    st.integers(0, 9 * 24),
    st.lists(
        st.tuples(st.sampled_from(TYPES), st.sampled_from(TYPES), st.integers(1, 10**9)).filter(lambda m: m[0] != m[1]),
        min_size=1,
        max_size=5,
    ),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    journals=st.lists(BOOKED, min_size=1, max_size=12),
    closed=st.integers(0, 8),
    asked=st.lists(st.integers(-24, 11 * 24), min_size=1, max_size=4),
)
async def test_balances_kept_are_the_plain_sum_of_movements_at_any_instant_whatever_days_are_closed(
    make_service: MakeService, journals: list[Any], closed: int, asked: list[int]
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    start = datetime(2020, 7, 1, tzinfo=UTC)
    async with office.service.database.session() as session:
        await session.execute(text("INSERT INTO fund VALUES ('F', 'KHR', '{x}', 0, 'state_budget', 1, 'test')"))
        for type_ in TYPES:
            add = text("INSERT INTO ledger_account (fund_code, programme_code, type, rail, currency)"
                       " VALUES ('F', '', :type, '', 'KHR')")  # fmt: skip
            await session.execute(add, {"type": type_})
        for hour, moves in journals:
            debits, credits_, amounts = (list(column) for column in zip(*moves, strict=True))
            values = {"debits": debits, "credits": credits_, "amounts": [Decimal(amount) for amount in amounts]}
            await session.execute(text(PAST), values | {"at": start + timedelta(hours=hour)})
        await close_days(session, (start + timedelta(days=closed)).date())
    for hour in asked:
        at = start + timedelta(hours=hour)
        async with office.service.database.session() as session:
            plain = {row.account: (row.debit, row.credit) for row in await session.execute(PLAIN, {"at": at})}
            kept = {row.id: (row.debit, row.credit) for row in await trial_balance(session, at) if row.movements}
        assert kept == plain
