"""All SQL of printed papers."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.metadata import Record

_PAYMENT = text(
    """
    SELECT p.id, p.programme_code, p.period, p.beneficiary_id, p.beneficiary_reference, p.village_code, p.component,
           p.amount, p.currency, p.status, p.version,
           e.lines, e.programme_version, c.payment_window_from, c.payment_window_until,
           a.id AS attempt_id, a.rail, a.provider, a.end_to_end_id, a.outcome_on,
           h.number_encrypted, h.holder_name_encrypted
    FROM payment p
    JOIN entitlement e ON e.payment_id = p.id
    JOIN cycle c ON c.id = p.cycle_id
    LEFT JOIN payment_attempt a ON a.payment_id = p.id AND a.attempt = p.attempt
    LEFT JOIN account_history h ON h.account_id = a.account_id AND h.version = a.account_version
    WHERE p.id = :payment
    """
)
_BANK_REFERENCE = text(
    """
    SELECT o.source, o.source_reference FROM payment_outcome o
    WHERE o.attempt_id = :attempt AND o.kind = 'settled' ORDER BY o.id DESC LIMIT 1
    """
)
_PAID = text(
    """
    SELECT p.id, a.outcome_on AS paid_on, p.programme_code, e.programme_version, p.period, p.component, p.amount,
           p.currency, p.village_code, p.beneficiary_reference
    FROM payment p
    JOIN payment_attempt a ON a.payment_id = p.id AND a.attempt = p.attempt
    JOIN entitlement e ON e.payment_id = p.id
    WHERE p.beneficiary_id = :beneficiary AND p.status = 'settled' AND a.outcome_on BETWEEN :first AND :last
    ORDER BY a.outcome_on, p.programme_code, p.component
    """
)
_HOME = text(
    """
    SELECT beneficiary_reference, village_code FROM enrolment
    WHERE beneficiary_id = :beneficiary ORDER BY effective_on DESC, id LIMIT 1
    """
)


async def payment_with_payee(session: AsyncSession, payment_id: UUID) -> Record | None:
    """A payment, what it is for, its window, and the account that its present attempt pays to."""
    return (await session.execute(_PAYMENT, {"payment": payment_id})).one_or_none()


async def settlement_of(session: AsyncSession, attempt_id: UUID) -> Any:
    """Who said that an attempt settled, and under which reference."""
    return (await session.execute(_BANK_REFERENCE, {"attempt": attempt_id})).one_or_none()


async def paid_between(session: AsyncSession, beneficiary_id: UUID, first: date, last: date) -> list[Any]:
    """A beneficiary's settled payments, by the day they were paid."""
    parameters = {"beneficiary": beneficiary_id, "first": first, "last": last}
    return list(await session.execute(_PAID, parameters))


async def home_of(session: AsyncSession, beneficiary_id: UUID) -> Record | None:
    """A beneficiary's reference and village, by her latest enrolment."""
    return (await session.execute(_HOME, {"beneficiary": beneficiary_id})).one_or_none()
