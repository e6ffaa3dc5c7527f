"""All SQL that books movements, set-wise. What is read from the books is in `reading_repository.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    exists,
    select,
    text,
    values,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.expression import Insert, TextualSelect

from services.payments.ledger.model import MOVEMENTS, PER_PARTY, PER_PROGRAMME, PER_RAIL, AccountType
from services.payments.ledger.tables import journal, ledger_account, movement
from services.payments.rails.names import RAIL_NAMES

_COLUMNS: dict[str, Any] = {
    "subject_id": UUID,
    "kind": Text,
    "number": Integer,
    "effective_on": Date,
    "fund_code": Text,
    "programme_code": Text,
    "rail": Text,
    "party": Text,
    "amount": Numeric(18, 2),
    "currency": Text,
}


def movements(sql: str) -> TextualSelect:
    """A static SELECT that yields movements, one row each, ready for `post`.

    Its columns, in any order, by name: subject_id (uuid: what it is about, e.g. the attempt), kind (MovementKind),
    number (0, or which time: subject, kind and number are booked once), effective_on, fund_code, programme_code, rail
    and party ('' where they do not matter), amount (> 0), currency.
    """
    return text(sql).columns(**_COLUMNS)


def _sides() -> Any:
    def flags(type_: AccountType) -> tuple[Any, ...]:
        return type_.value, type_ in PER_PROGRAMME, type_ in PER_RAIL, type_ in PER_PARTY

    rows = [(kind.value, *flags(sides.debit), *flags(sides.credit)) for kind, sides in MOVEMENTS.items()]
    names: list[Any] = [column("kind", Text)]
    for side in ("debit", "credit"):
        names += [column(side, Text), *(column(f"{side}_{name}", Boolean) for name in ("programme", "rail", "party"))]
    return values(*names, name="sides", literal_binds=True).data(rows).alias("sides")


def _account(source: Any, sides: Any, side: str) -> tuple[Any, Any]:
    account = ledger_account.alias(side)
    return account, and_(
        account.c.fund_code == source.c.fund_code,
        account.c.currency == source.c.currency,
        account.c.type == sides.c[side],
        account.c.programme_code == case((sides.c[f"{side}_programme"], source.c.programme_code), else_=""),
        account.c.rail == case((sides.c[f"{side}_rail"], source.c.rail), else_=""),
        account.c.party == case((sides.c[f"{side}_party"], source.c.party), else_=""),
    )


@cache
def posting_statement(source: Select[Any] | TextualSelect) -> Insert:
    """One statement that books every movement of `source` under one new journal.

    A movement that is booked already is passed over. A movement that names an account which was never opened violates
    NOT NULL: nothing is booked one-sided.
    """
    return book(source.cte("told_movement"))


def book(told: CTE, *, fresh: bool = False) -> Insert:
    """The same for a CTE of a larger statement.

    Args:
        fresh: what is booked happened in this very statement, under locks, so that none of it can be booked already: a
            reference that is there violates the key and undoes the statement. Half the time of looking first.
    """
    entry = (
        pg_insert(journal)
        .from_select(["recorded_at"], select(text("now()")).where(exists(select(told.c.kind))))
        .returning(journal.c.id)
        .cte("entry")
    )
    sides = _sides()
    debit, debited = _account(told, sides, "debit")
    credit, credited = _account(told, sides, "credit")
    rows = (
        select(
            entry.c.id,
            told.c.subject_id,
            told.c.kind,
            told.c.number,
            told.c.effective_on,
            debit.c.id,
            credit.c.id,
            sql_cast(told.c.amount, Numeric(18, 2)),
            told.c.currency,
        )
        .select_from(told)
        .join(entry, text("true"))
        .join(sides, sides.c.kind == told.c.kind)
        .outerjoin(debit, debited)
        .outerjoin(credit, credited)
    )
    names = ["journal_id", "subject_id", "kind", "number", "effective_on", "debit_account_id", "credit_account_id"]
    insertion = pg_insert(movement).from_select([*names, "amount", "currency"], rows)
    return insertion if fresh else insertion.on_conflict_do_nothing(index_elements=["subject_id", "kind", "number"])


async def post(session: AsyncSession, source: Select[Any] | TextualSelect, parameters: Mapping[str, Any]) -> int:
    """Book movements in this transaction.

    Args:
        source: made by `movements`, at module level, so that it is compiled once.
        parameters: its bound values.

    Returns:
        How many movements were new.
    """
    result = await session.execute(posting_statement(source), dict(parameters))
    return int(result.rowcount)  # type: ignore[attr-defined]


async def open_fund_accounts(session: AsyncSession, fund_code: str, currency: str) -> None:
    """Open the fund-wide accounts of a fund; those that exist stay."""
    wide = [type_ for type_ in AccountType if type_ not in PER_PROGRAMME | PER_RAIL | PER_PARTY]
    await open_accounts(session, fund_code, currency, wide)


_PROGRAMME_WIDE = tuple(type_ for type_ in AccountType if type_ in PER_PROGRAMME - PER_RAIL)
_PROGRAMME_RAIL = tuple(type_ for type_ in AccountType if type_ in PER_PROGRAMME & PER_RAIL)


async def open_programme_accounts(
    session: AsyncSession, fund_code: str, programme_code: str, currency: str, rails: Iterable[str] = RAIL_NAMES
) -> None:
    """Open a programme's accounts in a fund, one per rail where the rail matters; those that exist stay."""
    await open_accounts(session, fund_code, currency, _PROGRAMME_WIDE, programme_code=programme_code)
    for rail in rails:
        await open_accounts(session, fund_code, currency, _PROGRAMME_RAIL, programme_code=programme_code, rail=rail)


async def open_accounts(
    session: AsyncSession,
    fund_code: str,
    currency: str,
    types: Iterable[AccountType],
    *,
    programme_code: str = "",
    rail: str = "",
    party: str = "",
) -> None:
    """Open accounts of these types under the dimensions given; those that exist stay."""
    rows = [
        {
            "fund_code": fund_code,
            "programme_code": programme_code,
            "type": type_.value,
            "rail": rail,
            "party": party,
            "currency": currency,
        }
        for type_ in types
    ]
    await session.execute(pg_insert(ledger_account).on_conflict_do_nothing().values(rows))
