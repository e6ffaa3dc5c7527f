"""All SQL of the self-check: each statement names what differs, one row a difference, in the same columns.

Columns: check (its code), subject (what it is about), expected, found (amounts or counts as numeric), currency,
detail. Nothing is
mended here: a difference is a matter for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.expression import TextClause

from services.payments.metadata import Record

_BALANCES: Final = text(
    """
    WITH leg AS (
        SELECT journal_id, debit_account_id AS account, sum(amount) AS debit, 0 AS credit FROM movement GROUP BY 1, 2
        UNION ALL
        SELECT journal_id, credit_account_id, 0, sum(amount) FROM movement GROUP BY 1, 2
    ), derived AS (
        SELECT journal_id, account, sum(debit) AS debit, sum(credit) AS credit FROM leg GROUP BY 1, 2
    )
    SELECT 'journal_balance' AS "check", concat_ws(':', COALESCE(d.account, b.ledger_account_id),
               COALESCE(d.journal_id, b.journal_id)) AS subject,
           COALESCE(d.debit - d.credit, 0) AS expected, COALESCE(b.debit - b.credit, 0) AS found, a.currency,
           'account:journal; the balance kept is not the sum of its movements' AS detail
    FROM derived d
    FULL JOIN journal_balance b ON b.journal_id = d.journal_id AND b.ledger_account_id = d.account
    LEFT JOIN ledger_account a ON a.id = COALESCE(d.account, b.ledger_account_id)
    WHERE (d.debit, d.credit) IS DISTINCT FROM (b.debit, b.credit)
    ORDER BY 2 LIMIT :most
    """
)
_DAYS: Final = text(
    """
    WITH derived AS (
        SELECT CAST(j.recorded_at AT TIME ZONE 'UTC' AS date) AS day, b.ledger_account_id, sum(b.debit) AS debit,
               sum(b.credit) AS credit
        FROM journal j JOIN journal_balance b ON b.journal_id = j.id
        WHERE CAST(j.recorded_at AT TIME ZONE 'UTC' AS date) <= (SELECT max(day) FROM ledger_closed_day)
        GROUP BY 1, 2
    )
    SELECT 'closed_day' AS "check", concat_ws(':', COALESCE(d.day, l.day),
               COALESCE(d.ledger_account_id, l.ledger_account_id)) AS subject,
           COALESCE(d.debit - d.credit, 0) AS expected, COALESCE(l.debit - l.credit, 0) AS found, a.currency,
           'day:account; a closed day is not the sum of its journals' AS detail
    FROM derived d
    FULL JOIN ledger_day l ON l.day = d.day AND l.ledger_account_id = d.ledger_account_id
    LEFT JOIN ledger_account a ON a.id = COALESCE(d.ledger_account_id, l.ledger_account_id)
    WHERE (d.debit, d.credit) IS DISTINCT FROM (l.debit, l.credit)
    ORDER BY 2 LIMIT :most
    """
)
_ATTEMPTS: Final = text(
    """
    WITH rule (state, kind) AS (VALUES
        ('queued', 'instruct'), ('sent', 'instruct'), ('unknown', 'instruct'), ('accepted', 'instruct'),
        ('settled', 'instruct'), ('settled', 'settle'), ('failed', 'instruct'), ('failed', 'fail'),
        ('expired', 'instruct'), ('expired', 'expire'), ('returned', 'instruct'), ('returned', 'settle'),
        ('returned', 'return'), ('returned', 'restore'), ('stopped', 'stop')
    ), wanted AS (
        SELECT a.id, r.kind, a.amount, a.currency
        FROM payment_attempt a
        JOIN rule r ON r.state = CASE WHEN a.state = 'failed' AND a.outcome_source = 'disbursement' THEN 'stopped'
                                      ELSE a.state END
        UNION ALL
        SELECT a.id, 'reserve', a.amount, a.currency FROM payment_attempt a WHERE a.attempt > 1
    ), booked AS (
        SELECT m.subject_id AS id, m.kind, m.amount, m.currency
        FROM movement m
        WHERE m.kind IN ('reserve', 'instruct', 'stop', 'settle', 'fail', 'expire', 'return', 'restore')
          AND EXISTS (SELECT FROM payment_attempt a WHERE a.id = m.subject_id)
    )
    SELECT 'attempt_ledger' AS "check", concat_ws(':', COALESCE(w.kind, b.kind), COALESCE(w.id, b.id)) AS subject,
           COALESCE(w.amount, 0) AS expected, COALESCE(b.amount, 0) AS found, COALESCE(w.currency, b.currency) AS
           currency,
           'movement:attempt; what its state says must be booked, against what is' AS detail
    FROM wanted w FULL JOIN booked b ON b.id = w.id AND b.kind = w.kind
    WHERE (w.amount, w.currency) IS DISTINCT FROM (b.amount, b.currency)
    ORDER BY 2 LIMIT :most
    """
)
_STRAY: Final = text(
    """
    SELECT 'stray_movement' AS "check", concat_ws(':', m.kind, m.subject_id) AS subject, 0 AS expected,
           m.amount AS found, m.currency, 'a payment movement about no attempt' AS detail
    FROM movement m
    WHERE m.kind IN ('instruct', 'stop', 'settle', 'fail', 'expire', 'return', 'restore')
      AND NOT EXISTS (SELECT FROM payment_attempt a WHERE a.id = m.subject_id)
    ORDER BY 2 LIMIT :most
    """
)
_PAYMENTS: Final = text(
    """
    SELECT 'payment_attempt' AS "check", CAST(p.id AS text) AS subject, p.amount AS expected,
           COALESCE(a.amount, 0) AS found, p.currency,
           concat('the payment is ', p.status, ', its attempt ', p.attempt, ' is ', COALESCE(a.state, 'missing')) AS
           detail
    FROM payment p LEFT JOIN payment_attempt a ON a.payment_id = p.id AND a.attempt = p.attempt
    WHERE p.status <> 'approved' AND (a.id IS NULL OR a.amount <> p.amount OR p.status <> CASE
        WHEN a.state IN ('queued', 'sent', 'unknown', 'accepted') THEN 'instructed' ELSE a.state END)
    ORDER BY 2 LIMIT :most
    """
)
_TWICE: Final = text(
    """
    SELECT 'paid_twice' AS "check", CAST(p.entitlement_id AS text) AS subject, max(e.amount) AS expected,
           sum(a.amount) AS found, max(a.currency) AS currency, 'entitlement; more is paid or on its way than owed'
           AS detail
    FROM payment p
    JOIN payment_attempt a ON a.payment_id = p.id
        AND a.state IN ('queued', 'sent', 'unknown', 'accepted', 'settled')
    JOIN entitlement e ON e.id = p.entitlement_id
    GROUP BY p.entitlement_id HAVING sum(a.amount) > max(e.amount)
    ORDER BY 2 LIMIT :most
    """
)
_LISTS: Final = text(
    """
    WITH made AS (
        SELECT payment_list_id, sum(amount) AS amount FROM payment GROUP BY payment_list_id
    )
    SELECT 'list_payments' AS "check", CAST(l.id AS text) AS subject, l.ready_amount AS expected,
           COALESCE(m.amount, 0) AS found, l.currency, 'list; its payments are not what was approved' AS detail
    FROM payment_list l LEFT JOIN made m ON m.payment_list_id = l.id
    WHERE l.status IN ('disbursed', 'partly_disbursed') AND l.ready_amount <> COALESCE(m.amount, 0)
    ORDER BY 2 LIMIT :most
    """
)
_RESERVED: Final = text(
    """
    WITH promised AS (
        SELECT f.fund_code, l.programme_code, sum(f.amount) AS amount
        FROM payment_list_fund f JOIN payment_list l ON l.id = f.payment_list_id GROUP BY 1, 2
    ), used AS (
        SELECT p.fund_code, p.programme_code, sum(p.amount) AS amount
        FROM payment p WHERE p.status <> 'approved'
          AND EXISTS (SELECT FROM payment_list_fund f WHERE f.payment_list_id = p.payment_list_id) GROUP BY 1, 2
    ), booked AS (
        SELECT a.fund_code, a.programme_code, a.currency, sum(b.debit - b.credit) AS amount
        FROM ledger_account a JOIN journal_balance b ON b.ledger_account_id = a.id
        WHERE a.type = 'reserved' GROUP BY 1, 2, 3
    )
    SELECT 'reserved' AS "check", concat_ws(':', COALESCE(p.fund_code, b.fund_code),
               COALESCE(p.programme_code, b.programme_code)) AS subject,
           COALESCE(p.amount, 0) - COALESCE(u.amount, 0) AS expected, COALESCE(b.amount, 0) AS found, b.currency,
           'fund:programme; what approved lists still hold, against the account' AS detail
    FROM promised p
    FULL JOIN booked b ON b.fund_code = p.fund_code AND b.programme_code = p.programme_code
    LEFT JOIN used u ON u.fund_code = COALESCE(p.fund_code, b.fund_code)
        AND u.programme_code = COALESCE(p.programme_code, b.programme_code)
    WHERE COALESCE(p.amount, 0) - COALESCE(u.amount, 0) <> COALESCE(b.amount, 0)
    ORDER BY 2 LIMIT :most
    """
)
_FUNDS: Final = text(
    """
    WITH booked AS (
        SELECT a.fund_code, sum(b.credit - b.debit) AS amount
        FROM ledger_account a JOIN journal_balance b ON b.ledger_account_id = a.id
        WHERE a.type = 'allotment' GROUP BY 1
    )
    SELECT 'allotment' AS "check", f.code AS subject, f.allotment AS expected, COALESCE(b.amount, 0) AS found,
    f.currency,
           'fund; what it was allotted, against the account' AS detail
    FROM fund f LEFT JOIN booked b ON b.fund_code = f.code
    WHERE f.allotment <> COALESCE(b.amount, 0) ORDER BY 2 LIMIT :most
    """
)
_ENTRIES: Final = text(
    """
    SELECT 'fund_entry' AS "check", CAST(e.id AS text) AS subject, e.amount AS expected, COALESCE(m.amount, 0) AS found,
           f.currency, concat(e.kind, ' of ', e.fund_code) AS detail
    FROM fund_entry e JOIN fund f ON f.code = e.fund_code
    LEFT JOIN movement m ON m.subject_id = e.id AND m.kind = e.kind
    WHERE e.amount IS DISTINCT FROM m.amount ORDER BY 2 LIMIT :most
    """
)
_CLAIMS: Final = text(
    """
    WITH booked AS (
        SELECT a.fund_code, a.currency, sum(b.debit - b.credit) AS amount
        FROM ledger_account a JOIN journal_balance b ON b.ledger_account_id = a.id WHERE a.type = 'claims' GROUP BY 1, 2
    ), open AS (
        SELECT fund_code, currency, sum(amount - recovered - waived) AS amount
        FROM claim WHERE status <> 'proposed' GROUP BY 1, 2
    )
    SELECT 'claims' AS "check", COALESCE(o.fund_code, b.fund_code) AS subject, COALESCE(o.amount, 0) AS expected,
           COALESCE(b.amount, 0) AS found, COALESCE(o.currency, b.currency) AS currency,
           'fund; what is outstanding of its claims, against the account' AS detail
    FROM open o FULL JOIN booked b ON b.fund_code = o.fund_code AND b.currency = o.currency
    WHERE COALESCE(o.amount, 0) <> COALESCE(b.amount, 0) ORDER BY 2 LIMIT :most
    """
)
_STATEMENTS: Final = text(
    """
    SELECT 'statement_line' AS "check", concat_ws('#', l.file_id, l.number) AS subject, a.amount AS expected,
           l.amount AS found, a.currency, concat('matched as ', l.kind, '; attempt ', a.id, ' is ', a.state) AS detail
    FROM statement_line l JOIN payment_attempt a ON a.id = l.attempt_id
    WHERE l.verdict = 'matched' AND ((l.amount IS NOT NULL AND l.amount <> a.amount)
        OR (l.kind = 'settled' AND a.state NOT IN ('settled', 'returned'))
        OR (l.kind = 'returned' AND a.state <> 'returned')
        OR (l.kind = 'failed' AND a.state <> 'failed'))
    ORDER BY 2 LIMIT :most
    """
)
_OUTCOMES: Final = text(
    """
    SELECT 'unwitnessed' AS "check", CAST(a.id AS text) AS subject, a.amount AS expected, 0 AS found, a.currency,
           concat('the attempt is ', a.state, ', and no rail is on record as having said so') AS detail
    FROM payment_attempt a
    WHERE a.state IN ('settled', 'returned', 'failed', 'expired') AND a.outcome_source <> 'disbursement'
      AND NOT EXISTS (SELECT FROM payment_outcome o WHERE o.attempt_id = a.id AND o.kind = a.state)
    ORDER BY 2 LIMIT :most
    """
)
_EVENTS: Final = text(
    """
    WITH wanted AS (
        SELECT concat('samaki.payments.payment.', kind, '.v1') AS type, count(*) AS n
        FROM payment_outcome WHERE kind <> 'accepted' GROUP BY kind
        UNION ALL
        SELECT CASE WHEN outcome_source = 'disbursement' THEN 'samaki.payments.payment.failed.v1'
                    ELSE 'samaki.payments.payment.instructed.v1' END, count(*) FROM payment_attempt GROUP BY 1
    ), said AS (
        SELECT type, sum(count) AS n FROM outbox_published WHERE topic = 'payments.payments' GROUP BY type
        UNION ALL
        SELECT type, count(*) FROM outbox WHERE topic = 'payments.payments' GROUP BY type
    ), w AS (SELECT type, sum(n) AS n FROM wanted GROUP BY type), s AS (SELECT type, sum(n) AS n FROM said GROUP BY
    type)
    SELECT 'events' AS "check", COALESCE(w.type, s.type) AS subject, COALESCE(w.n, 0) AS expected,
           COALESCE(s.n, 0) AS found, '' AS currency, 'events published or waiting, against what happened' AS detail
    FROM w FULL JOIN s ON s.type = w.type
    WHERE COALESCE(w.n, 0) <> COALESCE(s.n, 0) AND COALESCE(w.type, s.type) NOT LIKE '%.excluded.%'
    ORDER BY 2 LIMIT :most
    """
)
_SUSPENSE: Final = text(
    """
    WITH held AS (
        SELECT fund_code, offered_currency AS currency, sum(suspended) AS amount
        FROM reconciliation_break WHERE status <> 'resolved' AND suspended <> 0 GROUP BY 1, 2
    ), booked AS (
        SELECT a.fund_code, a.currency, sum(b.debit - b.credit) AS amount
        FROM ledger_account a JOIN journal_balance b ON b.ledger_account_id = a.id
        WHERE a.type = 'suspense' GROUP BY 1, 2
    )
    SELECT 'suspense' AS "check", COALESCE(h.fund_code, b.fund_code) AS subject, COALESCE(h.amount, 0) AS expected,
           COALESCE(b.amount, 0) AS found, COALESCE(h.currency, b.currency) AS currency,
           'fund; what its unresolved breaks hold, against the account' AS detail
    FROM held h FULL JOIN booked b ON b.fund_code = h.fund_code AND b.currency = h.currency
    WHERE COALESCE(h.amount, 0) <> COALESCE(b.amount, 0) ORDER BY 2 LIMIT :most
    """
)
CHECKS: Final[tuple[tuple[str, TextClause], ...]] = (
    ("ledger: balances kept are the sums of movements", _BALANCES),
    ("ledger: closed days are the sums of their journals", _DAYS),
    ("ledger: every attempt is booked as its state says", _ATTEMPTS),
    ("ledger: every payment movement has its attempt", _STRAY),
    ("instructions: every payment is as its attempt", _PAYMENTS),
    ("instructions: no entitlement is paid twice", _TWICE),
    ("lists: payments are what was approved", _LISTS),
    ("lists: what is reserved is what approved lists hold", _RESERVED),
    ("funds: allotments are booked", _FUNDS),
    ("funds: every allotment, release and exchange is booked", _ENTRIES),
    ("recoveries: claims outstanding are booked", _CLAIMS),
    ("statements: every matched line agrees with its attempt", _STATEMENTS),
    ("statements: suspense is what unresolved breaks hold", _SUSPENSE),
    ("statements: every outcome was told by a rail", _OUTCOMES),
    ("events: as many were published as happened", _EVENTS),
)
_SAVE: Final = text(
    """
    INSERT INTO self_check (asked_by, differences, report)
    VALUES (:by, :differences, CAST(:report AS jsonb)) RETURNING id
    """
)
_CLOSE_DAYS: Final = text(
    """
    WITH day AS MATERIALIZED (
        SELECT CAST(:through AS date) AS through,
               COALESCE((SELECT max(c.day) FROM ledger_closed_day c), CAST('0001-01-01' AS date)) AS closed
    ), summed AS (
        INSERT INTO ledger_day (day, ledger_account_id, debit, credit, movements)
        SELECT CAST(j.recorded_at AT TIME ZONE 'UTC' AS date), b.ledger_account_id, sum(b.debit), sum(b.credit),
               sum(b.movements)
        FROM day d
        JOIN journal j ON CAST(j.recorded_at AT TIME ZONE 'UTC' AS date) > d.closed
            AND CAST(j.recorded_at AT TIME ZONE 'UTC' AS date) <= d.through
        JOIN journal_balance b ON b.journal_id = j.id
        GROUP BY 1, 2
    )
    INSERT INTO ledger_closed_day (day) SELECT through FROM day WHERE through > closed
    """
)


async def differences_of(session: AsyncSession, check: TextClause, most: int) -> Sequence[Record]:
    """What one check finds, at most `most` rows."""
    return (await session.execute(check, {"most": most})).all()


async def save_report(session: AsyncSession, by: str, differences: int, report: str) -> None:
    """Keep a report."""
    await session.execute(_SAVE, {"by": by, "differences": differences, "report": report})


async def close_days(session: AsyncSession, through: object) -> None:
    """Sum the days up to `through` (a date) that are not closed yet; nothing is recorded on them any more."""
    await session.execute(_CLOSE_DAYS, {"through": through})
