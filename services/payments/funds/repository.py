"""All SQL of funds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import any_, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.funds.tables import fund, fund_entry
from services.payments.ledger.model import AccountType, MovementKind
from services.payments.ledger.repository import movements, open_accounts, open_fund_accounts, post
from services.payments.metadata import Record

_ENTRY = movements(
    """
    SELECT e.id AS subject_id, CAST(:kind AS text) AS kind, 0 AS number, e.on_date AS effective_on, e.fund_code,
           '' AS programme_code, '' AS rail, '' AS party, e.amount, f.currency
    FROM fund_entry e JOIN fund f ON f.code = e.fund_code WHERE e.id = :entry
    """
)
_LIST_MONEY = movements(
    """
    SELECT CAST(:list AS uuid) AS subject_id, CAST(:kind AS text) AS kind, CAST(:number AS integer) AS number,
           CAST(:on AS date) AS effective_on, CAST(:fund AS text) AS fund_code, CAST(:programme AS text) AS
           programme_code,
           '' AS rail, '' AS party, CAST(:amount AS numeric(18, 2)) AS amount, CAST(:currency AS text) AS currency
    """
)


async def add_fund(session: AsyncSession, values: dict[str, Any]) -> Record | None:
    """Store a fund and open its ledger accounts; None when the code is taken."""
    statement = pg_insert(fund).values(**values).on_conflict_do_nothing().returning(fund)
    row = (await session.execute(statement)).one_or_none()
    if row is not None:
        await open_fund_accounts(session, row.code, row.currency)
    return row


async def add_entry(
    session: AsyncSession, fund_code: str, kind: MovementKind, amount: Decimal, document: str, on: date, actor: str,
    **more: Any,
) -> Record:  # fmt: skip
    """Keep one allotment, release or half of an exchange, and book it."""
    values = {"fund_code": fund_code, "kind": kind.value, "amount": amount, "document": document, "on_date": on}
    statement = insert(fund_entry).values(**values, created_by=actor, **more).returning(fund_entry)
    entry = (await session.execute(statement)).one()
    if kind is MovementKind.ALLOT:
        await session.execute(update(fund).where(fund.c.code == fund_code).values(allotment=fund.c.allotment + amount))
    await post(session, _ENTRY, {"entry": entry.id, "kind": kind.value})
    return entry


async def entries_of(session: AsyncSession, fund_code: str, after: UUID | None, limit: int) -> Sequence[Record]:
    """A fund's entries, oldest first."""
    statement = select(fund_entry).where(fund_entry.c.fund_code == fund_code)
    if after is not None:
        statement = statement.where(fund_entry.c.id > after)
    return (await session.execute(statement.order_by(fund_entry.c.id).limit(limit))).all()


async def all_funds(session: AsyncSession) -> Sequence[Record]:
    """Every fund, by code: some dozens."""
    return (await session.execute(select(fund).order_by(fund.c.code).limit(1000))).all()


async def fund_by_code(session: AsyncSession, code: str, *, lock: bool = False) -> Record | None:
    """One fund. Locked, it serialises reservations: what is available then holds until the transaction ends."""
    statement = select(fund).where(fund.c.code == code)
    return (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()


async def lock_funds(session: AsyncSession, codes: Sequence[str]) -> None:
    """Lock these funds in the order of their codes: two approvals that share funds never deadlock."""
    await session.execute(select(fund.c.code).where(fund.c.code.in_(codes)).order_by(fund.c.code).with_for_update())


async def funds_for(session: AsyncSession, funding_line: str, currency: str) -> Sequence[Record]:
    """(code, priority) of the funds that serve a funding line in a currency, those that pay first before."""
    statement = (
        select(fund.c.code, fund.c.priority)
        .where(literal(funding_line) == any_(fund.c.programme_lines), fund.c.currency == currency)
        .order_by(fund.c.priority, fund.c.code)
    )
    return (await session.execute(statement)).all()


async def move_list_money(
    session: AsyncSession, payment_list: Record, kind: str, number: int, fund_code: str, amount: Decimal, today: date
) -> None:
    """Reserve a list's money in one of its funds, or release it: one movement; `number` tells approvals and funds
    apart."""
    parameters = {
        "list": payment_list.id,
        "kind": kind,
        "number": number,
        "on": today,
        "fund": fund_code,
        "programme": payment_list.programme_code,
        "amount": amount,
        "currency": payment_list.currency,
    }
    await post(session, _LIST_MONEY, parameters)


async def open_exchange(session: AsyncSession, fund_code: str, currency: str) -> None:
    """The position account of exchanges."""
    await open_accounts(session, fund_code, currency, [AccountType.EXCHANGE])
