"""Are statements missing, and does each add up? What does not becomes a break of the statement as a whole.

gap      the bank's sequence number leaps: the statements between never came (resolved by itself when they do)
balance  opening balance and entries do not make the closing balance, or it does not open where the last one closed,
         or another statement of the same number said otherwise
totals   the file holds another number of entries than it promises
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.reconciliation import breaks_repository, sequence_repository
from services.payments.reconciliation.model import Statement
from services.payments.reconciliation.rules import Rules


async def check_sequence(
    session: AsyncSession, file_id: UUID, source: str, statements: Sequence[Statement], rules: Rules, now: datetime
) -> None:
    """Keep the statements of a document, and break those that leave a gap or do not add up."""
    for one in statements:
        account = rules.account_hash(one.account)
        await sequence_repository.keep(session, file_id, source, account, one)
        previous = await sequence_repository.before(session, file_id, source, account, one)
        following = await sequence_repository.opened_after(session, file_id, source, account, one)
        twin = await sequence_repository.same_number(session, file_id, source, account, one)
        for kind, detail, offered, expected in findings(one, previous, following, twin):
            await breaks_repository.break_statement(
                session,
                file_id,
                -2 - one.position,
                kind,
                detail,
                currency=one.currency,
                offered=offered,
                expected=expected,
                on_date=one.closed_on,
                now=now,
            )
        await breaks_repository.fill_gaps(session, source, account, one.currency, now)


Finding = tuple[str, str, Decimal | None, Decimal | None]


def findings(one: Statement, previous: Any | None, following: Decimal | None, twin: Any | None = None) -> list[Finding]:
    """What is wrong with a statement: kind, detail, the amount found and the one expected. Pure.

    Arguments:
        previous: the account's latest statement before it (year, number, closed), if any came.
        following: the opening balance of the next one, if that came first.
        twin: a statement of the same number that came before (opened, closed): a copy, or another word of the bank.
    """
    found: list[Finding] = []
    gap = _missing(one, previous)
    if gap:
        found.append(("gap", gap, None, None))
    if not one.adds_up and one.opened is not None:
        detail = "opening balance and entries do not make the closing balance: an entry is missing or too many"
        found.append(("balance", detail, one.closed, one.opened + one.moved))
    if not gap and previous is not None and None not in (previous.closed, one.opened) and previous.closed != one.opened:
        found.append(("balance", "it does not open where the statement before closed", one.opened, previous.closed))
    if following is not None and one.closed is not None and following != one.closed:
        found.append(("balance", "it does not close where the statement after opens", one.closed, following))
    if (
        twin is not None
        and None not in (one.opened, one.closed)
        and (twin.opened, twin.closed) != (one.opened, one.closed)
    ):
        found.append(
            ("balance", "a statement of this number came before, with other balances", one.closed, twin.closed)
        )
    if one.promised is not None and one.promised != one.entries:
        detail = f"{one.promised} entries are promised, {one.entries} are there"
        found.append(("totals", detail, None, None))
    return found


def _missing(one: Statement, previous: Any | None) -> str:
    """Which statements are missing before this one; empty: none, or it cannot be told."""
    if one.number is None or previous is None or previous.number is None:
        return ""
    first = previous.number + 1 if previous.year == one.year else Decimal(1)
    if previous.year < one.year and one.number > previous.number:
        first = previous.number + 1  # a bank that counts on over the new year
    if one.number <= first:
        return ""
    last = one.number - 1
    return f"statement {first} is missing" if first == last else f"statements {first} to {last} are missing"
