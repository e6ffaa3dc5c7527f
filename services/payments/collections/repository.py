"""All SQL of collections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.ledger.model import AccountType
from services.payments.ledger.repository import movements, open_accounts, post
from services.payments.metadata import Record

_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtext(:fund), hashtext(:employer))")
_EXPECT: Final = text(
    """
    INSERT INTO contribution (fund_code, employer_id, period, due_on, expected, currency, created_by)
    VALUES (:fund, :employer, :period, :due_on, :expected, :currency, :by)
    ON CONFLICT (fund_code, employer_id, period) DO UPDATE
        SET expected = excluded.expected, due_on = excluded.due_on, revisions = contribution.revisions + 1,
            version = contribution.version + 1
        WHERE contribution.expected <> excluded.expected
    RETURNING *
    """
)
_MONTH: Final = text(
    "SELECT * FROM contribution WHERE fund_code = :fund AND employer_id = :employer AND period = :period FOR UPDATE"
)
_MISSING: Final = text(
    """
    SELECT id, expected - allocated AS missing FROM contribution
    WHERE fund_code = :fund AND employer_id = :employer AND allocated < expected ORDER BY period FOR UPDATE
    """
)
_OVER: Final = text("SELECT id, allocated - expected AS over FROM contribution WHERE id = :id AND allocated > expected")
_ALLOCATE: Final = text(
    """
    WITH told AS (
        INSERT INTO contribution_allocation (contribution_id, kind, amount, on_date, created_by)
        VALUES (:contribution, :kind, :amount, :on, :by) RETURNING id
    )
    UPDATE contribution SET allocated = allocated + CASE WHEN :kind = 'allocate' THEN 1 ELSE -1 END
        * CAST(:amount AS numeric), version = version + 1
    WHERE id = :contribution RETURNING (SELECT id FROM told) AS allocation_id
    """
)
_RECEIPT: Final = text(
    """
    INSERT INTO contribution_receipt (fund_code, employer_id, kind, amount, currency, received_on, bank_reference,
        status, created_by, account_id)
    VALUES (:fund, :employer, :kind, :amount, :currency, :on, :reference, :status, :by, CAST(:account AS uuid))
    ON CONFLICT (fund_code, kind, bank_reference) DO NOTHING RETURNING *
    """
)
_REFUND: Final = text("SELECT * FROM contribution_receipt WHERE id = :id AND kind = 'refund' FOR UPDATE")
_APPROVE: Final = text(
    """
    UPDATE contribution_receipt SET status = 'sent', approved_by = :by, payment_id = :payment WHERE id = :id RETURNING *
    """
)
_CANCEL: Final = text("UPDATE contribution_receipt SET status = 'cancelled' WHERE id = :id RETURNING *")
_FAVOUR: Final = text(
    """
    SELECT COALESCE(sum(b.credit - b.debit), 0) - COALESCE((
        SELECT sum(amount) FROM contribution_receipt
        WHERE fund_code = :fund AND employer_id = :employer AND kind = 'refund' AND NOT booked
          AND status <> 'cancelled'), 0)
    FROM ledger_account a JOIN journal_balance b ON b.ledger_account_id = a.id
    WHERE a.fund_code = :fund AND a.type = 'unallocated' AND a.party = CAST(CAST(:employer AS uuid) AS text)
    """
)
_MONTHS: Final = text(
    """
    SELECT * FROM contribution WHERE fund_code = :fund AND employer_id = :employer AND id > :after
    ORDER BY id LIMIT :most
    """
)
_OVERDUE: Final = text(
    """
    SELECT * FROM contribution WHERE allocated < expected AND due_on < :today AND id > :after ORDER BY id LIMIT :most
    """
)
_MOVE: Final = movements(
    """
    SELECT CAST(:subject AS uuid) AS subject_id, CAST(:kind AS text) AS kind, CAST(:number AS integer) AS number,
           CAST(:on AS date) AS effective_on, CAST(:fund AS text) AS fund_code, '' AS programme_code, '' AS rail,
           CAST(:party AS text) AS party, CAST(:amount AS numeric(18, 2)) AS amount, CAST(:currency AS text) AS currency
    """
)
_PARTY: Final = (AccountType.CONTRIBUTIONS, AccountType.RECEIVABLE, AccountType.UNALLOCATED)


async def lock_employer(session: AsyncSession, fund: str, employer: UUID) -> None:
    """One at a time per employer and fund: two officers at once never allocate the same money."""
    await session.execute(_LOCK, {"fund": fund, "employer": str(employer)})


async def month_of(session: AsyncSession, fund: str, employer: UUID, period: str) -> Record | None:
    """A month's contribution, locked."""
    values = {"fund": fund, "employer": employer, "period": period}
    return (await session.execute(_MONTH, values)).one_or_none()


