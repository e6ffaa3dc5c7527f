"""Use-case: compute a cycle's decisions and entitlements. Set-wise, repeatable: the same facts give the same hash."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.cycles import repository
from services.eligibility.cycles.entitlements import compute_chunk
from services.eligibility.cycles.errors import CycleFrozen, CycleUnknown
from services.eligibility.cycles.model import CycleState
from services.eligibility.cycles.open_cycle import governing_version
from services.eligibility.facts.repository import chunk_bounds
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


async def run_computation(run: jobs.JobRun) -> dict[str, Any]:
    """The job: clear, compute chunk by chunk, total. After a crash it starts again from nothing and ends the same.

    Raises:
        JobFailed: cycle_frozen, no_version_in_force.
    """
    cycle_id = UUID(run.payload["cycle_id"])
    database = run.context.database
    async with database.session() as session:
        await run.still_mine(session)
        version = await _begin(session, cycle_id)
        cycle = await repository.find(session, cycle_id)
        bounds = await chunk_bounds(session, CHUNK)
    assert cycle is not None
    programme, total, after = programmes.compiled(version.document), (bounds[-1][1] if bounds else 0), None
    for until, position in bounds:
        async with database.session() as session:
            await run.still_mine(session)
            await compute_chunk(
                session, programme, version.version, cycle_id, cycle.reference_date, cycle.last_day,
                after=after, until=until,
            )  # fmt: skip
        after = until
        await run.progress(position, total, "households computed")
    async with database.session() as session:
        await run.still_mine(session)
        totals = await repository.totals_of(session, cycle_id)
        unpriced = await repository.count_unpriced(session, cycle_id)
        await repository.finish_computation(session, cycle_id, totals, unpriced, run.context.clock.now())
    return {
        "count": totals.count,
        "amount": str(totals.amount),
        "content_hash": totals.content_hash,
        "unpriced": unpriced,
    }


async def _begin(session: AsyncSession, cycle_id: UUID) -> Any:
    """Lock the cycle, choose the version in force (it may have been published since opening), clear old results."""
    cycle = await repository.find(session, cycle_id, lock=True)
    assert cycle is not None, "cycles are never deleted"
    if CycleState(cycle.state).frozen:
        raise jobs.JobFailed("cycle_frozen", "The cycle was closed before this computation began.")
    try:
        number, file, dates = await governing_version(session, cycle.programme_code, cycle.period)
    except NoVersionInForce as error:
        raise jobs.JobFailed(error.code, error.detail) from error
    await repository.begin_computation(session, cycle_id, file, number, dates)
    return await programmes.find_version(session, cycle.programme_code, number)
