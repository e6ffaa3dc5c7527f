"""What instructing a chunk writes: payments, attempts, deductions, movements and events, in one statement.

Each row that is written feeds the next by what it returns: nothing is read again by its id, so that the plan depends
on no statistics of the tables that grow meanwhile.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import CTE, Integer, Numeric, Text, bindparam, case, func, insert, literal, select, text
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.sql.expression import Insert

from services.payments.instructions.event_ids import EVENT_SEED, OUTBOX_COLUMNS, event_id
from services.payments.instructions.model import AttemptState
from services.payments.instructions.outcome_statements import PAYMENT_FIELDS, document, shared_fields
from services.payments.ledger.repository import book, movements
from shared.contracts.payments import PAYMENTS, PaymentFailed, PaymentInstructed
from shared.outbox import outbox_table

_PAID: Final[dict[str, Any]] = {
    "id": UUID,
    "status": Text,
    "version": Integer,
    "fund_code": Text,
    "amount": Numeric(18, 2),
    **{name: UUID if name.endswith("_id") else Text for name in PAYMENT_FIELDS},
}
_ATTEMPTED: Final[dict[str, Any]] = {
    "id": UUID,
    "payment_id": UUID,
    "attempt": Integer,
    "rail": Text,
    "account_token": UUID,
    "agent_code": Text,
    "state": Text,
    "reason_code": Text,
    "reason": Text,
}

# A person who is stopped, or was found on a sanctions list since, waits like one whose payment is held: approved, her
# money reserved.
_LINE: Final = text(
    """
    SELECT l.*, a.token, f.fund_code, COALESCE(x.version, 0) AS told,
           a.version IS DISTINCT FROM l.account_version OR a.status IS DISTINCT FROM 'active' AS changed,
           l.payment_id = ANY(CAST(:overtaken AS uuid[])) AS overtaken,
           EXISTS (SELECT FROM hold h WHERE h.payment_id = COALESCE(l.part_of, l.payment_id) AND NOT h.released
                   AND (h.until IS NULL OR h.until >= :today))
           OR EXISTS (SELECT FROM hold h WHERE h.payment_id = l.payment_id AND NOT h.released
                      AND (h.until IS NULL OR h.until >= :today))
           OR EXISTS (SELECT FROM emergency_stop s WHERE s.scope = 'person' AND s.released_at IS NULL
                      AND s.target = CAST(l.beneficiary_id AS text))
           OR EXISTS (SELECT FROM sanction_hit s WHERE s.account_id = l.account_id AND s.in_force
                      AND s.status <> 'cleared') AS held
    FROM payment_list_line l
    LEFT JOIN account a ON a.id = l.account_id
    LEFT JOIN payment_exclusion x ON x.payment_id = l.payment_id
    JOIN payment_list_fund f ON f.payment_list_id = l.payment_list_id
        AND l.payment_id > f.after_payment AND l.payment_id <= f.until_payment
    WHERE l.payment_list_id = :list AND l.status = 'ready' AND l.payment_id > :after AND l.payment_id <= :until
      AND (NOT :first OR l.priority > 0)
    """
)
_PAY: Final = text(
    """
    INSERT INTO payment (id, entitlement_id, cycle_id, payment_list_id, programme_code, period, beneficiary_id,
        beneficiary_reference, village_code, component, amount, currency, fund_code, status, attempt, version)
    SELECT l.payment_id, l.entitlement_id, :cycle, l.payment_list_id, :programme, :period, l.beneficiary_id,
           l.beneficiary_reference, l.village_code, l.component, l.amount, l.currency, l.fund_code,
           CASE WHEN l.held THEN 'approved' WHEN l.changed OR l.overtaken THEN 'failed' ELSE 'instructed' END,
           CASE WHEN l.held THEN 0 ELSE 1 END, l.told + 1
    FROM line l ORDER BY l.payment_id
    ON CONFLICT (id) DO UPDATE
        SET status = excluded.status, attempt = 1, version = payment.version + 1, updated_at = now()
        WHERE payment.status = 'approved' AND payment.payment_list_id = excluded.payment_list_id
          AND excluded.status <> 'approved'
    RETURNING id, status, version, fund_code, amount, entitlement_id, cycle_id, programme_code, period, beneficiary_id,
              beneficiary_reference, village_code, component, currency
    """
)
_MARK_STOPPED: Final = text(
    """
    INSERT INTO unpaid_payment (payment_id, status, since)
    SELECT id, status, :today FROM paid WHERE status = 'failed' ON CONFLICT DO NOTHING
    """
)
_DEDUCT: Final = text(
    """
    INSERT INTO claim_deduction (claim_id, payment_id, amount, period)
    SELECT l.claim_id, l.payment_id, l.deduction, :period FROM paid p JOIN line l ON l.payment_id = p.id
    WHERE p.status <> 'approved' AND l.claim_id IS NOT NULL
    ON CONFLICT DO NOTHING
    """
)
_ATTEMPT: Final = text(
    """
    INSERT INTO payment_attempt (id, payment_id, attempt, rail, provider, account_id, account_version, end_to_end_id,
                                 account_token, state, amount, currency, outcome_on, reason_code, reason,
                                 outcome_source)
    SELECT n.attempt_id, n.id, 1, n.rail, n.provider, n.account_id, n.account_version,
           replace(CAST(n.attempt_id AS text), '-', ''), n.token, CASE WHEN n.stopped THEN 'failed' ELSE 'queued' END,
           n.amount, n.currency, CASE WHEN n.stopped THEN CAST(:today AS date) END,
           CASE WHEN n.overtaken THEN 'merged_identity' WHEN n.stopped THEN 'account_changed' ELSE '' END,
           CASE WHEN n.overtaken THEN 'Records of the beneficiary were merged or parted after the list was built.'
                WHEN n.stopped THEN 'The account was changed after the list was built.' ELSE '' END,
           CASE WHEN n.stopped THEN 'disbursement' ELSE '' END
    FROM (SELECT p.id, p.status = 'failed' AS stopped, l.overtaken, l.rail, l.provider, l.account_id, l.account_version,
                 l.token, l.amount, l.currency,
                 CAST(left(CAST(p.id AS text), 19) || '8' || substr(encode(sha256(convert_to(
                     'attempt|' || CAST(p.id AS text) || '|1', 'UTF8')), 'hex'), 1, 15) AS uuid) AS attempt_id
          FROM paid p JOIN line l ON l.payment_id = p.id
          WHERE p.status <> 'approved') AS n
    ORDER BY n.attempt_id
    RETURNING id, payment_id, attempt, rail, account_token, agent_code, state, reason_code, reason
    """
)
_MOVE: Final = movements(
    """
    SELECT a.id AS subject_id, CASE WHEN a.state = 'failed' THEN 'stop' ELSE 'instruct' END AS kind, 0 AS number,
           CAST(:today AS date) AS effective_on, p.fund_code, p.programme_code, a.rail, '' AS party, p.amount,
           p.currency
    FROM attempted a JOIN paid p ON p.id = a.payment_id
    """
)


def _statement() -> Insert:
    line = _LINE.columns(payment_id=UUID).cte("line").prefix_with("MATERIALIZED")
    paid = _PAY.columns(**_PAID).add_cte(line).cte("paid")
    attempted = _ATTEMPT.columns(**_ATTEMPTED).add_cte(paid).cte("attempted")
    stopped = _MARK_STOPPED.columns(payment_id=UUID).add_cte(paid).cte("stopped")
    deducted = _DEDUCT.columns(payment_id=UUID).add_cte(paid).cte("deducted")
    moved = _MOVE.add_cte(attempted).cte("told_movement")
    return _publish(paid, attempted).add_cte(stopped).add_cte(deducted).add_cte(book(moved, fresh=True).cte("booked"))


def _publish(paid: CTE, attempted: CTE) -> Insert:
    failed = attempted.c.state == AttemptState.FAILED.value
    common = ["version", paid.c.version, *shared_fields(paid, attempted)]
    of = (paid, attempted)
    told = document(*common, "reason_code", attempted.c.reason_code, "reason", attempted.c.reason, of=of)
    rows = (
        select(
            literal(PAYMENTS, Text),
            sql_cast(paid.c.id, Text),
            case((failed, PaymentFailed.TYPE), else_=PaymentInstructed.TYPE),
            case((failed, told), else_=document(*common, of=of)),
            bindparam("traceparent", type_=Text),
            event_id(func.row_number().over()),
        )
        .select_from(attempted)
        .join(paid, paid.c.id == attempted.c.payment_id)
        .join(EVENT_SEED, literal(True))
    )
    return insert(outbox_table).from_select(OUTBOX_COLUMNS, rows)


INSTRUCT: Final = _statement()
"""Instruct the ready lines of a chunk, once. Bind list, cycle, programme, period, first, after, until, today,
overtaken and traceparent. Its row count is that of the attempts made.
"""
