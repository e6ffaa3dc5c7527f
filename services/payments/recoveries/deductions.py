"""What is kept back of benefits for a claim: never more than is outstanding, and counted when the payment settles.

    list built      the line is smaller by the deduction, the claim's money is spoken for
    disbursed       a `claim_deduction`, not booked: the payment may still fail
    settled         booked: the benefit counts as paid in full, the claim is smaller
    returned        un-booked: the claim is as it was; the payment may be issued again, and then it counts again

A claim that is whole again after it was closed is `open`, or `queued` while the beneficiary has another.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.ledger.repository import movements, post

# Spoken for: lines of lists that may still be paid, and deductions of payments that have not settled.
_CAP: Final = text(
    """
    WITH touched AS MATERIALIZED (
        SELECT DISTINCT claim_id FROM payment_list_line
        WHERE payment_list_id = :list AND payment_id > :after AND payment_id <= :until AND claim_id IS NOT NULL
    ), free AS (
        SELECT k.id, k.monthly_cap_percent, k.amount - k.recovered - k.waived - COALESCE((
            SELECT sum(l.deduction) FROM payment_list_line l JOIN payment_list p ON p.id = l.payment_list_id
            LEFT JOIN claim_deduction d ON d.payment_id = l.payment_id
            WHERE l.claim_id = k.id AND l.status = 'ready' AND p.status NOT IN ('rejected', 'refused')
              AND NOT COALESCE(d.booked, false)
              AND NOT (l.payment_list_id = :list AND l.payment_id > :after AND l.payment_id <= :until)), 0) AS amount
        FROM touched t JOIN claim k ON k.id = t.claim_id
    ), kept AS (
        SELECT l.payment_id, GREATEST(0, LEAST(l.deduction, f.amount - COALESCE(sum(l.deduction) OVER (
            PARTITION BY l.claim_id ORDER BY l.payment_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
            )) AS amount
        FROM payment_list_line l JOIN free f ON f.id = l.claim_id
        WHERE l.payment_list_id = :list AND l.payment_id > :after AND l.payment_id <= :until
    )
    UPDATE payment_list_line AS l
    SET amount = l.amount + l.deduction - k.amount, deduction = k.amount,
        claim_id = CASE WHEN k.amount > 0 THEN l.claim_id END
    FROM kept k WHERE l.payment_list_id = :list AND l.payment_id = k.payment_id AND k.amount <> l.deduction
    """
)
_CONCERNED: Final = text(
    """
    SELECT DISTINCT a.payment_id FROM payment_attempt a JOIN claim_deduction d ON d.payment_id = a.payment_id
    WHERE a.id = ANY(CAST(:attempts AS uuid[])) ORDER BY a.payment_id
    """
)
_CONCERNED_STAGED: Final = text(
    """
    SELECT DISTINCT a.payment_id FROM outcome_step s JOIN payment_attempt a ON a.id = s.attempt_id
    JOIN claim_deduction d ON d.payment_id = a.payment_id ORDER BY a.payment_id
    """
)
_LOCK: Final = text(
    """
    SELECT k.id FROM claim k
    WHERE k.id IN (SELECT d.claim_id FROM claim_deduction d WHERE d.payment_id = ANY(CAST(:payments AS uuid[])))
    ORDER BY k.id FOR UPDATE
    """
)
_MOVES: Final = movements(
    """
    SELECT d.payment_id AS subject_id, CASE WHEN d.booked THEN 'undeduct' ELSE 'deduct' END AS kind,
           d.times AS number, a.outcome_on AS effective_on, k.fund_code, k.programme_code, k.rail, '' AS party,
           d.amount, k.currency
    FROM claim_deduction d
    JOIN claim k ON k.id = d.claim_id
    JOIN payment p ON p.id = d.payment_id
    JOIN payment_attempt a ON a.payment_id = p.id AND a.attempt = p.attempt
    WHERE d.payment_id = ANY(CAST(:payments AS uuid[])) AND d.booked <> (p.status = 'settled')
    """
)
_FOLLOW: Final = text(
    """
    WITH turned AS (
        UPDATE claim_deduction d SET booked = NOT d.booked, times = d.times + CASE WHEN d.booked THEN 1 ELSE 0 END
        FROM payment p
        WHERE p.id = d.payment_id AND d.payment_id = ANY(CAST(:payments AS uuid[]))
          AND d.booked <> (p.status = 'settled')
        RETURNING d.claim_id, CASE WHEN d.booked THEN d.amount ELSE -d.amount END AS amount
    )
    UPDATE claim k SET recovered = k.recovered + s.amount, version = k.version + 1,
        status = CASE WHEN k.status IN ('open', 'queued') AND k.recovered + k.waived + s.amount >= k.amount
                      THEN 'closed'
                      WHEN k.status = 'closed' AND k.recovered + k.waived + s.amount < k.amount THEN 'queued'
                      ELSE k.status END
    FROM (SELECT claim_id, sum(amount) AS amount FROM turned GROUP BY claim_id) AS s WHERE k.id = s.claim_id
    """
)
_OPEN_NEXT: Final = text(
    """
    UPDATE claim k SET status = 'open', version = k.version + 1
    WHERE k.id IN (SELECT DISTINCT ON (q.beneficiary_id, q.currency) q.id FROM claim q
                   WHERE q.status = 'queued' ORDER BY q.beneficiary_id, q.currency, q.id)
      AND NOT EXISTS (SELECT FROM claim o WHERE o.beneficiary_id = k.beneficiary_id AND o.currency = k.currency
                      AND o.status IN ('proposed', 'open'))
    """
)
_SPOKEN_FOR: Final = text(
    """
    SELECT COALESCE(sum(l.deduction), 0)
    FROM payment_list_line l JOIN payment_list p ON p.id = l.payment_list_id
    LEFT JOIN claim_deduction d ON d.payment_id = l.payment_id
    WHERE l.claim_id = :claim AND l.status = 'ready' AND p.status NOT IN ('rejected', 'refused')
      AND NOT COALESCE(d.booked, false)
    """
)


async def cap_deductions(session: AsyncSession, list_id: UUID, after: UUID, until: UUID) -> None:
    """Of the lines of payments in (after, until]: all that is kept back for a claim is at most what it has left.

    Several components, months or programmes may pay towards one claim; each line was written on its own.
    """
    await session.execute(_CAP, {"list": list_id, "after": after, "until": until})


async def spoken_for(session: AsyncSession, claim_id: UUID) -> Decimal:
    """How much of a claim is kept back of payments that may still settle: not to be paid back or waived as well."""
    return Decimal(await session.scalar(_SPOKEN_FOR, {"claim": claim_id}) or 0)


async def follow_outcomes(session: AsyncSession, attempts: Sequence[UUID]) -> None:
    """After outcomes were written: book what was kept back of payments that settled, un-book what came back."""
    await _follow(session, list((await session.scalars(_CONCERNED, {"attempts": list(attempts)})).all()))


async def follow_staged_outcomes(session: AsyncSession) -> None:
    """The same for the temporary table `outcome_step`, before it is emptied."""
    await _follow(session, list((await session.scalars(_CONCERNED_STAGED)).all()))


async def open_next_claims(session: AsyncSession) -> None:
    """Open the oldest queued claim of each beneficiary who has none under way."""
    await session.execute(_OPEN_NEXT)


async def _follow(session: AsyncSession, payments: list[UUID]) -> None:
    if not payments:
        return
    await session.execute(_LOCK, {"payments": payments})
    if await post(session, _MOVES, {"payments": payments}):
        await session.execute(_FOLLOW, {"payments": payments})
        await open_next_claims(session)
