"""The transactional outbox: an event is committed with the state it tells of, or not at all (law 3, fault 25)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.base import EventPayload
from shared.db import rows_from_json
from shared.events import MAX_DATA_BYTES
from shared.tables import outbox_table
from shared.telemetry import current_traceparent

__all__ = ["PayloadTooLong", "outbox_table", "publish"]

_COLUMNS = ["topic", "key", "type", "data", "traceparent"]


class PayloadTooLong(ValueError):
    """A payload above what brokers take."""


def _encode(payload: EventPayload) -> bytes:
    data = payload.model_dump_json().encode()
    if len(data) > MAX_DATA_BYTES:
        raise PayloadTooLong(
            f"{payload.TYPE} {payload.key} has {len(data)} bytes, at most {MAX_DATA_BYTES} can be sent"
        )
    return data


async def publish(
    session: AsyncSession, payloads: Sequence[EventPayload], *, occurred_at: datetime | None = None
) -> None:
    """Put events into the outbox in this transaction, in the order given, by one statement.

    For events about a whole population, write `INSERT INTO outbox (topic, key, type, data, traceparent) SELECT ...`
    instead, building `data` in SQL; the testing plugin's `outbox()` holds it to the contract.

    Args:
        session: the transaction that also changes the state.
        payloads: of any contract types.
        occurred_at: when it happened, if not now; UTC.

    Raises:
        PayloadTooLong: the broker would refuse it for ever, and with it all that comes after.
    """
    if not payloads:
        return
    traceparent = current_traceparent()
    rows: list[dict[str, Any]] = [
        {
            "topic": payload.TOPIC,
            "key": payload.key,
            "type": payload.TYPE,
            "data": orjson.Fragment(_encode(payload)),
            "traceparent": traceparent,
        }
        for payload in payloads
    ]
    columns = list(_COLUMNS)
    if occurred_at is not None:
        columns.append("occurred_at")
        for row in rows:
            row["occurred_at"] = occurred_at.isoformat()
    incoming = rows_from_json(outbox_table, columns)
    # json_populate_recordset keeps the order of its array, and ids are given in the order of insertion.
    await session.execute(
        insert(outbox_table).from_select(columns, select(*(incoming.c[name] for name in columns))), {"rows": rows}
    )
