"""Use-case: enrol everybody who qualifies. The request queues a job; the job decides set-wise, chunk by chunk."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.enrolments import repository
from services.eligibility.facts.repository import chunk_bounds
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
    """
    if not await programmes.exists(session, code):
        raise ProgrammeUnknown(f"There is no programme {code}.")
    version = await programmes.version_in_force(session, code, effective_on)
    if version is None:
        raise NoVersionInForce(f"Publish a version of {code} that is valid on {effective_on}.")
    payload = {"programme_code": code, "effective_on": effective_on.isoformat()}
    job_id = await jobs.enqueue(session, KIND, payload, key=f"{code}|{effective_on}")
    await audit.record(
        session, principal, "programme.enrol", "programme", code,
        {"effective_on": effective_on.isoformat(), "version": version.version, "job_id": str(job_id)},
    )  # fmt: skip
    return job_id


async def run_enrolment(run: jobs.JobRun) -> dict[str, Any]:
    """The job: decide on every household and enrol those who qualify. Running again changes nothing that is done.

    Raises:
        JobFailed: no_version_in_force.
    """
    code, on = run.payload["programme_code"], date.fromisoformat(run.payload["effective_on"])
    async with run.context.database.session() as session:
        version = await programmes.version_in_force(session, code, on)
        bounds = await chunk_bounds(session, CHUNK)
    if version is None:
        raise jobs.JobFailed("no_version_in_force", f"No published version of {code} is valid on {on}.")
    programme = programmes.compiled(version.document)
    total, enrolled, after = (bounds[-1][1] if bounds else 0), 0, None
    for until, position in bounds:
        async with run.context.database.session() as session:
            await run.still_mine(session)
            enrolled += await repository.enrol_chunk(session, programme, version.version, on, after=after, until=until)
        after = until
        await run.progress(position, total, "households decided")
    return {"programme_version": version.version, "households": total, "newly_enrolled": enrolled}
