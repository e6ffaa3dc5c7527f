"""All SQL of refunds on their way: the payment a refund goes out as, and what its outcome books."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.ledger.repository import movements, post

PROGRAMME: Final = "REFUND"
"""What refunds are called where a payment names its programme; an account may have it as its purpose."""
COMPONENT: Final = "refund"
# A refund is of no cycle and no list: its own id stands for both, so that a rail puts it into a batch of its own.
_PAY: Final = text(
    """
    INSERT INTO payment (id, entitlement_id, cycle_id, payment_list_id, programme_code, period, beneficiary_id,
        beneficiary_reference, village_code, component, amount, currency, fund_code, status, attempt)
    SELECT :payment, r.id, r.id, r.id, :programme, to_char(CAST(:on AS date), 'YYYY-MM'), r.employer_id,
           'RF-' || r.number, a.village_code, :component, r.amount, r.currency, r.fund_code, 'instructed', 1
    FROM contribution_receipt r JOIN account a ON a.id = :account WHERE r.id = :refund
    """
)
_ATTEMPT: Final = text(
    """
    INSERT INTO payment_attempt (id, payment_id, attempt, rail, provider, account_id, account_version, end_to_end_id,
        account_token, state, amount, currency)
    SELECT :attempt, p.id, 1, a.rail, a.provider, a.id, a.version,
           replace(CAST(CAST(:attempt AS uuid) AS text), '-', ''), a.token, 'queued', p.amount, p.currency
    FROM payment p JOIN account a ON a.id = :account WHERE p.id = :payment
    """
)
_RESERVE: Final = movements(
    """
    SELECT CAST(:refund AS uuid) AS subject_id, 'reserve' AS kind, 0 AS number, CAST(:on AS date) AS effective_on,
           p.fund_code, p.programme_code, '' AS rail, '' AS party, p.amount, p.currency
    FROM payment p WHERE p.id = :payment
    """
)
_CONCERNED: Final = text(
    """
    SELECT r.id FROM contribution_receipt r JOIN payment_attempt a ON a.payment_id = r.payment_id
    WHERE a.id = ANY(CAST(:attempts AS uuid[])) ORDER BY r.id FOR UPDATE OF r
    """
)
_CONCERNED_STAGED: Final = text(
    """
    SELECT r.id FROM contribution_receipt r JOIN payment_attempt a ON a.payment_id = r.payment_id
    JOIN outcome_step s ON s.attempt_id = a.id ORDER BY r.id FOR UPDATE OF r
    """
)
_MOVES: Final = movements(
    """
    SELECT r.id AS subject_id, CASE WHEN r.booked THEN 'unrefund' ELSE 'refund' END AS kind, r.times AS number,
           a.outcome_on AS effective_on, r.fund_code, p.programme_code, a.rail, CAST(r.employer_id AS text) AS party,
           r.amount, r.currency
    FROM contribution_receipt r JOIN payment p ON p.id = r.payment_id
    JOIN payment_attempt a ON a.payment_id = p.id AND a.attempt = p.attempt
    WHERE r.id = ANY(CAST(:refunds AS uuid[])) AND r.booked <> (p.status = 'settled')
    """
)
_FOLLOW: Final = text(
    """
    UPDATE contribution_receipt r SET booked = p.status = 'settled',
        times = r.times + CASE WHEN r.booked AND p.status <> 'settled' THEN 1 ELSE 0 END,
        status = CASE WHEN p.status = 'settled' THEN 'done' WHEN p.status = 'instructed' THEN 'sent' ELSE 'failed' END
    FROM payment p WHERE p.id = r.payment_id AND r.id = ANY(CAST(:refunds AS uuid[]))
    """
)
_SENT_AGAIN: Final = text(
    "UPDATE contribution_receipt SET status = 'sent' WHERE payment_id = :payment AND status <> 'cancelled' RETURNING id"
)


async def add_payment(
    session: AsyncSession, refund: UUID, payment: UUID, attempt: UUID, account: UUID, on: date
) -> None:
    """Make the payment of a refund and its first attempt, its money reserved; the caller books and publishes it."""
    values: dict[str, Any] = {"refund": refund, "payment": payment, "account": account, "on": on}
    await session.execute(_PAY, values | {"programme": PROGRAMME, "component": COMPONENT})
    await session.execute(_ATTEMPT, {"attempt": attempt, "payment": payment, "account": account})
    await post(session, _RESERVE, {"refund": refund, "payment": payment, "on": on})


async def follow_refunds(session: AsyncSession, attempts: Sequence[UUID] | None) -> None:
    """After outcomes of these attempts were written (None: of those in the table `outcome_step`).

    What settled is given back; what came back is the employer's again, in her favour but spoken for until it is issued
    again or given up.
    """
    found = _CONCERNED_STAGED if attempts is None else _CONCERNED
    refunds = list((await session.scalars(found, {} if attempts is None else {"attempts": list(attempts)})).all())
    if refunds:
        await post(session, _MOVES, {"refunds": refunds})
        await session.execute(_FOLLOW, {"refunds": refunds})


async def sent_again(session: AsyncSession, payment: UUID) -> bool:
    """A refund's payment is issued again: the refund is on its way once more. False: it was given up."""
    return (await session.execute(_SENT_AGAIN, {"payment": payment})).first() is not None
