"""What merged records change on a payment list: whose account, whose claim, and which of two lines is paid.

`lists.line_repository` writes every line as if each id were a person of its own. The few lines of merged records are
then judged again here, in one statement a chunk; at disbursement those that a later merge or its undoing overtook are
named.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.lists.model import LineReason
from services.payments.metadata import Record

# The checks of an account are those of line_repository._BUILD, on the account of the group: the survivor's own before
# the others', purpose by purpose. Reasons that do not depend on it are kept.
_JUDGE: Final = text(
    """
    WITH mine AS MATERIALIZED (
        SELECT l.payment_id, l.beneficiary_id, l.component, l.currency, l.amount + l.deduction AS whole, l.reasons,
               p.programme_code, p.period, p.cycle_id, m.canonical_id
        FROM payment_list_line l
        JOIN payment_list p ON p.id = l.payment_list_id
        JOIN identity_member m ON m.id = l.beneficiary_id
        WHERE l.payment_list_id = :list AND l.payment_id > :after AND l.payment_id <= :until
          AND EXISTS (SELECT FROM identity_member)
    ), judged AS (
        SELECT n.payment_id, n.whole, a.id AS account_id, a.version, a.rail, a.provider, k.id AS claim_id,
            CASE WHEN k.id IS NULL THEN 0 ELSE GREATEST(0, LEAST(k.amount - k.recovered - k.waived,
                trunc(n.whole * k.monthly_cap_percent / 100, CASE WHEN n.currency IN ('KHR', 'VND') THEN 0 ELSE 2 END)
                - (SELECT COALESCE(sum(x.amount), 0) FROM claim_deduction x
                   WHERE x.claim_id = k.id AND x.period = n.period))) END AS deduction,
            ARRAY(SELECT told.reason FROM (
                SELECT r.reason FROM unnest(n.reasons) AS r(reason) WHERE r.reason <> ALL (CAST(:by_account AS text[]))
                UNION
                SELECT f.reason FROM unnest(ARRAY[
                    CASE WHEN EXISTS (SELECT FROM identity_member o JOIN death g ON g.person_id = o.id
                                      WHERE o.canonical_id = n.canonical_id AND NOT g.withdrawn) THEN 'deceased' END,
                    CASE WHEN EXISTS (SELECT FROM identity_member o JOIN emergency_stop s
                                        ON s.target = CAST(o.id AS text)
                                      WHERE o.canonical_id = n.canonical_id AND s.scope = 'person'
                                        AND s.released_at IS NULL) THEN 'stopped' END,
                    CASE WHEN EXISTS (SELECT FROM identity_member o JOIN payment q ON q.beneficiary_id = o.id
                                      WHERE o.canonical_id = n.canonical_id AND o.id <> n.beneficiary_id
                                        AND q.programme_code = n.programme_code AND q.period = n.period
                                        AND q.component = n.component) THEN 'already_paid' END,
                    CASE WHEN EXISTS (SELECT FROM identity_member o JOIN entitlement t ON t.beneficiary_id = o.id
                                      WHERE o.canonical_id = n.canonical_id AND o.id <> n.beneficiary_id
                                        AND t.cycle_id = n.cycle_id AND t.component = n.component
                                        AND t.revoked_cause IS NULL
                                        AND (t.beneficiary_id <> n.canonical_id, t.payment_id)
                                          < (n.beneficiary_id <> n.canonical_id, n.payment_id))
                         THEN 'merged_identity' END,
                    CASE WHEN EXISTS (SELECT FROM sanction_hit s WHERE s.account_id = a.id AND s.in_force
                                      AND s.status <> 'cleared') THEN 'sanctions' END,
                    CASE WHEN a.id IS NULL THEN 'no_account' END,
                    CASE WHEN a.usable_from > :now AND a.confirmed_by IS NULL THEN 'account_changed' END,
                    CASE WHEN a.validation IN ('mismatched', 'not_found') THEN 'account_invalid' END,
                    CASE WHEN a.number_hash IN (SELECT unnest(CAST(:shared AS bytea[]))) THEN 'duplicate_account' END
                    ]) AS f(reason) WHERE f.reason IS NOT NULL) AS told
                ORDER BY array_position(CAST(:order AS text[]), told.reason)) AS reasons
        FROM mine n
        LEFT JOIN LATERAL (
            SELECT c.* FROM identity_member o JOIN account c ON c.beneficiary_id = o.id
            WHERE o.canonical_id = n.canonical_id AND c.status = 'active' AND c.purpose IN (n.programme_code, 'any')
            ORDER BY c.purpose = 'any', c.beneficiary_id <> n.canonical_id, c.preference, c.id LIMIT 1) AS a ON true
        LEFT JOIN LATERAL (
            SELECT d.* FROM identity_member o JOIN claim d ON d.beneficiary_id = o.id
            WHERE o.canonical_id = n.canonical_id AND d.currency = n.currency AND d.status = 'open'
            ORDER BY d.id LIMIT 1) AS k ON true
    )
    UPDATE payment_list_line AS l
    SET account_id = j.account_id, account_version = j.version, rail = j.rail, provider = j.provider,
        reasons = j.reasons, status = CASE WHEN cardinality(j.reasons) = 0 THEN 'ready' ELSE 'excluded' END,
        amount = j.whole - CASE WHEN cardinality(j.reasons) = 0 THEN j.deduction ELSE 0 END,
        deduction = CASE WHEN cardinality(j.reasons) = 0 THEN j.deduction ELSE 0 END,
        claim_id = CASE WHEN cardinality(j.reasons) = 0 AND j.deduction > 0 THEN j.claim_id END
    FROM judged j WHERE l.payment_list_id = :list AND l.payment_id = j.payment_id
    """
)
_OVERTAKEN: Final = text(
    """
    WITH concerned AS MATERIALIZED (
        SELECT retired_id AS id FROM identity_alias UNION SELECT surviving_id FROM identity_alias
    )
    SELECT l.payment_id
    FROM concerned c
    JOIN payment_list_line l ON l.beneficiary_id = c.id
    JOIN payment_list p ON p.id = l.payment_list_id
    JOIN account a ON a.id = l.account_id
    LEFT JOIN identity_member m ON m.id = l.beneficiary_id
    WHERE l.payment_list_id = :list AND l.status = 'ready' AND l.payment_id > :after AND l.payment_id <= :until
      AND (
        (a.beneficiary_id <> l.beneficiary_id AND NOT EXISTS (
            SELECT FROM identity_member o WHERE o.id = a.beneficiary_id AND o.canonical_id = m.canonical_id))
        OR EXISTS (
            SELECT FROM identity_member o JOIN payment q ON q.beneficiary_id = o.id
            WHERE o.canonical_id = m.canonical_id AND o.id <> l.beneficiary_id AND q.programme_code = p.programme_code
              AND q.period = p.period AND q.component = l.component AND q.status <> 'approved'
              AND NOT (q.status = 'failed' AND EXISTS (
                  SELECT FROM payment_attempt t WHERE t.payment_id = q.id AND t.attempt = q.attempt
                    AND t.reason_code = 'merged_identity')))
        OR EXISTS (
            SELECT FROM identity_member o JOIN entitlement e ON e.beneficiary_id = o.id AND e.cycle_id = p.cycle_id
              AND e.component = l.component
            JOIN payment_list_line r ON r.payment_list_id = l.payment_list_id AND r.status = 'ready'
              AND (r.payment_id = e.payment_id OR r.part_of = e.payment_id)
            WHERE o.canonical_id = m.canonical_id AND o.id <> l.beneficiary_id
              AND (o.id <> m.canonical_id, o.id) < (l.beneficiary_id <> m.canonical_id, l.beneficiary_id)))
    ORDER BY l.payment_id
    """
)
_BY_ACCOUNT: Final = (
    LineReason.SANCTIONS,
    LineReason.NO_ACCOUNT,
    LineReason.ACCOUNT_CHANGED,
    LineReason.ACCOUNT_INVALID,
    LineReason.DUPLICATE_ACCOUNT,
)


async def judge_merged(
    session: AsyncSession, row: Record, after: UUID, until: UUID, *, shared: Sequence[bytes], now: datetime
) -> None:
    """Judge the lines of merged records in (after, until] again; every other line stays as it is.

    Of two records of one beneficiary with the same benefit in a cycle, the surviving one is paid and the other left out
    (`merged_identity`); if the other was paid before, none is (`already_paid`).

    Args:
        row: the payment list.
        shared: as in `lists.line_repository.build_lines`.
        now: decides whether an account's cooling-off is over.
    """
    await session.execute(
        _JUDGE,
        {
            "list": row.id,
            "after": after,
            "until": until,
            "shared": list(shared),
            "now": now,
            "by_account": [reason.value for reason in _BY_ACCOUNT],
            "order": [reason.value for reason in LineReason],
        },
    )


async def overtaken_payments(session: AsyncSession, list_id: UUID, after: UUID, until: UUID) -> list[UUID]:
    """Ready payments in (after, until] that must not go out as approved, for who is who has changed since.

    Their account belongs to somebody else again, or another record of the same beneficiary is paid the same benefit.
    """
    values = {"list": list_id, "after": after, "until": until}
    return list((await session.scalars(_OVERTAKEN, values)).all())