async def expect(session: AsyncSession, values: Mapping[str, Any]) -> Record | None:
    """Store what is expected for a month, or change it; None when it is so already."""
    return (await session.execute(_EXPECT, dict(values))).one_or_none()


async def missing_months(session: AsyncSession, fund: str, employer: UUID) -> Sequence[Record]:
    """(id, missing) of the months not paid in full, oldest first, locked."""
    return (await session.execute(_MISSING, {"fund": fund, "employer": employer})).all()


async def over_allocated(session: AsyncSession, contribution: UUID) -> Decimal:
    """By how much a month holds more than is expected (after its expectation was lowered)."""
    row = (await session.execute(_OVER, {"id": contribution})).one_or_none()
    return Decimal(0) if row is None else Decimal(row.over)


async def allocate(session: AsyncSession, contribution: UUID, kind: str, amount: Decimal, on: date, by: str) -> UUID:
    """Put money to a month, or take it off; the allocation's id."""
    values = {"contribution": contribution, "kind": kind, "amount": amount, "on": on, "by": by}
    made: UUID = (await session.execute(_ALLOCATE, values)).scalar_one()
    return made


async def add_receipt(session: AsyncSession, values: Mapping[str, Any]) -> Record | None:
    """Keep a receipt or a refund; None when its bank reference was used before."""
    return (await session.execute(_RECEIPT, {"account": None, **values})).one_or_none()


async def refund_by_id(session: AsyncSession, refund_id: UUID) -> Record | None:
    """A refund, locked."""
    return (await session.execute(_REFUND, {"id": refund_id})).one_or_none()


async def approve_refund(session: AsyncSession, refund_id: UUID, by: str, payment: UUID) -> Record:
    """Mark a refund as approved, and sent by this payment."""
    return (await session.execute(_APPROVE, {"id": refund_id, "by": by, "payment": payment})).one()


async def cancel_refund(session: AsyncSession, refund_id: UUID) -> Record:
    """Mark a refund as given up."""
    return (await session.execute(_CANCEL, {"id": refund_id})).one()


async def in_favour(session: AsyncSession, fund: str, employer: UUID) -> Decimal:
    """What an employer has over, less the refunds that are proposed or on their way."""
    return Decimal(await session.scalar(_FAVOUR, {"fund": fund, "employer": employer}) or 0)


async def months_of(session: AsyncSession, fund: str, employer: UUID, after: UUID, most: int) -> Sequence[Record]:
    """An employer's months."""
    values = {"fund": fund, "employer": employer, "after": after, "most": most}
    return (await session.execute(_MONTHS, values)).all()


async def overdue(session: AsyncSession, today: date, after: UUID, most: int) -> Sequence[Record]:
    """Months that are due and not paid in full."""
    return (await session.execute(_OVERDUE, {"today": today, "after": after, "most": most})).all()


async def move(
    session: AsyncSession, kind: str, subject: UUID, fund: Record, employer: UUID, amount: Decimal, on: date,
    number: int = 0,
) -> None:  # fmt: skip
    """Book one movement of an employer's money."""
    await open_accounts(session, fund.code, fund.currency, _PARTY, party=str(employer))
    values = {"subject": subject, "kind": kind, "number": number, "on": on, "fund": fund.code, "party": str(employer)}
    await post(session, _MOVE, values | {"amount": amount, "currency": fund.currency})
