"""All SQL of claims."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.ledger.repository import movements, post
from services.payments.metadata import Record
from services.payments.recoveries.tables import claim, claim_receipt
from shared.auth import Principal, in_area

_MOVE = movements(
    """
    SELECT CAST(:subject AS uuid) AS subject_id, CAST(:kind AS text) AS kind, CAST(:number AS integer) AS number,
           CAST(:on AS date) AS effective_on, k.fund_code, k.programme_code, k.rail, '' AS party,
           CAST(:amount AS numeric(18, 2)) AS amount, k.currency
    FROM claim k WHERE k.id = :claim
    """
)
_CLAIMED = text("SELECT COALESCE(sum(amount), 0) FROM claim WHERE payment_id = :payment AND status <> 'refused'")


async def claimed_of(session: AsyncSession, payment_id: UUID) -> Decimal:
    """How much of a payment is claimed back already."""
    return Decimal(await session.scalar(_CLAIMED, {"payment": payment_id}) or 0)


async def add_claim(session: AsyncSession, values: dict[str, Any]) -> Record | None:
    """Store a claim as proposed; None when the beneficiary has one that is not over, in this currency."""
    statement = pg_insert(claim).values(**values, status="proposed").on_conflict_do_nothing().returning(claim)
    return (await session.execute(statement)).one_or_none()


async def claim_by_id(session: AsyncSession, claim_id: UUID, *, lock: bool = False) -> Record | None:
    """One claim, locked on request."""
    statement = select(claim).where(claim.c.id == claim_id)
    return (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()


async def change_claim(session: AsyncSession, claim_id: UUID, **values: Any) -> Record:
    """Change a claim whose row is locked."""
    statement = update(claim).where(claim.c.id == claim_id).values(**values, version=claim.c.version + 1)
    return (await session.execute(statement.returning(claim))).one()


async def move_claim(
    session: AsyncSession, claim_id: UUID, kind: str, subject: UUID, amount: Decimal, on: date, number: int = 0
) -> None:
    """Book a claim, its waiving, or money paid back."""
    values = {"claim": claim_id, "kind": kind, "subject": subject, "number": number, "amount": amount, "on": on}
    await post(session, _MOVE, values)


async def add_receipt(session: AsyncSession, claim_id: UUID, amount: Decimal, document: str, actor: str) -> Record:
    """Keep a receipt of money paid back."""
    values = {"claim_id": claim_id, "amount": amount, "document": document, "created_by": actor}
    return (await session.execute(insert(claim_receipt).values(**values).returning(claim_receipt))).one()


async def claims_where(
    session: AsyncSession, principal: Principal, status: str | None, after: UUID | None, limit: int
) -> Sequence[Record]:
    """Claims in the caller's area."""
    statement = select(claim).where(in_area(principal, claim.c.village_code)).order_by(claim.c.id).limit(limit)
    if status is not None:
        statement = statement.where(claim.c.status == status)
    return (await session.execute(statement if after is None else statement.where(claim.c.id > after))).all()
