"""Reaction to appeals on grievance.cases: what holds until an appeal is decided, and what follows from its outcome.

effect `continue`: the platform neither ends nor suspends by itself, and takes up again what the appealed decision
ended.
effect `hold`: taking part is suspended. `none`: as it is. Decided: the hold is over; upheld or not, the decision is
taken again
by the facts known now (upheld usually means that facts or a waiver were put right).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.enrolments.life import Action
from services.eligibility.enrolments.transitions import move
from services.eligibility.remedies import repository
from services.eligibility.remedies.redecide import redecide
from shared import audit
from shared.consumer import Received
from shared.contracts.grievance import AppealDecided, AppealLodged
from shared.service import Context


async def on_appeal(
    context: Context, session: AsyncSession, events: Sequence[Received[AppealLodged | AppealDecided]]
) -> None:
    """Appeals are few: each is carried out by itself, in the order told."""
    for event in events:
        appeal = event.payload
        code = appeal.programme_code or await repository.programme_of_decision(session, appeal.decision_id)
        if code is None:  # a decision of no programme here: nothing to hold
            continue
        if isinstance(appeal, AppealLodged):
            await _lodged(context, session, appeal, code)
        else:
            await _decided(context, session, appeal, code)


async def _lodged(context: Context, session: AsyncSession, appeal: AppealLodged, code: str) -> None:
    if not await repository.open_appeal(session, appeal, code):
        return
    today = context.clock.today()
    if appeal.effect == "continue":
        await move(session, repository.ended_by(code, appeal.beneficiary_id, appeal.decision_id), Action.APPROVE, today)
        await repository.hold(session, code, appeal.beneficiary_id, held=True)
    elif appeal.effect == "hold":
        await move(session, repository.of_beneficiary(code, appeal.beneficiary_id), Action.SUSPEND, today)
    detail = {"decision_id": str(appeal.decision_id), "effect": appeal.effect}
    await audit.record(session, "consumer", "appeal.lodged", "appeal", appeal.appeal_id, detail)


async def _decided(context: Context, session: AsyncSession, appeal: AppealDecided, code: str) -> None:
    if not await repository.close_appeal(session, appeal.appeal_id, appeal.outcome):
        return
    if await repository.still_appealed(session, code, appeal.beneficiary_id):
        return
    today = context.clock.today()
    await repository.hold(session, code, appeal.beneficiary_id, held=False)
    await move(session, repository.suspended_by_appeal(code, appeal.beneficiary_id), Action.RESUME, today)
    await redecide(session, code, appeal.beneficiary_id, today, None, "appeal_decided")
    detail = {"decision_id": str(appeal.decision_id), "outcome": appeal.outcome}
    await audit.record(session, "consumer", "appeal.decided", "appeal", appeal.appeal_id, detail)
