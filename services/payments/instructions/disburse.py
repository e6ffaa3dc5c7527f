"""Turn the ready lines of an approved list into payments and first attempts: four statements for ten thousand."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.instructions.events import publish_instructed
from services.payments.ledger.repository import movements, post
from services.payments.metadata import Record
from services.payments.recoveries.repository import book_deductions

FIRST = UUID(int=0)
ACCOUNT_CHANGED = "account_changed"

_CHUNK_END = text(
    """
    SELECT payment_id FROM (
        SELECT payment_id FROM payment_list_line
        WHERE payment_list_id = :list AND status = 'ready' AND payment_id > :after
        ORDER BY payment_id LIMIT :size) AS chunk
    ORDER BY payment_id DESC LIMIT 1
    """
)
_FIRST_CHUNK_END = text(
    """
    SELECT payment_id FROM (
        SELECT payment_id FROM payment_list_line
        WHERE payment_list_id = :list AND status = 'ready' AND payment_id > :after AND priority > 0
        ORDER BY payment_id LIMIT :size) AS chunk
    ORDER BY payment_id DESC LIMIT 1
    """
)
# A person who is stopped waits like one whose payment is held: approved, her money reserved.
_INSTRUCT = text(
    """
    WITH line AS MATERIALIZED (
        SELECT l.*, a.token, f.fund_code, COALESCE(x.version, 0) AS told,
               a.version IS DISTINCT FROM l.account_version OR a.status IS DISTINCT FROM 'active' AS changed,
               EXISTS (SELECT FROM hold h WHERE h.payment_id = COALESCE(l.part_of, l.payment_id) AND NOT h.released
                       AND (h.until IS NULL OR h.until >= :today))
               OR EXISTS (SELECT FROM hold h WHERE h.payment_id = l.payment_id AND NOT h.released
                          AND (h.until IS NULL OR h.until >= :today))
               OR EXISTS (SELECT FROM emergency_stop s WHERE s.scope = 'person' AND s.released_at IS NULL
                          AND s.target = CAST(l.beneficiary_id AS text)) AS held
        FROM payment_list_line l
        LEFT JOIN account a ON a.id = l.account_id
        LEFT JOIN payment_exclusion x ON x.payment_id = l.payment_id
        JOIN payment_list_fund f ON f.payment_list_id = l.payment_list_id
            AND l.payment_id > f.after_payment AND l.payment_id <= f.until_payment
        WHERE l.payment_list_id = :list AND l.status = 'ready' AND l.payment_id > :after AND l.payment_id <= :until
          AND (NOT :first OR l.priority > 0)
    ), paid AS (
        INSERT INTO payment (id, entitlement_id, cycle_id, payment_list_id, programme_code, period, beneficiary_id,
            beneficiary_reference, village_code, component, amount, currency, fund_code, status, attempt, version)
        SELECT l.payment_id, l.entitlement_id, :cycle, l.payment_list_id, :programme, :period, l.beneficiary_id,
               l.beneficiary_reference, l.village_code, l.component, l.amount, l.currency, l.fund_code,
               CASE WHEN l.held THEN 'approved' WHEN l.changed THEN 'failed' ELSE 'instructed' END,
               CASE WHEN l.held THEN 0 ELSE 1 END, l.told + 1
        FROM line l ORDER BY l.payment_id
        ON CONFLICT (id) DO UPDATE
            SET status = excluded.status, attempt = 1, version = payment.version + 1, updated_at = now()
            WHERE payment.status = 'approved' AND payment.payment_list_id = excluded.payment_list_id
              AND excluded.status <> 'approved'
        RETURNING id, status
    ), stopped AS (
        INSERT INTO unpaid_payment (payment_id, status, since)
        SELECT id, status, :today FROM paid WHERE status = 'failed' ON CONFLICT DO NOTHING
    ), deducted AS (
        INSERT INTO claim_deduction (claim_id, payment_id, amount, period)
        SELECT l.claim_id, l.payment_id, l.deduction, :period FROM paid p JOIN line l ON l.payment_id = p.id
        WHERE p.status <> 'approved' AND l.claim_id IS NOT NULL
        ON CONFLICT DO NOTHING
    )
    INSERT INTO payment_attempt (id, payment_id, attempt, rail, provider, account_id, account_version, end_to_end_id,
                                 account_token, state, amount, currency, outcome_on, reason_code, reason,
                                 outcome_source)
    SELECT n.attempt_id, n.id, 1, n.rail, n.provider, n.account_id, n.account_version,
           replace(CAST(n.attempt_id AS text), '-', ''), n.token, CASE WHEN n.stopped THEN 'failed' ELSE 'queued' END,
           n.amount, n.currency, CASE WHEN n.stopped THEN CAST(:today AS date) END,
           CASE WHEN n.stopped THEN 'account_changed' ELSE '' END,
           CASE WHEN n.stopped THEN 'The account was changed after the list was built.' ELSE '' END,
           CASE WHEN n.stopped THEN 'disbursement' ELSE '' END
    FROM (SELECT p.id, p.status = 'failed' AS stopped, l.rail, l.provider, l.account_id, l.account_version, l.token,
                 l.amount, l.currency, deterministic_uuid('attempt', CAST(p.id AS text), '1') AS attempt_id
          FROM paid p JOIN line l ON l.payment_id = p.id
          WHERE p.status <> 'approved') AS n
    ORDER BY n.attempt_id
    RETURNING id
    """
)
_MOVE = movements(
    """
    SELECT a.id AS subject_id, CASE WHEN a.state = 'failed' THEN 'stop' ELSE 'instruct' END AS kind, 0 AS number,
           CAST(:on AS date) AS effective_on, p.fund_code, p.programme_code, a.rail, '' AS party, a.amount, a.currency
    FROM payment_attempt a
    JOIN payment p ON p.id = a.payment_id
    WHERE a.id = ANY(CAST(:attempts AS uuid[]))
    """
)
_TOTALS = text(
    """
    SELECT count(*) AS count, COALESCE(sum(amount), 0) AS amount,
           count(*) FILTER (WHERE status = 'approved') AS on_hold,
           count(*) FILTER (WHERE status = 'failed' AND EXISTS (
               SELECT FROM payment_attempt a WHERE a.payment_id = payment.id AND a.attempt = payment.attempt
               AND a.reason_code = 'account_changed')) AS stopped
    FROM payment WHERE payment_list_id = :list
    """
)


async def chunk_end(
    session: AsyncSession, list_id: UUID, after: UUID, size: int, *, first: bool = False
) -> UUID | None:
    """The last payment id of the next chunk of ready lines (`first`: of those that go before the others), or None."""
    statement = _FIRST_CHUNK_END if first else _CHUNK_END
    last: UUID | None = await session.scalar(statement, {"list": list_id, "after": after, "size": size})
    return last


async def instruct_chunk(
    session: AsyncSession, row: Record, after: UUID, until: UUID, today: date, first: bool = False
) -> int:
    """Instruct the ready lines of payments in (after, until], once.

    A payment on hold, or of a stopped person, stays `approved`, its money reserved. One whose account changed since
    the list was built is not
    redirected: it fails at once with `account_changed`, no rail sees it, and its money returns to the fund. The rest
    get attempt 1, queued; their money is in transit from here on.

    Args:
        row: the payment list.
        first: only the lines that go before the others.

    Returns:
        How many attempts were made.
    """
    parameters = {
        "list": row.id,
        "cycle": row.cycle_id,
        "programme": row.programme_code,
        "period": row.period,
        "first": first,
        "after": after,
        "until": until,
        "today": today,
    }
    attempts = list((await session.scalars(_INSTRUCT, parameters)).all())
    if attempts:
        await post(session, _MOVE, {"attempts": attempts, "on": today})
        await book_deductions(session, row.id, after, until, today)
        await publish_instructed(session, attempts)
    return len(attempts)


async def queue_attempt(session: AsyncSession, attempt_id: UUID, today: date) -> None:
    """Book and publish one new queued attempt whose money is reserved (a re-issue)."""
    await post(session, _MOVE, {"attempts": [attempt_id], "on": today})
    await publish_instructed(session, [attempt_id])


async def instructed_totals(session: AsyncSession, list_id: UUID) -> Record:
    """count and amount of a list's payments; how many are on_hold, how many were stopped."""
    return (await session.execute(_TOTALS, {"list": list_id})).one()
