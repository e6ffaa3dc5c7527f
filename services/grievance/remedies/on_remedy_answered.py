"""Reaction: the registry, eligibility or payments answered a remedy. The case shows it; each answer counts once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.remedies import repository
from shared.consumer import Received
from shared.contracts import eligibility, payments, registry
from shared.service import Context

Answer = registry.RemedyAnswered | eligibility.RemedyAnswered | payments.RemedyAnswered

OWNED: dict[type[Answer], list[str]] = {
    registry.RemedyAnswered: ["correct_registry"],
    eligibility.RemedyAnswered: ["redecide", "waive_condition"],
    payments.RemedyAnswered: ["reissue_payment"],
}
"""Which kinds a service may answer: nobody answers for another."""


async def on_remedy_answered(context: Context, session: AsyncSession, events: Sequence[Received[Answer]]) -> None:
    """Take a batch of answers; of several to one remedy the newest counts."""
    newest: dict[UUID, Answer] = {}
    for event in events:
        present = newest.get(event.payload.remedy_id)
        if present is None or event.payload.version > present.version:
            newest[event.payload.remedy_id] = event.payload
    await repository.answer(session, [_row(answer) for answer in newest.values()], context.clock.now())


def _row(answer: Answer) -> dict[str, Any]:
    return {
        "remedy_id": answer.remedy_id,
        "version": answer.version,
        "kinds": OWNED[type(answer)],
        "outcome": answer.outcome,
        "reason_code": answer.reason_code,
        "reason": answer.reason,
        "result_id": answer.result_id,
    }
