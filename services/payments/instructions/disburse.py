"""Turn the ready lines of an approved list into payments and first attempts: two statements for ten thousand."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.identities.list_repository import overtaken_payments
from services.payments.instructions.events import publish_instructed
from services.payments.instructions.instruct_statement import INSTRUCT
from services.payments.ledger.repository import movements, post
from services.payments.metadata import Record
from shared.telemetry import current_traceparent

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
               AND a.reason_code IN ('account_changed', 'merged_identity'))) AS stopped
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
    redirected: it fails at once with `account_changed`, no rail sees it, and its money returns to the fund; so does one
    that a merge of records overtook (`merged_identity`). The rest
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
        "traceparent": current_traceparent(),
        "overtaken": await overtaken_payments(session, row.id, after, until),
    }
    result = await session.execute(INSTRUCT, parameters)
    return int(result.rowcount)  # type: ignore[attr-defined]


async def queue_attempt(session: AsyncSession, attempt_id: UUID, today: date) -> None:
    """Book and publish one new queued attempt whose money is reserved (a re-issue)."""
    await post(session, _MOVE, {"attempts": [attempt_id], "on": today})
    await publish_instructed(session, [attempt_id])


async def instructed_totals(session: AsyncSession, list_id: UUID) -> Record:
    """count and amount of a list's payments; how many are on_hold, how many were stopped."""
    return (await session.execute(_TOTALS, {"list": list_id})).one()
