"""All SQL of the books: post movements set-wise, read balances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    Boolean,
    Date,
    Integer,
    Numeric,
    Select,
    Text,
    and_,
    case,
    column,
    func,
    literal,
    select,
    text,
    values,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.expression import Insert, TextualSelect

from services.payments.ledger.model import MOVEMENTS, PER_PROGRAMME, PER_RAIL, RAILS, AccountType
from services.payments.ledger.tables import ledger_account, ledger_transaction, posting
from services.payments.metadata import Record

_COLUMNS: dict[str, Any] = {
    "reference": Text,
    "kind": Text,
    "payment_id": UUID,
    "attempt_id": UUID,
    "payment_list_id": UUID,
    "effective_on": Date,
    "fund_code": Text,
    "programme_code": Text,
    "rail": Text,
    "amount": Numeric(18, 2),
    "currency": Text,
}


def movements(sql: str) -> TextualSelect:
    """A static SELECT that yields movements, one row each, ready for `post`.

    Its columns, by name: reference (unique: a second posting of it does nothing), kind (MovementKind),
    payment_id, attempt_id, payment_list_id, effective_on, fund_code, programme_code, rail ('' where it does not
    matter), amount (> 0), currency.
    """
    return text(sql).columns(**_COLUMNS)


def _sides() -> Any:
    rows = [
        (kind.value, type_.value, sign, type_ in PER_PROGRAMME, type_ in PER_RAIL)
        for kind, sides in MOVEMENTS.items()
        for type_, sign in ((sides.debit, 1), (sides.credit, -1))
    ]
    return (
        values(
            column("kind", Text),
            column("type", Text),
            column("sign", Integer),
            column("per_programme", Boolean),
            column("per_rail", Boolean),
            name="sides",
            literal_binds=True,
        )
        .data(rows)
        .alias("sides")
    )


@cache
def posting_statement(source: Select[Any] | TextualSelect) -> Insert:
    """One statement that books every movement of `source`: transactions, then their two postings each.

    A movement whose reference is booked already is passed over. A movement that names an account which was never
    opened violates NOT NULL: nothing is booked one-sided.
    """
    movement: CTE = source.cte("movement")
    kept = ("reference", "kind", "payment_id", "attempt_id", "payment_list_id", "effective_on")
    entry = (
        pg_insert(ledger_transaction)
        .from_select(list(kept), select(*(movement.c[name] for name in kept)))
        .on_conflict_do_nothing(index_elements=["reference"])
        .returning(ledger_transaction.c.id, ledger_transaction.c.reference)
        .cte("entry")
    )
    sides = _sides()
    account = and_(
        ledger_account.c.fund_code == movement.c.fund_code,
        ledger_account.c.currency == movement.c.currency,
        ledger_account.c.type == sides.c.type,
        ledger_account.c.programme_code == case((sides.c.per_programme, movement.c.programme_code), else_=""),
        ledger_account.c.rail == case((sides.c.per_rail, movement.c.rail), else_=""),
    )
    legs = (
        select(
            entry.c.id,
            ledger_account.c.id,
            sql_cast(movement.c.amount * sides.c.sign, Numeric(18, 2)),
            movement.c.currency,
        )
        .select_from(entry)
        .join(movement, movement.c.reference == entry.c.reference)
        .join(sides, sides.c.kind == movement.c.kind)
        .outerjoin(ledger_account, account)
    )
    return pg_insert(posting).from_select(["transaction_id", "ledger_account_id", "amount", "currency"], legs)


async def post(session: AsyncSession, source: Select[Any] | TextualSelect, parameters: Mapping[str, Any]) -> int:
    """Book movements in this transaction.

    Args:
        source: made by `movements`, at module level, so that it is compiled once.
        parameters: its bound values.

    Returns:
        How many movements were new.
    """
    result = await session.execute(posting_statement(source), dict(parameters))
    return int(result.rowcount) // 2  # type: ignore[attr-defined]


async def open_fund_accounts(session: AsyncSession, fund_code: str, currency: str) -> None:
    """Open the fund-wide accounts of a fund."""
    rows = [(type_.value, "") for type_ in AccountType if type_ not in PER_PROGRAMME]
    await _open(session, fund_code, "", currency, rows)


async def open_programme_accounts(session: AsyncSession, fund_code: str, programme_code: str, currency: str) -> None:
    """Open a programme's accounts in a fund, one per rail where the rail matters; those that exist stay."""
    rows = [
        (type_.value, rail)
        for type_ in AccountType
        if type_ in PER_PROGRAMME
        for rail in (RAILS if type_ in PER_RAIL else ("",))
    ]
    await _open(session, fund_code, programme_code, currency, rows)


