"""Payment events written by SQL: one statement puts the events of thousands of payments into the outbox.

The JSON built here is held to shared/contracts/payments.py by the tests, which parse every row of the outbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Date,
    Integer,
    Select,
    Text,
    any_,
    bindparam,
    case,
    func,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.expression import Insert

from services.payments.instructions.model import AttemptState
from services.payments.instructions.tables import payment, payment_attempt
from shared.contracts.payments import (
    PAYMENTS,
    PaymentExpired,
    PaymentFailed,
    PaymentInstructed,
    PaymentReturned,
    PaymentSettled,
)
from shared.outbox import outbox_table
from shared.telemetry import current_traceparent

_PAYMENT_FIELDS = (
    "entitlement_id",
    "cycle_id",
    "programme_code",
    "period",
    "beneficiary_id",
    "beneficiary_reference",
    "village_code",
    "component",
    "currency",
)
_TYPES = {
    AttemptState.SETTLED: PaymentSettled.TYPE,
    AttemptState.FAILED: PaymentFailed.TYPE,
    AttemptState.RETURNED: PaymentReturned.TYPE,
    AttemptState.EXPIRED: PaymentExpired.TYPE,
}


def _json(version: ColumnElement[Any], **own: Any) -> ColumnElement[Any]:
    """The fields that all payment events share, from `payment` and `payment_attempt`, and an event's own."""
    pairs: list[Any] = ["version", version, "payment_id", payment.c.id]
    for name in _PAYMENT_FIELDS:
        pairs += [name, payment.c[name]]
    pairs += ["amount", sql_cast(func.trim_scale(payment.c.amount), Text)]
    pairs += ["attempt", payment_attempt.c.attempt, "rail", payment_attempt.c.rail]
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


_STEP = (
    text(
        """
        SELECT s.attempt_id, s.state, s.day, s.reason_code, s.reason, s.number, s.total, s.position
        FROM unnest(CAST(:attempts AS uuid[]), CAST(:states AS text[]), CAST(:days AS date[]),
                    CAST(:reason_codes AS text[]), CAST(:reasons AS text[]), CAST(:numbers AS integer[]),
                    CAST(:totals AS integer[])) WITH ORDINALITY
             AS s(attempt_id, state, day, reason_code, reason, number, total, position)
        """
    )
    .columns(
        attempt_id=UUID,
        state=Text,
        day=Date,
        reason_code=Text,
        reason=Text,
        number=Integer,
        total=Integer,
        position=Integer,
    )
    .cte("step")
)
_OUTCOME_VERSION = payment.c.version - _STEP.c.total + _STEP.c.number
_OUTCOME_EVENTS = _into_outbox(
    select(
        sql_cast(payment.c.id, Text).label("key"),
        case({state.value: type_ for state, type_ in _TYPES.items()}, value=_STEP.c.state).label("type"),
        case(
            (_STEP.c.state == AttemptState.SETTLED.value, _json(_OUTCOME_VERSION, settled_on=_STEP.c.day)),
            (_STEP.c.state == AttemptState.EXPIRED.value, _json(_OUTCOME_VERSION, expired_on=_STEP.c.day)),
            else_=_json(_OUTCOME_VERSION, reason_code=_STEP.c.reason_code, reason=_STEP.c.reason),
        ).label("data"),
    )
    .select_from(_STEP)
    .join(payment_attempt, payment_attempt.c.id == _STEP.c.attempt_id)
    .join(payment, payment.c.id == payment_attempt.c.payment_id)
    .order_by(_STEP.c.position)
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


async def publish_outcomes(session: AsyncSession, columns: Mapping[str, list[Any]]) -> None:
    """Publish payment.settled, .failed, .returned, .expired: one per step, in order. Call after the payments moved.

    Args:
        columns: parallel arrays attempts, states, days, reason_codes, reasons, numbers, totals.
    """
    names = ("attempts", "states", "days", "reason_codes", "reasons", "numbers", "totals")
    parameters: dict[str, Any] = {name: columns[name] for name in names}
    await session.execute(_OUTCOME_EVENTS, {**parameters, "traceparent": current_traceparent()})


async def publish_instructed(session: AsyncSession, attempt_ids: list[Any]) -> None:
    """Publish payment.instructed for new attempts, and payment.failed for those stopped before any rail saw them."""
    await session.execute(_STATE_EVENTS, {"attempts": attempt_ids, "traceparent": current_traceparent()})
