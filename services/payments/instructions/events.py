"""Payment events written by SQL: one statement puts the events of thousands of payments into the outbox.

The JSON built here is held to shared/contracts/payments.py by the tests, which parse every row of the outbox.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ColumnElement, Select, Text, any_, bindparam, case, func, insert, literal, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.expression import Insert

from services.payments.instructions.model import AttemptState
from services.payments.instructions.outcome_statements import shared_fields
from services.payments.instructions.tables import payment, payment_attempt
from shared.contracts.payments import PAYMENTS, PaymentFailed, PaymentInstructed
from shared.outbox import outbox_table
from shared.telemetry import current_traceparent


def _json(version: ColumnElement[Any], **own: Any) -> ColumnElement[Any]:
    """The fields that all payment events share, from `payment` and `payment_attempt`, and an event's own."""
    pairs = ["version", version, *shared_fields(payment, payment_attempt)]
    for name, value in own.items():
        pairs += [name, value]
    return func.json_build_object(*pairs, type_=JSON)


def _into_outbox(rows: Select[Any]) -> Insert:
    """Insert (key, type, data) rows with this request's trace."""
    source = rows.subquery("event")
    return insert(outbox_table).from_select(
        ["topic", "key", "type", "data", "traceparent"],
        select(
            literal(PAYMENTS, Text),
            source.c.key,
            source.c.type,
            source.c.data,
            bindparam("traceparent", type_=Text),
        ),
    )


_STOPPED = payment_attempt.c.state == AttemptState.FAILED.value
_STATE_EVENTS = _into_outbox(
    select(
        sql_cast(payment.c.id, Text).label("key"),
        case((_STOPPED, PaymentFailed.TYPE), else_=PaymentInstructed.TYPE).label("type"),
        case(
            (
                _STOPPED,
                _json(payment.c.version, reason_code=payment_attempt.c.reason_code, reason=payment_attempt.c.reason),
            ),
            else_=_json(payment.c.version),
        ).label("data"),
    )
    .select_from(payment_attempt)
    .join(payment, payment.c.id == payment_attempt.c.payment_id)
    .where(payment_attempt.c.id == any_(bindparam("attempts", type_=ARRAY(UUID))))
)


async def publish_instructed(session: AsyncSession, attempt_ids: list[Any]) -> None:
    """Publish payment.instructed for new attempts, and payment.failed for those stopped before any rail saw them."""
    await session.execute(_STATE_EVENTS, {"attempts": attempt_ids, "traceparent": current_traceparent()})
