"""All SQL on what is known of payments. Set-wise: batches of thousands, a handful of statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.payments_view.model import PaymentStep, PaymentView
from shared.service import Context

HISTORY_LIMIT = 100

_RECORD: Final = text(
    # One statement, so that the rows travel and are taken apart once. Sorted, so that two consumers cannot deadlock.
    # Answers only for payments of which something was told before: mostly none.
    """
    WITH incoming AS MATERIALIZED (
      SELECT * FROM json_populate_recordset(CAST(NULL AS payment_view), CAST(:rows AS json))
    ), told AS (
      INSERT INTO payment_step (payment_id, version, status, attempt, rail, reason_code, reason, told_at)
      SELECT payment_id, version, status, attempt, rail, reason_code, reason, told_at FROM incoming
      ON CONFLICT DO NOTHING
    ), newest AS MATERIALIZED (
      SELECT DISTINCT ON (payment_id) * FROM incoming ORDER BY payment_id, version DESC
    ), kept AS (
      INSERT INTO payment_view AS v (payment_id, version, status, attempt, programme_code, period, beneficiary_id,
        village_code, component, amount, currency, rail, reason_code, reason, told_at, account_token, agent_code)
      SELECT payment_id, version, status, attempt, programme_code, period, beneficiary_id,
        village_code, component, amount, currency, rail, reason_code, reason, told_at, account_token, agent_code
      FROM newest
      ON CONFLICT (payment_id) DO UPDATE SET version = excluded.version, status = excluded.status,
        attempt = excluded.attempt, programme_code = excluded.programme_code, period = excluded.period,
        beneficiary_id = excluded.beneficiary_id, village_code = excluded.village_code,
        component = excluded.component, amount = excluded.amount, currency = excluded.currency, rail = excluded.rail,
        reason_code = excluded.reason_code, reason = excluded.reason, told_at = excluded.told_at,
        account_token = excluded.account_token, agent_code = excluded.agent_code
      WHERE v.version < excluded.version
      RETURNING v.payment_id, old.version AS before
    )
    SELECT n.payment_id, CASE WHEN k.payment_id IS NULL THEN n.version ELSE k.before END AS known
    FROM newest n LEFT JOIN kept k ON k.payment_id = n.payment_id
    WHERE k.payment_id IS NULL OR k.before IS NOT NULL
    """
)


async def record_states(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> dict[UUID, int]:
    """Keep every told state, and the newest as the present one.

    Args:
        rows: one mapping per event with the columns of `payment_view`.

    Returns:
        Of the payments of which something was told before: the version up to which these rows are no news.
    """
    known = await session.execute(_RECORD, {"rows": orjson.dumps(list(rows), default=str).decode()})
    return {row.payment_id: row.known for row in known}


async def find(session: AsyncSession, payment_id: UUID) -> PaymentView | None:
    """The present state of a payment; None when nothing was told of it yet."""
    return await session.get(PaymentView, payment_id)


async def village_of(session: AsyncSession, payment_id: UUID) -> str | None:
    """Where a payment belongs; None when nothing was told of it yet."""
    return await session.scalar(select(PaymentView.village_code).where(PaymentView.payment_id == payment_id))


async def steps(session: AsyncSession, payment_id: UUID) -> Sequence[PaymentStep]:
    """The latest states of a payment, oldest first."""
    latest = (
        select(PaymentStep)
        .where(PaymentStep.payment_id == payment_id)
        .order_by(PaymentStep.version.desc())
        .limit(HISTORY_LIMIT)
    )
    return list(reversed((await session.scalars(latest)).all()))


async def forget(_context: Context, session: AsyncSession) -> None:
    """Empty the projection, before a replay of the whole topic builds it anew."""
    await session.execute(delete(PaymentStep))
    await session.execute(delete(PaymentView))
