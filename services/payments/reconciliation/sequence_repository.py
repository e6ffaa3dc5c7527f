"""All SQL of statements' sequence: which of an account's statements came, and their balances."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.reconciliation.model import Statement

_KEEP = text(
    """
    INSERT INTO statement_sequence (file_id, position, source, account_hash, currency, statement_id, year, number,
        opened, closed, closed_on)
    VALUES (:file_id, :position, :source, :account, :currency, :statement_id, :year, :number, :opened, :closed,
        :closed_on)
    """
)
_BEFORE = text(
    """
    SELECT s.year, s.number, s.closed, s.closed_on FROM statement_sequence s
    WHERE s.source = :source AND s.account_hash = :account AND s.currency = :currency
      AND (s.file_id, s.position) <> (CAST(:file_id AS uuid), CAST(:position AS integer))
      AND CASE WHEN CAST(:number AS numeric) IS NULL OR s.number IS NULL THEN s.closed_on < :closed_on
               ELSE (s.year, s.number) < (CAST(:year AS integer), CAST(:number AS numeric)) END
    ORDER BY s.year DESC, s.number DESC NULLS LAST, s.closed_on DESC LIMIT 1
    """
)
_SAME = text(
    """
    SELECT s.opened, s.closed FROM statement_sequence s
    WHERE s.source = :source AND s.account_hash = :account AND s.currency = :currency AND s.year = :year
      AND s.number = CAST(:number AS numeric) AND s.opened IS NOT NULL AND s.closed IS NOT NULL
      AND (s.file_id, s.position) <> (CAST(:file_id AS uuid), CAST(:position AS integer))
    ORDER BY s.file_id, s.position LIMIT 1
    """
)
_AFTER = text(
    """
    SELECT s.opened FROM statement_sequence s
    WHERE s.source = :source AND s.account_hash = :account AND s.currency = :currency AND s.year = :year
      AND s.number = CAST(:number AS numeric) + 1
    LIMIT 1
    """
)


def _values(file_id: UUID, source: str, account: bytes, one: Statement) -> dict[str, Any]:
    return {
        "file_id": file_id,
        "position": one.position,
        "source": source,
        "account": account,
        "currency": one.currency,
        "year": one.year,
        "number": one.number,
        "closed_on": one.closed_on,
    }


async def keep(session: AsyncSession, file_id: UUID, source: str, account: bytes, one: Statement) -> None:
    """Keep a statement's place and balances."""
    more = {"statement_id": one.statement_id, "opened": one.opened, "closed": one.closed}
    await session.execute(_KEEP, {**_values(file_id, source, account, one), **more})


async def before(session: AsyncSession, file_id: UUID, source: str, account: bytes, one: Statement) -> Any | None:
    """The account's latest statement before this one: year, number, closed, closed_on."""
    return (await session.execute(_BEFORE, _values(file_id, source, account, one))).one_or_none()


async def same_number(session: AsyncSession, file_id: UUID, source: str, account: bytes, one: Statement) -> Any | None:
    """Another statement of the account with this one's number: opened, closed."""
    values = _values(file_id, source, account, one)
    wanted = {name: value for name, value in values.items() if name != "closed_on"}
    return (await session.execute(_SAME, wanted)).one_or_none()


async def opened_after(session: AsyncSession, file_id: UUID, source: str, account: bytes, one: Statement) -> Any | None:
    """The opening balance of the statement right after this one, where that came first."""
    values = _values(file_id, source, account, one)
    wanted = {name: values[name] for name in ("source", "account", "currency", "year", "number")}
    return (await session.execute(_AFTER, wanted)).scalar_one_or_none()
