"""All SQL of exchange rates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Date, DateTime, Integer, Numeric, Table, Text, func, insert, select, text
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.metadata import Record, metadata

fx_rate = Table(
    "fx_rate",
    metadata,
    Column("id", PG_UUID, primary_key=True, server_default=text("uuidv7()")),
    Column("base", Text, nullable=False),
    Column("quote", Text, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("number", Integer, nullable=False),
    Column("rate", Numeric(20, 8), nullable=False),
    Column("rounding", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""One unit of `base` is `rate` units of `quote`, from a day on until the next rate. A correction is the next number."""

_NEXT = text(
    "SELECT COALESCE(max(number), 0) + 1 FROM fx_rate WHERE base = :base AND quote = :quote AND valid_from = :on"
)
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('fx_rate'), hashtext(:pair))")


async def add_rate(session: AsyncSession, values: dict[str, Any]) -> Record:
    """Record a rate; one for the same day corrects the one before, which stays."""
    await session.execute(_LOCK, {"pair": values["base"] + values["quote"]})
    key = {"base": values["base"], "quote": values["quote"], "on": values["valid_from"]}
    number = await session.scalar(_NEXT, key)
    return (await session.execute(insert(fx_rate).values(**values, number=number).returning(fx_rate))).one()


async def rate_on(session: AsyncSession, base: str, quote: str, on: date) -> Record | None:
    """The rate in force on a day: the newest of the latest day not after it. Never derived from the opposite pair."""
    statement = (
        select(fx_rate)
        .where(fx_rate.c.base == base, fx_rate.c.quote == quote, fx_rate.c.valid_from <= on)
        .order_by(fx_rate.c.valid_from.desc(), fx_rate.c.number.desc())
        .limit(1)
    )
    return (await session.execute(statement)).one_or_none()


async def rates(session: AsyncSession, after: UUID | None, limit: int) -> Sequence[Record]:
    """Rates in the order recorded."""
    statement = select(fx_rate).order_by(fx_rate.c.id).limit(limit)
    return (await session.execute(statement if after is None else statement.where(fx_rate.c.id > after))).all()
