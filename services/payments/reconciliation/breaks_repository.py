"""All SQL of breaks: what could not be reconciled, what it holds in suspense, who sees to it, how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.days import local_day
from services.payments.ledger.model import AccountType
from services.payments.ledger.repository import movements, open_accounts, post

# One booking is told twice or more (camt.054, then camt.053): what is a break already is no second one.
_REPEATED = text(
    """
    UPDATE statement_line l SET verdict = 'repeat'
    WHERE l.file_id = :file_id AND l.number = ANY(CAST(:numbers AS integer[])) AND l.entry <> '' AND l.direction <> ''
      AND EXISTS (SELECT FROM statement_line e WHERE e.attempt_id = l.attempt_id AND e.entry = l.entry
          AND e.direction = l.direction AND e.verdict = l.verdict AND e.currency = l.currency
          AND e.amount IS NOT DISTINCT FROM l.amount AND e.file_id <> l.file_id)
    """
)
# What money of ours a line booked that no payment explains: out (above zero) or in. It is held by the payment's fund,
# or by the one that pays first in its currency, until a person names another. A fraction that the currency does not
# have, or a currency without a fund, is left to the person who sees to the break.
_BREAK_LINES = text(
    """
    WITH first_fund AS (SELECT DISTINCT ON (currency) currency, code FROM fund ORDER BY currency, priority, code),
    found AS (
        SELECT l.*, a.state AS present_state, a.amount AS expected_amount, a.currency AS expected_currency,
            COALESCE(CASE WHEN p.currency = l.currency THEN p.fund_code END, o.code) AS fund,
            CASE WHEN l.verdict IN ('duplicate', 'unknown_reference', 'orphan') AND l.kind = 'settled' THEN 1
                 WHEN l.verdict = 'unreadable' THEN 0
                 WHEN l.direction = 'debit' THEN 1
                 WHEN l.direction = 'credit' THEN -1
                 ELSE 0 END AS way
        FROM statement_line l
        LEFT JOIN payment_attempt a ON a.id = l.attempt_id
        LEFT JOIN payment p ON p.id = a.payment_id
        LEFT JOIN first_fund o ON o.currency = l.currency
        WHERE l.file_id = :file_id AND l.number = ANY(CAST(:numbers AS integer[])) AND l.verdict <> 'repeat'
    )
    INSERT INTO reconciliation_break (file_id, number, kind, attempt_id, end_to_end_id, offered, present_state,
        offered_amount, offered_currency, expected_amount, expected_currency, created_at, on_date, detail, fund_code,
        suspended)
    SELECT file_id, number, verdict, attempt_id, end_to_end_id, COALESCE(kind, direction), COALESCE(present_state, ''),
        amount, currency, expected_amount, expected_currency, :now, on_date, problem, fund,
        CASE WHEN fund IS NULL OR amount IS NULL
                  OR amount <> trunc(amount, CASE WHEN currency IN ('KHR', 'VND') THEN 0 ELSE 2 END)
             THEN 0 ELSE way * amount END
    FROM found
    ON CONFLICT DO NOTHING
    """
)
_BREAK_GROUP = text(
    """
    INSERT INTO reconciliation_break (file_id, number, kind, attempt_id, end_to_end_id, offered, present_state,
        offered_currency, expected_amount, expected_currency, created_at, on_date, fund_code)
    SELECT :file_id, -1, 'contradiction', a.id, a.end_to_end_id, 'failed', a.state, '', a.amount, a.currency, :now,
        CAST(:today AS date), p.fund_code
    FROM payment_attempt a JOIN payment p ON p.id = a.payment_id WHERE a.id = ANY(:ids)
    ON CONFLICT DO NOTHING
    """
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))
_BREAK_FILE = text(
    """
    INSERT INTO reconciliation_break (file_id, number, kind, end_to_end_id, offered, offered_amount, offered_currency,
        expected_amount, expected_currency, created_at, on_date, detail)
    VALUES (:file_id, :number, :kind, '', 'statement', :offered, :currency, :expected, :currency, :now, :on_date,
        :detail)
    """
)
_SUSPENSE_ACCOUNTS = text(
    """
    SELECT DISTINCT b.fund_code, b.offered_currency, f.source
    FROM reconciliation_break b JOIN statement_file f ON f.id = b.file_id
    WHERE b.file_id = :file_id AND b.number = ANY(CAST(:numbers AS integer[])) AND b.suspended <> 0
    """
)
_SUSPEND = movements(
    """
    SELECT b.id AS subject_id, CASE WHEN b.suspended > 0 THEN 'suspend_out' ELSE 'suspend_in' END AS kind, 0 AS number,
        b.on_date AS effective_on, b.fund_code, '' AS programme_code, f.source AS rail, '' AS party,
        abs(b.suspended) AS amount, b.offered_currency AS currency
    FROM reconciliation_break b JOIN statement_file f ON f.id = b.file_id
    WHERE b.file_id = CAST(:file_id AS uuid) AND b.number = ANY(CAST(:numbers AS integer[])) AND b.suspended <> 0
    """
)
_LIST = text(
    """
    SELECT b.*, f.source, f.kind AS file_kind, f.message_id, a.payment_id
    FROM reconciliation_break b JOIN statement_file f ON f.id = b.file_id
    LEFT JOIN payment_attempt a ON a.id = b.attempt_id
    WHERE (CAST(:kind AS text) IS NULL OR b.kind = :kind)
      AND (CAST(:status AS text) IS NULL OR b.status = :status)
      AND (CAST(:owner AS text) IS NULL OR b.owner = :owner)
      AND (CAST(:before AS timestamptz) IS NULL OR b.created_at < :before)
      AND (CAST(:after AS uuid) IS NULL OR b.id > :after)
    ORDER BY b.id LIMIT :most
    """
)
_ONE = text(
    """
    SELECT b.*, f.source, f.kind AS file_kind, f.message_id, a.payment_id, a.batch_id, p.programme_code, p.village_code,
        p.fund_code AS payment_fund
    FROM reconciliation_break b JOIN statement_file f ON f.id = b.file_id
    LEFT JOIN payment_attempt a ON a.id = b.attempt_id
    LEFT JOIN payment p ON p.id = a.payment_id
    WHERE b.id = :id FOR UPDATE OF b
    """
)
_AGING = text(
    """
    SELECT b.kind, f.source, b.offered_currency AS currency, d.bucket, count(*) AS count,
        COALESCE(sum(b.offered_amount), 0) AS amount,
        COALESCE(sum(b.suspended) FILTER (WHERE b.suspended > 0), 0) AS suspended_out,
        COALESCE(-sum(b.suspended) FILTER (WHERE b.suspended < 0), 0) AS suspended_in,
        count(*) FILTER (WHERE b.owner = '') AS unowned, min(b.created_at) AS oldest
    FROM reconciliation_break b
    JOIN statement_file f ON f.id = b.file_id
    CROSS JOIN LATERAL (SELECT CASE
        WHEN b.created_at > CAST(:now AS timestamptz) - interval '1 day' THEN '0-1'
        WHEN b.created_at > CAST(:now AS timestamptz) - interval '7 days' THEN '2-7'
        WHEN b.created_at > CAST(:now AS timestamptz) - interval '30 days' THEN '8-30' ELSE 'over 30' END AS bucket) d
    WHERE b.status <> 'resolved'
    GROUP BY b.kind, f.source, b.offered_currency, d.bucket
    ORDER BY min(b.created_at), b.kind, f.source, b.offered_currency, d.bucket
    """
)
_ASSIGN = text(
    """
    UPDATE reconciliation_break SET owner = :owner, assigned_at = :now, version = version + 1 WHERE id = :id
    """
)
_PROPOSE = text(
    """
    UPDATE reconciliation_break SET status = 'proposed', action = :action, reason = :reason, proposed_by = :by,
        proposed_at = :now, fund_code = COALESCE(:fund_code, fund_code), version = version + 1,
        attempt_id = COALESCE(CAST(:attempt AS uuid), attempt_id),
        expected_amount = COALESCE(CAST(:expected AS numeric), expected_amount),
        expected_currency = CASE WHEN CAST(:attempt AS uuid) IS NULL THEN expected_currency ELSE offered_currency END
    WHERE id = :id
    """
)
# A payment that only the proposal named goes with it.
_REJECT = text(
    """
    UPDATE reconciliation_break b SET status = 'open', action = '', reason = '', proposed_by = '', proposed_at = NULL,
        version = version + 1,
        attempt_id = CASE WHEN t.told THEN b.attempt_id END,
        expected_amount = CASE WHEN t.told THEN b.expected_amount END,
        expected_currency = CASE WHEN t.told THEN b.expected_currency END
    FROM (SELECT NOT EXISTS (SELECT FROM reconciliation_break o JOIN statement_line l
              ON l.file_id = o.file_id AND l.number = o.number
              WHERE o.id = :id AND l.attempt_id IS NULL) AS told) AS t
    WHERE b.id = :id
    """
)
_PAYMENT = text(
    """
    SELECT a.id, a.amount, a.currency, a.rail, p.village_code
    FROM payment p JOIN payment_attempt a ON a.payment_id = p.id AND a.attempt = p.attempt WHERE p.id = :id
    """
)
_MEMBERS = text(
    """
    SELECT a.id, a.amount, a.currency, a.batch_id FROM batch b JOIN payment_attempt a ON a.batch_id = b.id
    WHERE b.message_id = :message_id AND b.rail = :rail AND b.tries > 0 AND a.state NOT IN ('failed', 'expired')
    ORDER BY a.id
    """
)
_EXPLAINED = text(
    """
    SELECT EXISTS (SELECT FROM statement_line l
            WHERE l.attempt_id = :attempt AND l.direction = :direction AND l.verdict = 'matched')
        OR EXISTS (SELECT FROM reconciliation_break b
            WHERE b.id <> :id AND b.status = 'resolved' AND b.action = 'apply' AND sign(b.suspended) = :sign
              AND CASE WHEN CAST(:attempt AS uuid) IS NULL THEN b.end_to_end_id = :batch AND b.attempt_id IS NULL
                       ELSE b.attempt_id = :attempt END)
    """
)
_MOVE_SUSPENSE = movements(
    """
    SELECT b.id AS subject_id, m.kind, b.version + 1 AS number, CAST(:on AS date) AS effective_on, m.fund_code,
        '' AS programme_code, CAST(:rail AS text) AS rail, '' AS party, abs(b.suspended) AS amount,
        b.offered_currency AS currency
    FROM reconciliation_break b CROSS JOIN LATERAL (VALUES
        (CASE WHEN b.suspended > 0 THEN 'explain_out' ELSE 'explain_in' END, b.fund_code),
        (CASE WHEN b.suspended > 0 THEN 'suspend_out' ELSE 'suspend_in' END, CAST(:fund AS text))) AS m(kind, fund_code)
    WHERE b.id = CAST(:id AS uuid)
    """
)
_RESOLVE = text(
    """
    UPDATE reconciliation_break SET status = 'resolved', resolved_by = :by, resolved_at = :now, version = version + 1
    WHERE id = :id
    """
)
_FILLED = text(
    """
    UPDATE reconciliation_break b SET status = 'resolved', action = 'filled', resolved_by = 'system',
        resolved_at = :now, reason = 'The missing statements arrived.', version = version + 1
    FROM statement_sequence s
    WHERE b.kind = 'gap' AND b.status <> 'resolved' AND s.file_id = b.file_id AND s.position = -2 - b.number
      AND s.source = :source AND s.account_hash = :account AND s.currency = :currency
      AND EXISTS (SELECT FROM statement_sequence e WHERE e.source = s.source AND e.account_hash = s.account_hash
          AND e.currency = s.currency AND e.year = s.year AND e.number = s.number - 1)
    """
)
_POST_ONE = movements(
    """
    SELECT CAST(:subject AS uuid) AS subject_id, m.kind, CAST(:number AS integer) AS number,
        CAST(:on AS date) AS effective_on, CAST(:fund AS text) AS fund_code, '' AS programme_code,
        CAST(:rail AS text) AS rail, '' AS party, CAST(:amount AS numeric) AS amount,
        CAST(:currency AS text) AS currency
    FROM unnest(CAST(:kinds AS text[])) AS m(kind)
    """
)
_SUSPENSE_TYPES = (AccountType.SUSPENSE, AccountType.CLEARING)
_WIDE_TYPES = (AccountType.AVAILABLE, AccountType.FEES, AccountType.INCOME)


async def break_lines(session: AsyncSession, file_id: UUID, numbers: Sequence[int], now: datetime) -> None:
    """Make breaks of these lines, by their verdicts; what they moved unexplained goes to suspense."""
    if not numbers:
        return
    which = {"file_id": file_id, "numbers": list(numbers)}
    await session.execute(_REPEATED, which)
    await session.execute(_BREAK_LINES, {**which, "now": now})
    for row in (await session.execute(_SUSPENSE_ACCOUNTS, which)).all():
        await open_accounts(session, row.fund_code, row.offered_currency, _SUSPENSE_TYPES, rail=row.source)
    await post(session, _SUSPEND, which)


async def break_group(session: AsyncSession, file_id: UUID, attempts: Sequence[UUID], now: datetime) -> None:
    """A refusal of a whole batch excludes what is known of these attempts."""
    await session.execute(
        _BREAK_GROUP, {"file_id": file_id, "ids": list(attempts), "now": now, "today": local_day(now)}
    )


async def break_statement(
    session: AsyncSession,
    file_id: UUID,
    number: int,
    kind: str,
    detail: str,
    *,
    currency: str,
    offered: Decimal | None,
    expected: Decimal | None,
    on_date: date,
    now: datetime,
) -> None:
    """A break of a statement as a whole; `number` is below zero."""
    values = {
        "file_id": file_id,
        "number": number,
        "kind": kind,
        "detail": detail,
        "currency": currency,
        "offered": offered,
        "expected": expected,
        "on_date": on_date,
        "now": now,
    }
    await session.execute(_BREAK_FILE, values)


async def fill_gaps(session: AsyncSession, source: str, account: bytes, currency: str, now: datetime) -> None:
    """Resolve the gaps of an account before which the statement that was missing has arrived."""
    await session.execute(_FILLED, {"source": source, "account": account, "currency": currency, "now": now})


async def breaks(
    session: AsyncSession,
    *,
    kind: str | None,
    status: str | None,
    owner: str | None,
    before: datetime | None,
    after: UUID | None,
    most: int,
) -> Sequence[Any]:
    """Breaks, oldest first."""
    values = {"kind": kind, "status": status, "owner": owner, "before": before, "after": after, "most": most}
    return (await session.execute(_LIST, values)).all()


async def lock_break(session: AsyncSession, break_id: UUID) -> Any | None:
    """One break with its document and payment, locked."""
    return (await session.execute(_ONE, {"id": break_id})).one_or_none()


async def aging(session: AsyncSession, now: datetime) -> Sequence[Any]:
    """Unresolved breaks by kind, rail, currency and age in days: what must still be explained."""
    return (await session.execute(_AGING, {"now": now})).all()


async def assign(session: AsyncSession, break_id: UUID, owner: str, now: datetime) -> None:
    """Give a break an owner."""
    await session.execute(_ASSIGN, {"id": break_id, "owner": owner, "now": now})


async def propose(
    session: AsyncSession,
    break_id: UUID,
    *,
    action: str,
    reason: str,
    fund_code: str | None,
    payment: Any | None,
    by: str,
    now: datetime,
) -> None:
    """Store what an officer proposes. `payment`: what she says the line is about, with the attempt's id and amount."""
    values = {
        "id": break_id,
        "action": action,
        "reason": reason,
        "fund_code": fund_code,
        "attempt": payment.id if payment is not None else None,
        "expected": payment.amount if payment is not None else None,
        "by": by,
        "now": now,
    }
    await session.execute(_PROPOSE, values)


