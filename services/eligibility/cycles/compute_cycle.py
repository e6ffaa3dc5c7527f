"""Use-case: compute a cycle's decisions and entitlements. Set-wise, repeatable: the same facts give the same hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.chunks import ROOMY, in_ranges
from services.eligibility.conditions.event_entitlements import compute_event_chunk
from services.eligibility.cycles import repository
from services.eligibility.cycles.adjust_cycle import adjust_cycle
from services.eligibility.cycles.compare_cycles import compare_cycles
from services.eligibility.cycles.entitlements import CycleBasis, compute_chunk
from services.eligibility.cycles.errors import CycleFrozen, CycleUnknown
from services.eligibility.cycles.model import CycleState
from services.eligibility.cycles.open_cycle import governing_version
from services.eligibility.decisions.exclusions import at_payment
from services.eligibility.decisions.tell_decisions import forget_pending
from services.eligibility.facts.units import unit_bounds
from services.eligibility.model import AnyRow
from services.eligibility.programmes import repository as programmes
from services.eligibility.programmes.errors import NoVersionInForce
from shared import audit, jobs
from shared.auth import Principal

KIND = "compute_cycle"
CHUNK = 25_000
"""Households a transaction."""


async def compute_cycle(session: AsyncSession, principal: Principal, cycle_id: UUID) -> UUID:
    """Queue the computation.

    Returns:
        The job's id; that of the running one if there is one.

    Raises:
        CycleUnknown: there is no such cycle.
        CycleFrozen: it is closed, or being closed.
    """
    cycle = await repository.find(session, cycle_id, lock=True)
    if cycle is None:
        raise CycleUnknown("Look at the list of cycles for the id.")
    if CycleState(cycle.state).frozen:
        raise CycleFrozen("Corrections of a closed cycle belong to the next one.")
    job_id = await jobs.enqueue(session, KIND, {"cycle_id": str(cycle_id)}, key=str(cycle_id))
    await audit.record(session, principal, "cycle.compute", "cycle", cycle_id, {"job_id": str(job_id)})
    return job_id


@dataclass(frozen=True)
class _Begun:
    cycle: AnyRow
    basis: CycleBasis


async def run_computation(run: jobs.JobRun) -> dict[str, Any]:
    """The job: clear, compute range by range, put the past right, compare, total. After a crash it starts again from
    nothing and ends the same.

    Raises:
        JobFailed: cycle_frozen, no_version_in_force.
    """
    cycle_id = UUID(run.payload["cycle_id"])
    database = run.context.database
    async with database.session() as session:
        await run.still_mine(session)
        begun = await _begin(session, run, cycle_id)
        bounds = await unit_bounds(session, begun.basis.programme, CHUNK)

    async def compute(session: AsyncSession, after: UUID | None, until: UUID) -> int:
        basis = begun.basis
        if basis.programme.file.unit == "event":
            return await compute_event_chunk(
                session, basis.programme, basis.version, cycle_id, basis.last_day, after=after, until=until,
                unconfirmed=basis.unconfirmed, known_at=begun.cycle.known_at,
            )  # fmt: skip
        return await compute_chunk(session, basis, after=after, until=until)

    await in_ranges(run, bounds, compute, "households computed")
    async with database.session() as session:
        # Rows of this cycle are a value that the statistics do not know yet: what follows is planned by them.
        await repository.refresh_statistics(session)
    async with database.session() as session:
        await session.execute(ROOMY)
        await run.still_mine(session)
        await adjust_cycle(session, begun.basis.programme, begun.cycle)
    async with database.session() as session:
        await session.execute(ROOMY)
        await run.still_mine(session)
        return await _finish(session, run, begun)


async def _finish(session: AsyncSession, run: jobs.JobRun, begun: _Begun) -> dict[str, Any]:
    cycle_id = begun.cycle.id
    totals = await repository.totals_of(session, cycle_id)
    unpriced = await repository.count_unpriced(session, cycle_id)
    adjusted = await repository.adjusted(session, cycle_id)
    arrears, recovery = adjusted.get("arrears", 0), adjusted.get("recovery", 0)
    open_rates = await repository.used_unconfirmed(session, cycle_id)
    comparison, comparison_hash = await compare_cycles(session, begun.cycle, totals)
    await repository.finish_computation(
        session,
        cycle_id,
        totals,
        unpriced=unpriced,
        benefit_amount=totals.amount - arrears + recovery,
        arrears_amount=arrears,
        recovery_amount=recovery,
        unconfirmed_rates=sorted(begun.basis.unconfirmed) if open_rates else [],
        comparison=comparison,
        comparison_hash=comparison_hash,
        computed_at=run.context.clock.now(),
    )
    return {
        "count": totals.count,
        "amount": str(totals.amount),
        "content_hash": totals.content_hash,
        "unpriced": unpriced,
        "arrears": str(arrears),
        "recovery": str(recovery),
        "comparison_hash": comparison_hash,
    }


async def _begin(session: AsyncSession, run: jobs.JobRun, cycle_id: UUID) -> _Begun:
    """Lock the cycle, choose the version in force (it may have been published since opening), clear old results."""
    cycle = await repository.find(session, cycle_id, lock=True)
    assert cycle is not None, "cycles are never deleted"
    if CycleState(cycle.state).frozen:
        raise jobs.JobFailed("cycle_frozen", "The cycle was closed before this computation began.")
    code = cycle.programme_code
    try:
        number, file, dates = await governing_version(session, code, cycle.period)
    except NoVersionInForce as error:
        raise jobs.JobFailed(error.code, error.detail) from error
    await forget_pending(session, cycle_id)
    await repository.begin_computation(session, cycle_id, file, number, dates, run.context.clock.now())
    version = await programmes.find_version(session, code, number)
    cycle = await repository.find(session, cycle_id)
    assert version is not None
    assert cycle is not None
    programme = programmes.compiled(version.document)
    basis = CycleBasis(
        programme=programme,
        version=number,
        cycle_id=cycle_id,
        on=cycle.reference_date,
        last_day=cycle.last_day,
        exclusions=at_payment(file.exclusivity, dates.payment_number),
        unconfirmed=frozenset(await programmes.unconfirmed_rates(session, code, number)),
    )
    return _Begun(cycle, basis)
