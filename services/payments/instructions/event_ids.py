"""Ids of thousands of events at once: one UUIDv7 a statement, counted up.

The outbox's own default draws random bytes from the system for every row: half the time of inserting an event. Here the
statement draws once. Two statements would have to begin within the same quarter of a microsecond and draw starting
points out of 2^62 that lie within ten thousand of each other to give one id twice.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Text, func, literal, literal_column, text
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import UUID

OUTBOX_COLUMNS: Final = ("topic", "key", "type", "data", "traceparent", "event_id")
"""Columns of the outbox in the order in which the statements of this package fill them."""
EVENT_SEED: Final = (
    text(
        """
        SELECT left(drawn, 24) AS head, CAST(CAST('x' || right(drawn, 12) AS bit(48)) AS bigint) AS start
        FROM (SELECT CAST(uuidv7() AS text) AS drawn OFFSET 0) AS once
        """
    )
    .columns(head=Text, start=BigInteger)
    .cte("event_seed")
    .prefix_with("MATERIALIZED")
)
"""One row: the statement's draw. Join it (`ON true`) where `event_id` is used."""
_TAIL: Final[ColumnElement[int]] = literal_column("281474976710655", BigInteger)


def event_id(number: ColumnElement[Any]) -> ColumnElement[Any]:
    """The id of this row's event. `number`: unique in the statement, below 2^48."""
    tail = func.lpad(func.to_hex((EVENT_SEED.c.start + number).op("&")(_TAIL)), literal(12), literal("0"))
    return sql_cast(EVENT_SEED.c.head.concat(tail), UUID)
