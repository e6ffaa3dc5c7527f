"""All SQL of vouchers, set-wise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.metadata import Record

_ADD = text(
    """
    INSERT INTO voucher (serial, source_code, order_id, line, batch_id, group_code, secret_hash, amount, currency,
        state, created_at)
    SELECT s.serial, l.source_code, l.order_id, l.line, :batch_id, s.group_code, s.secret_hash, l.amount, l.currency,
           'preactivated', :now
    FROM unnest(CAST(:lines AS integer[]), CAST(:serials AS text[]), CAST(:groups AS text[]), CAST(:hashes AS bytea[]))
         AS s(line, serial, group_code, secret_hash)
    JOIN external_order_line l ON l.order_id = :order_id AND l.line = s.line
    WHERE l.amount IS NOT NULL
    """
)
_LINK = text(
    """
    UPDATE voucher v SET payment_id = l.payment_id,
        state = CASE WHEN l.payment_id IS NULL THEN 'cancelled' ELSE v.state END
    FROM external_order_line l WHERE v.order_id = :order_id AND l.order_id = v.order_id AND l.line = v.line
    """
)
_FIND = text(
    """
    SELECT v.*, c.attempt_id, c.state AS collection_state, c.tries AS collection_tries, a.batch_id AS rail_batch_id,
           p.status AS payment_status
    FROM voucher v
    LEFT JOIN payment p ON p.id = v.payment_id
    LEFT JOIN payment_attempt a ON a.payment_id = p.id AND a.attempt = p.attempt
    LEFT JOIN cash_collection c ON c.attempt_id = a.id
    WHERE v.source_code = :source AND v.serial = ANY(CAST(:serials AS text[]))
      AND (CAST(:batch_id AS text) IS NULL OR v.batch_id = :batch_id)
    """
)
_LOCK = text(
    """
    SELECT serial FROM voucher WHERE source_code = :source AND serial = ANY(CAST(:serials AS text[]))
    ORDER BY serial FOR UPDATE
    """
)
_ACTIVATE = text(
    "UPDATE voucher SET state = 'activated', activated_at = :now WHERE serial = ANY(CAST(:serials AS text[]))"
)
_CANCEL = text(
    "UPDATE voucher SET state = 'cancelled', cancelled_at = :now WHERE serial = ANY(CAST(:serials AS text[]))"
)
_REVOKE = text(
    """
    UPDATE entitlement e SET revoked_cause = 'voucher_cancelled', version = e.version + 1
    FROM voucher v
    WHERE v.serial = ANY(CAST(:serials AS text[])) AND e.payment_id = v.payment_id AND e.revoked_cause IS NULL
    """
)
_VALUE = text("SELECT serial, amount, currency FROM voucher WHERE serial = :serial")


async def add(session: AsyncSession, values: dict[str, Any]) -> None:
    """Store the vouchers of an order's good lines. Arrays in parallel."""
    await session.execute(_ADD, values)


async def link_payments(session: AsyncSession, order_id: UUID) -> None:
    """Bind vouchers to the payments their lines became; those of refused lines are void."""
    await session.execute(_LINK, {"order_id": order_id})


async def find(
    session: AsyncSession, source: str, serials: Sequence[str], *, batch_id: str | None = None, lock: bool = False
) -> dict[str, Record]:
    """A source's vouchers by serial, with payment and collection; locked on request."""
    values = {"source": source, "serials": list(serials), "batch_id": batch_id}
    if lock:
        await session.execute(_LOCK, {"source": source, "serials": list(serials)})
    return {row.serial: row for row in await session.execute(_FIND, values)}


async def activate(session: AsyncSession, serials: Sequence[str], now: datetime) -> None:
    """Activate locked vouchers."""
    await session.execute(_ACTIVATE, {"serials": list(serials), "now": now})


async def cancel(session: AsyncSession, serials: Sequence[str], now: datetime) -> None:
    """Cancel locked vouchers, and withdraw the entitlements that no payment was made of."""
    await session.execute(_CANCEL, {"serials": list(serials), "now": now})
    await session.execute(_REVOKE, {"serials": list(serials)})


async def value_of(session: AsyncSession, serial: str) -> Record | None:
    """What a voucher is good for: (serial, amount, currency)."""
    return (await session.execute(_VALUE, {"serial": serial})).one_or_none()
