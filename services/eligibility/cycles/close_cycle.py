"""Use-case: close a cycle. The officer states the totals she expects; entitlements are published, then the cycle."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.conditions.event_entitlements import settle_events
from services.eligibility.cycles import repository
from services.eligibility.cycles.entitlements import publish_chunk
from services.eligibility.cycles.errors import (
    ComparisonNotSeen,
    ControlTotalsDiffer,
    CycleFrozen,
    CycleNotComputed,
    CycleUnknown,
    CycleUnpriced,
    EarlierCycleOpen,
    RateUnconfirmed,
)
from services.eligibility.cycles.model import CycleState
from services.eligibility.decisions.tell_decisions import tell_pending
from services.eligibility.model import AnyRow
from services.eligibility.programmes import repository as programmes
from shared import audit, jobs
from shared.auth import Principal
from shared.contracts.base import ControlTotal
from shared.contracts.eligibility import CycleClosed
from shared.outbox import publish

KIND = "close_cycle"
CHUNK = 20_000
"""Beneficiaries a transaction."""


async def close_cycle(
    session: AsyncSession,
    principal: Principal,
    cycle_id: UUID,
    expected_count: int,
    expected_amount: Decimal,
    comparison_hash: str | None = None,
) -> UUID:
    """Freeze a computed cycle and queue the publication of its entitlements.

    Args:
        expected_count, expected_amount: the totals the officer has seen and answers for (fault 8).
        comparison_hash: of the comparison she has seen; needed where there is a cycle before.

    Returns:
        The job's id.

    Raises:
        CycleUnknown, CycleFrozen, CycleNotComputed, ControlTotalsDiffer, CycleUnpriced, RateUnconfirmed,
        ComparisonNotSeen, EarlierCycleOpen.
    """
    cycle = await repository.find(session, cycle_id)
    if cycle is None:
        raise CycleUnknown("Look at the list of cycles for the id.")
    await programmes.lock_programme(session, cycle.programme_code)
    cycle = await repository.find(session, cycle_id, lock=True)
    assert cycle is not None
    _check(cycle, expected_count, expected_amount)
    await _check_money(session, cycle)
    _check_comparison(cycle, comparison_hash)
    await _check_earlier(session, cycle)
    await repository.set_state(session, cycle_id, CycleState.CLOSING, closed_by=principal.subject)
    job_id = await jobs.enqueue(session, KIND, {"cycle_id": str(cycle_id)}, key=str(cycle_id))
    await audit.record(
        session, principal, "cycle.close", "cycle", cycle_id,
        {"count": cycle.entitlement_count, "amount": str(cycle.amount), "content_hash": cycle.content_hash,
         "comparison_hash": cycle.comparison_hash},
    )  # fmt: skip
    return job_id


def _check(cycle: AnyRow, expected_count: int, expected_amount: Decimal) -> None:
    if CycleState(cycle.state).frozen:
        raise CycleFrozen("It is closed already, or being closed.")
    if cycle.state != CycleState.COMPUTED:
        raise CycleNotComputed("Compute it first, and look at its totals.")
    if (cycle.entitlement_count, cycle.amount) != (expected_count, expected_amount):
        raise ControlTotalsDiffer(
            "Look at the cycle again: it was computed anew, or the totals were copied wrongly.",
            count=cycle.entitlement_count,
            amount=str(cycle.amount),
        )


async def _check_money(session: AsyncSession, cycle: AnyRow) -> None:
    """Nobody is left out for want of a rate, and nothing rests on an amount that no officer has confirmed."""
    if cycle.unpriced:
        raise CycleUnpriced("Give the missing rates in a new version, and compute again.", unpriced=cycle.unpriced)
    if cycle.unconfirmed_rates:
        waiting = await programmes.unconfirmed_rates(session, cycle.programme_code, cycle.programme_version)
        hint = "Have them confirmed, and compute again." if waiting else "They are confirmed now: compute again."
        raise RateUnconfirmed(hint, rates=list(cycle.unconfirmed_rates))


def _check_comparison(cycle: AnyRow, seen: str | None) -> None:
    if cycle.comparison["previous_cycle_id"] is not None and seen != cycle.comparison_hash:
        raise ComparisonNotSeen(f"Look at /eligibility/v1/cycles/{cycle.id}/comparison and send its hash.")
    if seen is not None and seen != cycle.comparison_hash:
        raise ComparisonNotSeen("The cycle was computed anew since: look at its comparison again.")


async def _check_earlier(session: AsyncSession, cycle: AnyRow) -> None:
    """The comparison and the adjustments were made with the cycle before; another one may have been closed since."""
    previous = await repository.previous_cycle(session, cycle.programme_code, cycle.period)
    present = str(previous.id) if previous is not None else None
    if present != cycle.comparison["previous_cycle_id"] or await repository.closing_before(session, cycle):
        raise EarlierCycleOpen("Wait until the earlier cycle is closed, then compute this one again.")


async def run_closing(run: jobs.JobRun) -> dict[str, Any]:
    """The job: verify, publish every entitlement in resumable chunks, then `cycle.closed` in the last transaction.

    Raises:
        JobFailed: content_changed, if the entitlements are not those of the recorded totals; nothing is published then.
    """
    cycle_id = UUID(run.payload["cycle_id"])
    await _verify(run, cycle_id)
    while True:
        async with run.context.database.session() as session:
            await run.still_mine(session)
            cycle = await repository.find(session, cycle_id, lock=True)
            assert cycle is not None, "cycles are never deleted"
            if cycle.state == CycleState.CLOSED:
                break
            published = await publish_chunk(session, cycle, CHUNK)
            done = cycle.published_count + published
            if published == 0 and await _told(session, cycle) == 0:
                await _finish(session, run, cycle, done)
                break
        await run.progress(done, cycle.entitlement_count, "entitlements published")
    return {"count": cycle.entitlement_count, "amount": str(cycle.amount), "content_hash": cycle.content_hash}


async def _told(session: AsyncSession, cycle: AnyRow) -> int:
    """After the entitlements, the decisions that differ from what was told last."""
    return await tell_pending(
        session, cycle.id, cycle.programme_code, cycle.programme_version, cycle.reference_date, cycle.closed_by, CHUNK
    )


async def _verify(run: jobs.JobRun, cycle_id: UUID) -> None:
    """Before anything leaves: what is stored is what was approved."""
    async with run.context.database.session() as session:
        cycle = await repository.find(session, cycle_id)
        totals = await repository.totals_of(session, cycle_id)
    assert cycle is not None, "cycles are never deleted"
    if (cycle.entitlement_count, cycle.amount, cycle.content_hash) != (
        totals.count,
        totals.amount,
        totals.content_hash,
    ):
        raise jobs.JobFailed("content_changed", "The entitlements are not those that were computed: nothing published.")


async def _finish(session: AsyncSession, run: jobs.JobRun, cycle: AnyRow, published: int) -> None:
    if published != cycle.entitlement_count:
        raise jobs.JobFailed(
            "content_changed", f"{published} entitlements published where {cycle.entitlement_count} were computed."
        )
    await settle_events(session, cycle.id)
    await publish(session, [_closed_event(cycle)])
    await repository.set_state(session, cycle.id, CycleState.CLOSED, closed_at=run.context.clock.now())
    await audit.record(session, "worker", "cycle.closed", "cycle", cycle.id, {"count": cycle.entitlement_count})


def _closed_event(cycle: AnyRow) -> CycleClosed:
    return CycleClosed(
        version=1,
        cycle_id=cycle.id,
        programme_code=cycle.programme_code,
        programme_version=cycle.programme_version,
        period=cycle.period,
        reference_date=cycle.reference_date,
        payment_window_from=cycle.window_from,
        payment_window_until=cycle.window_until,
        funding_line=cycle.funding_line,
        currency=cycle.currency,
        count=cycle.entitlement_count,
        amount=cycle.amount,
        totals=tuple(ControlTotal.model_validate(total) for total in cycle.totals),
        content_hash=cycle.content_hash,
        closed_by=cycle.closed_by,
    )
