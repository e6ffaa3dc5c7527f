"""All SQL that puts queued attempts into batches. Set-wise: ten thousand cost as many statements as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_FORM = text(
    """
    WITH queued AS MATERIALIZED (
        SELECT a.id, CASE WHEN :one_provider THEN a.provider ELSE '' END AS destination, a.currency, a.amount,
            p.payment_list_id, l.per_batch
        FROM payment_attempt a
        JOIN payment p ON p.id = a.payment_id
        LEFT JOIN unnest(CAST(:currencies AS text[]), CAST(:per_batch AS numeric[])) AS l(currency, per_batch)
            ON l.currency = a.currency
        WHERE a.state = 'queued' AND a.batch_id IS NULL AND a.rail = :rail
          AND NOT a.id = ANY(CAST(:besides AS uuid[]))
        ORDER BY a.provider, a.id
        LIMIT :most
        FOR UPDATE OF a SKIP LOCKED
    ), running AS (
        SELECT q.*, row_number() OVER w AS place, sum(amount) OVER w - amount AS before,
            max(amount) OVER (PARTITION BY destination, payment_list_id, currency) AS largest
        FROM queued q
        WINDOW w AS (PARTITION BY destination, payment_list_id, currency ORDER BY id)
    ), numbered AS (
        -- Cut by count, and by amount: payments that begin within one stretch of (ceiling - largest) sum to at most the
        -- ceiling.
        SELECT r.*, (place - 1) / CAST(:size AS int) AS chunk,
            CASE WHEN per_batch IS NULL THEN 0 ELSE floor(before / GREATEST(per_batch - largest, 0.01)) END AS stretch
        FROM running r
    ), grouped AS MATERIALIZED (
        SELECT uuidv7() AS batch_id, destination, payment_list_id, currency, chunk, stretch,
            count(*) AS count, sum(amount) AS amount
        FROM numbered GROUP BY destination, payment_list_id, currency, chunk, stretch
    ), formed AS (
        INSERT INTO batch (id, rail, provider, payment_list_id, message_id, count, amount, currency, execution_on,
            next_at, created_at)
        SELECT batch_id, :rail, destination, payment_list_id, 'SMK' || replace(CAST(batch_id AS text), '-', ''),
            count, amount, currency, :day, :now, :now
        FROM grouped
    )
    UPDATE payment_attempt a SET batch_id = g.batch_id, updated_at = :now
    FROM numbered n
    JOIN grouped g USING (destination, payment_list_id, currency, chunk, stretch)
    WHERE a.id = n.id
    """
)
_TOO_LARGE = text(
    """
    SELECT a.id FROM payment_attempt a
    JOIN unnest(CAST(:currencies AS text[]), CAST(:ceilings AS numeric[])) AS l(currency, ceiling)
        ON l.currency = a.currency AND a.amount > l.ceiling
    WHERE a.state = 'queued' AND a.batch_id IS NULL AND a.rail = :rail
    ORDER BY a.id LIMIT :most
    """
)
_QUEUED_IDS = text(
    """
    SELECT id FROM payment_attempt
    WHERE state = 'queued' AND batch_id IS NULL AND rail = :rail ORDER BY provider, id LIMIT :most
    """
)


async def form(
    session: AsyncSession,
    rail: str,
    *,
    one_provider: bool,
    size: int,
    ceilings: Mapping[str, Decimal],
    besides: Sequence[UUID],
    now: datetime,
    day: date,
    most: int,
) -> int:
    """Put a rail's queued attempts into batches: by list and currency, and by provider where a batch goes to one.

    Arguments:
        size: most payments in a batch.
        ceilings: most money in a batch, by currency; at least the largest payment's amount.
        besides: attempts that stay queued.
        day: when the rail shall execute.

    Returns:
        How many attempts were placed (at most `most`).
    """
    values = {
        "rail": rail,
        "one_provider": one_provider,
        "size": size,
        "currencies": list(ceilings),
        "per_batch": list(ceilings.values()),
        "besides": list(besides),
        "now": now,
        "day": day,
        "most": most,
    }
    return int((await session.execute(_FORM, values)).rowcount)  # type: ignore[attr-defined]


async def too_large(session: AsyncSession, rail: str, ceilings: Mapping[str, Decimal], most: int) -> list[UUID]:
    """Queued attempts above what the rail carries in one payment."""
    values = {"rail": rail, "currencies": list(ceilings), "ceilings": list(ceilings.values()), "most": most}
    return list((await session.execute(_TOO_LARGE, values)).scalars())


async def queued_ids(session: AsyncSession, rail: str, most: int) -> list[UUID]:
    """Queued attempts in the order in which `form` takes them."""
    return list((await session.execute(_QUEUED_IDS, {"rail": rail, "most": most})).scalars())
