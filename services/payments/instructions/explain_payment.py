"""The whole story of one payment, from what is owed to the bank's line (law 7)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.entitlements.repository import entitlement_of_payment, holds_of_payment
from services.payments.errors import PaymentNotFound
from services.payments.instructions import repository
from services.payments.instructions.model import PaymentStatus
from services.payments.instructions.schemas import (
    AttemptPart,
    CheckPart,
    EntitlementPart,
    HoldPart,
    OutcomePart,
    PaymentDetail,
    PaymentOut,
    PostingPart,
)
from services.payments.ledger.reading_repository import movements_of_payment
from services.payments.lists.model import EXPLAINED, LineReason, LineStatus, ListStatus
from services.payments.lists.repository import line_of_payment, steps_of
from services.payments.lists.schemas import StepOut
from services.payments.metadata import Record
from services.payments.reconciliation.lines_repository import lines_of
from shared.auth import Principal

_WAITING = frozenset({ListStatus.APPROVED, ListStatus.DISBURSING, ListStatus.PARTLY_DISBURSED})


async def explain_payment(session: AsyncSession, principal: Principal, payment_id: UUID) -> PaymentDetail:
    """Collect it: a handful of reads by key.

    A payment that is only on a list so far is shown too, as `listed`, `excluded` or `approved`.

    Raises:
        PaymentNotFound: none such in the caller's area.
    """
    payment = await repository.payment_by_id(session, payment_id)
    line = await line_of_payment(session, payment_id)
    known = payment if payment is not None else line
    if known is None or not principal.covers(known.village_code):
        raise PaymentNotFound("Look at the id again, or ask an officer of that area.")
    attempts = await repository.attempts_of(session, payment_id) if payment is not None else []
    entitlement = await entitlement_of_payment(session, payment_id)
    return PaymentDetail(
        **(_payment(payment) if payment is not None else _listed(line)),
        entitlement=None if entitlement is None else EntitlementPart.model_validate(entitlement, from_attributes=True),
        check=None if line is None else _check(line),
        approval=[
            StepOut.model_validate(step, from_attributes=True)
            for step in (await steps_of(session, line.payment_list_id) if line is not None else [])
        ],
        holds=[
            HoldPart.model_validate(hold, from_attributes=True) for hold in await holds_of_payment(session, payment_id)
        ],
        attempts=await _attempts(session, attempts),
        ledger=[
            PostingPart.model_validate(posting, from_attributes=True)
            for posting in await movements_of_payment(session, payment_id)
        ],
        bank_lines=[dict(item._mapping) for item in await lines_of(session, [attempt.id for attempt in attempts])],
    )


def _payment(row: Record) -> dict[str, Any]:
    return PaymentOut.model_validate(row, from_attributes=True).model_dump()


def _listed(line: Any) -> dict[str, Any]:
    """A payment that exists on a list only."""
    if line.status != LineStatus.READY:  # a split line is replaced by its parts
        status = PaymentStatus.EXCLUDED
    else:
        status = PaymentStatus.APPROVED if ListStatus(line.list_status) in _WAITING else PaymentStatus.LISTED
    shared = {name: getattr(line, name) for name in PaymentOut.model_fields if hasattr(line, name)}
    return shared | {
        "id": line.payment_id,
        "status": status.value,
        "attempt": 0,
        "version": 0,
        "created_at": line.list_created_at,
        "updated_at": line.list_created_at,
    }


def _check(line: Any) -> CheckPart:
    return CheckPart(
        payment_list_id=line.payment_list_id,
        list_status=line.list_status,
        status=line.status,
        reasons=line.reasons,
        explanations=[EXPLAINED[LineReason(reason)] for reason in line.reasons],
        note=line.note,
    )


async def _attempts(session: AsyncSession, attempts: Any) -> list[AttemptPart]:
    by_attempt: dict[UUID, list[OutcomePart]] = {}
    for outcome in await repository.outcomes_of(session, [attempt.id for attempt in attempts]):
        part = OutcomePart.model_validate(outcome, from_attributes=True)
        by_attempt.setdefault(outcome.attempt_id, []).append(part)
    return [
        AttemptPart(
            **{name: getattr(row, name) for name in AttemptPart.model_fields if name != "outcomes"},
            outcomes=by_attempt.get(row.id, []),
        )
        for row in attempts
    ]
