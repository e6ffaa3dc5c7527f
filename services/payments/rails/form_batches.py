"""Put every queued attempt into a batch, and queue the dispatch of each batch."""

from __future__ import annotations

from typing import Final

from services.payments.instructions.outcomes import Outcome, apply_outcomes
from services.payments.rails import forming_repository, repository
from services.payments.rails.catalogue import BY_NAME
from services.payments.rails.clients import clients_of
from services.payments.rails.policy import execution_day
from services.payments.rails.stops import stopped_among
from services.payments.reconciliation.model import reason_text
from shared.jobs import JobRun, enqueue
from shared.service import Context

FORM: Final = "form_batches"
DISPATCH: Final = "dispatch_batch"
CHUNK: Final = 100_000
"""Attempts placed per transaction: a multiple of every batch size that divides it, so batches come out full."""
REFUSED_AT_ONCE: Final = 5_000
MOST_DUE: Final = 500
TOO_LARGE: Final = "AM02"
"""ISO 20022 status reason: the amount is above the limit allowed."""


async def form_batches(context: Context) -> int:
    """Form batches until no attempt is queued; each transaction also queues what it formed.

    Returns:
        How many attempts were placed.
    """
    placed = 0
    for rail in clients_of(context).rails:
        await _refuse_too_large(context, rail)
        placed += await _form_for(context, rail)
    return placed


async def _form_for(context: Context, rail: str) -> int:
    placed = 0
    while True:
        async with context.database.session() as session:
            now = context.clock.now()
            policy = await clients_of(context).policy(session, rail)
            ceilings = {one.currency: one.batch_ceiling for one in policy.limits}
            stopped = await stopped_among(session, await forming_repository.queued_ids(session, rail, CHUNK))
            formed = await forming_repository.form(
                session,
                rail,
                one_provider=BY_NAME[rail].one_provider,
                size=policy.batch_size,
                ceilings={currency: ceiling for currency, ceiling in ceilings.items() if ceiling is not None},
                besides=stopped,
                now=now,
                day=execution_day(policy, now),
                most=CHUNK,
            )
            for batch_id in await repository.due(session, now, MOST_DUE):
                await enqueue(session, DISPATCH, {"batch_id": str(batch_id)}, key=str(batch_id))
        placed += formed
        if formed == 0 or formed + len(stopped) < CHUNK:
            return placed


async def _refuse_too_large(context: Context, rail: str) -> None:
    """A payment that the rail would refuse fails here: its money goes back to the fund, and it can be split."""
    while True:
        async with context.database.session() as session:
            policy = await clients_of(context).policy(session, rail)
            ceilings = {one.currency: one.payment_ceiling for one in policy.limits}
            known = {currency: ceiling for currency, ceiling in ceilings.items() if ceiling is not None}
            refused = await forming_repository.too_large(session, rail, known, REFUSED_AT_ONCE) if known else []
            outcomes = [
                Outcome(
                    attempt_id=attempt_id,
                    kind="failed",
                    on=context.clock.today(),
                    source="rail_limit",
                    source_reference=rail,
                    reason_code=TOO_LARGE,
                    reason=reason_text(TOO_LARGE),
                )
                for attempt_id in refused
            ]
            await apply_outcomes(session, outcomes)
        if len(refused) < REFUSED_AT_ONCE:
            return


async def run_form_batches(run: JobRun) -> dict[str, int]:
    """The job."""
    return {"placed": await form_batches(run.context)}
