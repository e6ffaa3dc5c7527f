"""remedy.requested (reissue_payment): refuse what cannot be, let the rest wait for an officer, and say `done` when
it is.

Nothing is paid by an event: a second person re-issues the payment, and that answers every remedy that waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.instructions.model import REISSUABLE
from services.payments.metadata import Record
from shared.consumer import Received
from shared.contracts.grievance import RemedyRequested
from shared.contracts.payments import RemedyAnswered
from shared.outbox import publish
from shared.service import Context

KIND = "reissue_payment"
_REFUSALS = {
    "payment_unknown": "No such payment was ever instructed here.",
    "payment_already_settled": "The payment has settled: it is not paid again.",
    "payment_in_progress": "The payment is on its way: its rail has not said the last word.",
}
_WAITING = "An officer must issue it again: its money is back in the fund."
_STATES = text("SELECT id, status FROM payment WHERE id = ANY(CAST(:payments AS uuid[]))")
_CLAIM = text(
    """
    INSERT INTO remedy (id, case_id, case_reference, payment_id, requested_by, outcome, reason_code, version)
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:cases AS uuid[]), CAST(:references AS text[]),
        CAST(:payments AS uuid[]), CAST(:by AS text[]), CAST(:outcomes AS text[]), CAST(:codes AS text[]),
        CAST(:versions AS integer[]))
    ON CONFLICT (id) DO NOTHING RETURNING *
    """
)
_DONE = text(
    """
    UPDATE remedy SET outcome = 'done', reason_code = '', version = version + 1, answered_at = now()
    WHERE payment_id = :payment AND outcome = 'waiting' RETURNING *
    """
)


async def on_remedy_requested(
    context: Context, session: AsyncSession, events: Sequence[Received[RemedyRequested]]
) -> None:
    """Answer each remedy once, whatever the number of times it is asked for."""
    asked = {event.payload.remedy_id: event.payload for event in events if event.payload.kind == KIND}
    if not asked:
        return
    payments = [remedy.payment_id for remedy in asked.values() if remedy.payment_id]
    states = {row.id: row.status for row in await session.execute(_STATES, {"payments": payments})}
    codes = {id_: _refusal(states.get(remedy.payment_id)) for id_, remedy in asked.items()}
    told = list(asked.values())
    rows = await session.execute(
        _CLAIM,
        {
            "ids": [remedy.remedy_id for remedy in told],
            "cases": [remedy.case_id for remedy in told],
            "references": [remedy.case_reference for remedy in told],
            "payments": [remedy.payment_id for remedy in told],
            "by": [remedy.requested_by for remedy in told],
            "outcomes": ["refused" if codes[remedy.remedy_id] else "waiting" for remedy in told],
            "codes": [codes[remedy.remedy_id] or "officer_must_reissue" for remedy in told],
            "versions": [1] * len(told),
        },
    )
    await publish(session, [_answer(row) for row in rows])


def _refusal(status: str | None) -> str:
    if status is None:
        return "payment_unknown"
    if status in REISSUABLE:
        return ""
    return "payment_already_settled" if status == "settled" else "payment_in_progress"


async def answer_waiting(session: AsyncSession, payment_id: UUID) -> None:
    """The payment was issued again: every remedy that waits for it is done."""
    rows = await session.execute(_DONE, {"payment": payment_id})
    await publish(session, [_answer(row) for row in rows])


def _answer(row: Record | Any) -> RemedyAnswered:
    return RemedyAnswered(
        version=row.version,
        remedy_id=row.id,
        case_id=row.case_id,
        outcome=row.outcome,
        reason_code=row.reason_code,
        reason=_REFUSALS.get(row.reason_code, _WAITING if row.outcome == "waiting" else ""),
        result_id=row.payment_id if row.outcome == "done" else None,
    )
