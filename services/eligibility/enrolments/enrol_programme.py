"""Use-case: enrol everybody who qualifies. The request queues a job; the job decides set-wise, chunk by chunk."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.chunks import in_ranges
from services.eligibility.enrolments.admit_waiting import admit_waiting
from services.eligibility.enrolments.enrolling_sql import enrol_chunk
from services.eligibility.enrolments.errors import NothingToEnrol
from services.eligibility.facts.units import unit_bounds
from services.eligibility.programmes import repository as programmes
from services.eligibility.programmes.errors import NoVersionInForce, ProgrammeUnknown
from shared import audit, jobs
from shared.auth import Principal

KIND = "enrol_programme"
CHUNK = 25_000
"""Households a transaction: seconds of work, so that progress shows and the outbox is never held up for long."""


async def enrol_programme(session: AsyncSession, principal: Principal, code: str, effective_on: date) -> UUID:
    """Queue the enrolment of a programme's population.

    Args:
        effective_on: facts, ages and cards are judged on this day, and enrolments begin.

    Returns:
        The job's id.

    Raises:
        ProgrammeUnknown: there is no such programme.
        NoVersionInForce: no published version governs that day.
        NothingToEnrol: nobody is enrolled in this programme.
    """
    if not await programmes.exists(session, code):
        raise ProgrammeUnknown(f"There is no programme {code}.")
    version = await programmes.version_in_force(session, code, effective_on)
    if version is None:
        raise NoVersionInForce(f"Publish a version of {code} that is valid on {effective_on}.")
    if not programmes.compiled(version.document).file.enrols:
        raise NothingToEnrol(f"{code} is paid per event, or is a check: nobody is enrolled in it.")
    payload = {"programme_code": code, "effective_on": effective_on.isoformat()}
    job_id = await jobs.enqueue(session, KIND, payload, key=f"{code}|{effective_on}")
    await audit.record(
        session, principal, "programme.enrol", "programme", code,
        {"effective_on": effective_on.isoformat(), "version": version.version, "job_id": str(job_id)},
    )  # fmt: skip
    return job_id


async def run_enrolment(run: jobs.JobRun) -> dict[str, Any]:
    """The job: decide on everybody, enrol those who qualify, then fill places. Running again changes nothing done.

    Raises:
        JobFailed: no_version_in_force.
    """
    code, on = run.payload["programme_code"], date.fromisoformat(run.payload["effective_on"])
    by = run.created_by or None
    async with run.context.database.session() as session:
        version = await programmes.version_in_force(session, code, on)
        if version is None:
            raise jobs.JobFailed("no_version_in_force", f"No published version of {code} is valid on {on}.")
        programme = programmes.compiled(version.document)
        bounds = await unit_bounds(session, programme, CHUNK)
    number = version.version

    async def enrol(session: AsyncSession, after: UUID | None, until: UUID) -> int:
        return await enrol_chunk(session, programme, number, on, after=after, until=until, by=by)

    listed = await in_ranges(run, bounds, enrol, "households decided")
    result = {"programme_version": number, "households": bounds[-1][1] if bounds else 0, "newly_enrolled": listed}
    if programme.file.capacity is not None:
        async with run.context.database.session() as session:
            await run.still_mine(session)
            admitted = await admit_waiting(session, programme.file, on, by)
        result |= {"newly_enrolled": admitted, "listed": listed}
    return result