async def _open(
    session: AsyncSession, fund_code: str, programme_code: str, currency: str, rows: Sequence[tuple[str, str]]
) -> None:
    statement = pg_insert(ledger_account).on_conflict_do_nothing()
    await session.execute(
        statement.values(
            [
                {
                    "fund_code": fund_code,
                    "programme_code": programme_code,
                    "type": type_,
                    "rail": rail,
                    "currency": currency,
                }
                for type_, rail in rows
            ]
        )
    )


def _balance(type_: AccountType) -> Any:
    return func.coalesce(func.sum(posting.c.amount).filter(ledger_account.c.type == type_.value), literal(0))


async def balances_of_fund(session: AsyncSession, fund_code: str) -> Record:
    """Balances of a fund by account type, debits positive: one row with a column per AccountType."""
    statement = (
        select(*(_balance(type_).label(type_.value) for type_ in AccountType))
        .select_from(ledger_account)
        .outerjoin(posting, posting.c.ledger_account_id == ledger_account.c.id)
        .where(ledger_account.c.fund_code == fund_code)
    )
    return (await session.execute(statement)).one()


async def available_in_fund(session: AsyncSession, fund_code: str) -> Any:
    """What may still be reserved. Read it under the fund's row lock."""
    statement = (
        select(func.coalesce(func.sum(posting.c.amount), 0))
        .join(ledger_account, ledger_account.c.id == posting.c.ledger_account_id)
        .where(ledger_account.c.fund_code == fund_code, ledger_account.c.type == AccountType.AVAILABLE.value)
    )
    return (await session.execute(statement)).scalar_one()


async def trial_balance(session: AsyncSession) -> Sequence[Record]:
    """Every account with its debits, credits and balance; the balances of a currency sum to zero."""
    summed = (
        select(
            posting.c.ledger_account_id,
            func.coalesce(func.sum(posting.c.amount).filter(posting.c.amount > 0), 0).label("debit"),
            func.coalesce(-func.sum(posting.c.amount).filter(posting.c.amount < 0), 0).label("credit"),
            func.sum(posting.c.amount).label("balance"),
        )
        .group_by(posting.c.ledger_account_id)
        .subquery()
    )
    statement = (
        select(
            ledger_account.c.fund_code,
            ledger_account.c.programme_code,
            ledger_account.c.type,
            ledger_account.c.rail,
            ledger_account.c.currency,
            func.coalesce(summed.c.debit, 0).label("debit"),
            func.coalesce(summed.c.credit, 0).label("credit"),
            func.coalesce(summed.c.balance, 0).label("balance"),
        )
        .outerjoin(summed, summed.c.ledger_account_id == ledger_account.c.id)
        .order_by(ledger_account.c.id)
    )
    return (await session.execute(statement)).all()


async def transactions_of_payment(session: AsyncSession, payment_id: Any) -> Sequence[Record]:
    """The postings of one payment, in the order booked."""
    statement = (
        select(
            ledger_transaction.c.reference,
            ledger_transaction.c.kind,
            ledger_transaction.c.attempt_id,
            ledger_transaction.c.effective_on,
            ledger_transaction.c.recorded_at,
            ledger_account.c.type.label("account"),
            ledger_account.c.rail,
            posting.c.amount,
            posting.c.currency,
        )
        .join(posting, posting.c.transaction_id == ledger_transaction.c.id)
        .join(ledger_account, ledger_account.c.id == posting.c.ledger_account_id)
        .where(ledger_transaction.c.payment_id == payment_id)
        .order_by(ledger_transaction.c.id, posting.c.amount.desc())
    )
    return (await session.execute(statement)).all()