async def payment(session: AsyncSession, payment_id: UUID) -> Any | None:
    """A payment's present attempt: id, amount, currency, rail; and its village."""
    return (await session.execute(_PAYMENT, {"id": payment_id})).one_or_none()


async def batch_members(session: AsyncSession, message_id: str, rail: str) -> Sequence[Any]:
    """The attempts of a batch, named as on the wire, that were not refused: id, amount, currency, batch_id."""
    return (await session.execute(_MEMBERS, {"message_id": message_id, "rail": rail})).all()


async def explained_before(session: AsyncSession, row: Any) -> bool:
    """Whether another booking, out or in like this one, is the payment's (or the batch's) already."""
    values = {
        "id": row.id,
        "attempt": row.attempt_id,
        "batch": row.end_to_end_id,
        "direction": "debit" if row.suspended > 0 else "credit",
        "sign": 1 if row.suspended > 0 else -1,
    }
    return bool((await session.execute(_EXPLAINED, values)).scalar_one())


async def move_suspense(session: AsyncSession, row: Any, fund_code: str, on: date) -> None:
    """Have another fund hold what a break has in suspense. `row`: the break, locked, before its next version."""
    await open_accounts(session, fund_code, row.offered_currency, _SUSPENSE_TYPES, rail=row.source)
    await open_accounts(session, fund_code, row.offered_currency, _WIDE_TYPES)
    await post(session, _MOVE_SUSPENSE, {"id": row.id, "fund": fund_code, "rail": row.source, "on": on})


async def reject_proposal(session: AsyncSession, break_id: UUID) -> None:
    """The break is open again."""
    await session.execute(_REJECT, {"id": break_id})


async def resolve(session: AsyncSession, break_id: UUID, *, by: str, now: datetime) -> None:
    """The break has ended."""
    await session.execute(_RESOLVE, {"id": break_id, "by": by, "now": now})


async def post_explanation(
    session: AsyncSession, row: Any, kinds: Sequence[str], on: date, *, amount: Decimal, fund: str
) -> int:
    """Book movements that explain a break, in a fund."""
    currency, rail = row.offered_currency, row.source
    await open_accounts(session, fund, currency, _SUSPENSE_TYPES, rail=rail)
    await open_accounts(session, fund, currency, _WIDE_TYPES)
    values = {
        "subject": row.id,
        "number": 1,
        "on": on,
        "fund": fund,
        "rail": rail,
        "amount": amount,
        "currency": currency,
        "kinds": list(kinds),
    }
    return await post(session, _POST_ONE, values)
