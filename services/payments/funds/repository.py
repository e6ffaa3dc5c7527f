"""All SQL of funds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import any_, literal, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.funds.tables import fund
from services.payments.ledger.repository import movements, open_fund_accounts, post
from services.payments.metadata import Record

_ALLOT = movements(
    """
    SELECT concat_ws(':', 'allot', f.code, '1') AS reference, 'allot' AS kind, CAST(NULL AS uuid) AS payment_id,
           CAST(NULL AS uuid) AS attempt_id, CAST(NULL AS uuid) AS payment_list_id, CAST(:on AS date) AS effective_on,
           f.code AS fund_code, '' AS programme_code, '' AS rail, f.allotment AS amount, f.currency
    FROM fund f WHERE f.code = :code
    """
)


async def add_fund(session: AsyncSession, values: dict[str, Any], today: date) -> Record | None:
    """Store a fund, open its ledger accounts and book its allotment; None when the code is taken."""
    statement = pg_insert(fund).values(**values).on_conflict_do_nothing().returning(fund)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    await open_fund_accounts(session, row.code, row.currency)
    await post(session, _ALLOT, {"code": row.code, "on": today})
    return row


async def fund_by_code(session: AsyncSession, code: str, *, lock: bool = False) -> Record | None:
    """One fund. Locked, it serialises reservations: what is available then holds until the transaction ends."""
    statement = select(fund).where(fund.c.code == code)
    return (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()


async def funds_for(session: AsyncSession, funding_line: str, currency: str) -> Sequence[str]:
    """Codes of the funds that serve a funding line in a currency."""
    statement = (
        select(fund.c.code)
        .where(literal(funding_line) == any_(fund.c.programme_lines), fund.c.currency == currency)
        .order_by(fund.c.code)
    )
    return (await session.scalars(statement)).all()


_RESERVE_LIST = movements(
    """
    SELECT :reference AS reference, :kind AS kind, CAST(NULL AS uuid) AS payment_id, CAST(NULL AS uuid) AS attempt_id,
           CAST(:list AS uuid) AS payment_list_id, CAST(:on AS date) AS effective_on, CAST(:fund AS text) AS fund_code,
           CAST(:programme AS text) AS programme_code, '' AS rail, CAST(:amount AS numeric(18, 2)) AS amount,
           CAST(:currency AS text) AS currency
    """
)


async def move_list_money(
    session: AsyncSession, payment_list: Record, kind: str, reference: str, amount: Decimal, today: date
) -> None:
    """Reserve a list's money in its fund, or release it: one movement for the whole list."""
    parameters = {
        "reference": reference,
        "kind": kind,
        "list": payment_list.id,
        "on": today,
        "fund": payment_list.fund_code,
        "programme": payment_list.programme_code,
        "amount": amount,
        "currency": payment_list.currency,
    }
    await post(session, _RESERVE_LIST, parameters)
