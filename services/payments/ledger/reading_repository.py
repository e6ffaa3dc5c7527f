"""All SQL that reads the books: balances now or at a past instant, statements of an account, a payment's movements.

Balances are sums of what a trigger keeps: closed days (`ledger_day`) and, for days still open, journals. A trial
balance over
ten million postings reads some hundreds of rows (ADR 0027); the self-check holds them against the movements.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.ledger.model import AccountType
from services.payments.metadata import Record

_TRIAL_BALANCE = text(
    """
    SELECT a.id, a.fund_code, a.programme_code, a.type, a.rail, a.party, a.currency, COALESCE(s.debit, 0) AS debit,
           COALESCE(s.credit, 0) AS credit, COALESCE(s.debit - s.credit, 0) AS balance,
           COALESCE(s.movements, 0) AS movements
    FROM ledger_account a LEFT JOIN (
    SELECT ledger_account_id, sum(debit) AS debit, sum(credit) AS credit, sum(movements) AS movements FROM (
        SELECT d.ledger_account_id, d.debit, d.credit, d.movements FROM ledger_day d
        WHERE CAST(:at AS timestamptz) IS NULL OR d.day < CAST(CAST(:at AS timestamptz) AT TIME ZONE 'UTC' AS date)
        UNION ALL
        SELECT b.ledger_account_id, b.debit, b.credit, b.movements
        FROM journal j JOIN journal_balance b ON b.journal_id = j.id
        WHERE j.recorded_at >= (
            SELECT CASE WHEN max(c.day) IS NULL THEN '-infinity' ELSE CAST(LEAST(max(c.day) + 1,
                CAST(CAST(:at AS timestamptz) AT TIME ZONE 'UTC' AS date)) AS timestamp) AT TIME ZONE 'UTC' END
            FROM ledger_closed_day c)
          AND (CAST(:at AS timestamptz) IS NULL OR j.recorded_at <= :at)
    ) AS parts GROUP BY ledger_account_id) AS s ON s.ledger_account_id = a.id
    WHERE (CAST(:fund AS text) IS NULL OR a.fund_code = :fund)
    ORDER BY a.id
    """
)
_ACCOUNT = text("SELECT * FROM ledger_account WHERE id = :account")
_AVAILABLE = text(
    """
    SELECT COALESCE(sum(debit - credit), 0) FROM (
        SELECT d.debit, d.credit FROM ledger_day d JOIN ledger_account a ON a.id = d.ledger_account_id
        WHERE a.fund_code = :fund AND a.type = 'available'
        UNION ALL
        SELECT b.debit, b.credit FROM ledger_account a
        JOIN journal_balance b ON b.ledger_account_id = a.id JOIN journal j ON j.id = b.journal_id
        WHERE a.fund_code = :fund AND a.type = 'available' AND j.recorded_at >= COALESCE(
            (SELECT CAST(max(day) + 1 AS timestamp) AT TIME ZONE 'UTC' FROM ledger_closed_day), '-infinity')
    ) AS parts
    """
)
_STATEMENT = text(
    """
    SELECT m.journal_id, j.recorded_at, m.subject_id, m.kind, m.number, m.effective_on, a.payment_id,
           CASE WHEN m.debit_account_id = :account THEN m.amount ELSE -m.amount END AS amount, m.currency,
           other.type AS other_account, other.programme_code AS other_programme, other.rail AS other_rail,
           other.party AS other_party
    FROM journal_balance b
    JOIN journal j ON j.id = b.journal_id
    JOIN movement m ON m.journal_id = b.journal_id AND :account IN (m.debit_account_id, m.credit_account_id)
    JOIN ledger_account other
      ON other.id = CASE WHEN m.debit_account_id = :account THEN m.credit_account_id ELSE m.debit_account_id END
    LEFT JOIN payment_attempt a ON a.id = m.subject_id
    WHERE b.ledger_account_id = :account
      AND (CAST(:since AS timestamptz) IS NULL OR j.recorded_at > :since)
      AND (CAST(:until AS timestamptz) IS NULL OR j.recorded_at <= :until)
      AND b.journal_id >= :journal
      AND (m.journal_id, m.subject_id, m.kind, m.number)
          > (CAST(:journal AS bigint), CAST(:subject AS uuid), CAST(:kind AS text), CAST(:number AS integer))
    ORDER BY m.journal_id, m.subject_id, m.kind, m.number LIMIT :most
    """
)
_OF_PAYMENT = text(
    """
    SELECT concat_ws(':', m.kind, m.subject_id, NULLIF(m.number, 0)) AS reference, m.kind, m.subject_id AS attempt_id,
           m.effective_on, j.recorded_at, l.type AS account, l.rail, leg.amount, m.currency
    FROM payment_attempt a
    JOIN movement m ON m.subject_id = a.id
    JOIN journal j ON j.id = m.journal_id
    CROSS JOIN LATERAL (VALUES (m.debit_account_id, m.amount), (m.credit_account_id, -m.amount))
        AS leg (ledger_account_id, amount)
    JOIN ledger_account l ON l.id = leg.ledger_account_id
    WHERE a.payment_id = :payment
    ORDER BY m.journal_id, a.attempt,
             array_position(CAST(ARRAY['reserve', 'instruct', 'settle', 'return', 'restore'] AS text[]), m.kind),
             leg.amount DESC
    """
)
START: tuple[int, UUID, str, int] = (0, UUID(int=0), "", 0)
"""Before the first line of any statement."""


async def trial_balance(
    session: AsyncSession, at: datetime | None = None, fund_code: str | None = None
) -> Sequence[Record]:
    """Every account with debits, credits and balance, as recorded until `at` (None: now); a currency sums to zero."""
    return (await session.execute(_TRIAL_BALANCE, {"at": at, "fund": fund_code})).all()


async def balances_of_fund(session: AsyncSession, fund_code: str) -> dict[AccountType, Any]:
    """Balances of a fund by account type, debits positive."""
    sums: dict[AccountType, Any] = dict.fromkeys(AccountType, 0)
    for row in await trial_balance(session, fund_code=fund_code):
        sums[AccountType(row.type)] += row.balance
    return sums


async def available_in_fund(session: AsyncSession, fund_code: str) -> Any:
    """What may still be reserved. Read it under the fund's row lock."""
    return (await session.execute(_AVAILABLE, {"fund": fund_code})).scalar_one()


async def account_by_id(session: AsyncSession, account_id: int) -> Record | None:
    """One ledger account."""
    return (await session.execute(_ACCOUNT, {"account": account_id})).one_or_none()


async def statement_lines(
    session: AsyncSession,
    account_id: int,
    *,
    since: datetime | None,
    until: datetime | None,
    after: tuple[int, UUID, str, int],
    most: int,
) -> Sequence[Record]:
    """Movements of an account recorded in (since, until], in the order booked, after a key; `amount` is signed."""
    values = {
        "account": account_id,
        "since": since,
        "until": until,
        "journal": after[0],
        "subject": after[1],
        "kind": after[2],
        "number": after[3],
        "most": most,
    }
    return (await session.execute(_STATEMENT, values)).all()


async def movements_of_payment(session: AsyncSession, payment_id: UUID) -> Sequence[Record]:
    """The postings of one payment, in the order booked."""
    return (await session.execute(_OF_PAYMENT, {"payment": payment_id})).all()
