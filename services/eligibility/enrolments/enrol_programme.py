"""Use-case: enrol everybody who qualifies. The request queues a job; the job decides set-wise, chunk by chunk."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.chunks import in_ranges
from services.eligibility.enrolments import looks
from services.eligibility.enrolments.admit_waiting import admit_waiting
from services.eligibility.enrolments.enrolling_sql import enrol_chunk, enrol_newcomers_chunk
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
    job_id = await jobs.enqueue(session, KIND, payload, key=job_key(code, effective_on))
    await audit.record(
        session, principal, "programme.enrol", "programme", code,
        {"effective_on": effective_on.isoformat(), "version": version.version, "job_id": str(job_id)},
    )  # fmt: skip
    return job_id


def job_key(code: str, on: date) -> str:
    """One enrolment of a programme for a day at a time, whoever asks for it."""
    return f"{code}|{on}"


async def run_enrolment(run: jobs.JobRun) -> dict[str, Any]:
    """The job: decide on everybody, enrol those who qualify, then fill places. Running again changes nothing done.

    Payload `automatic`: the platform asks (enrolments/enrol_newcomers.py), and only who is not enrolled is looked at.

    Raises:
        JobFailed: no_version_in_force.
    """
    code, on = run.payload["programme_code"], date.fromisoformat(run.payload["effective_on"])
    automatic = bool(run.payload.get("automatic"))
    by = None if automatic else run.created_by or None
    async with run.context.database.session() as session:
        version = await programmes.version_in_force(session, code, on)
        if version is None:
            raise jobs.JobFailed("no_version_in_force", f"No published version of {code} is valid on {on}.")
        programme = programmes.compiled(version.document)
        if automatic and programme.file.enrolment != "automatic":  # another version came into force meanwhile
            return {"programme_version": version.version, "newly_enrolled": 0}
        bounds = await unit_bounds(session, programme, CHUNK)
    number = version.version
    causes: Counter[str] = Counter()

    async def enrol(session: AsyncSession, after: UUID | None, until: UUID) -> int:
        if automatic:
            found = await enrol_newcomers_chunk(session, programme, number, on, after=after, until=until)
            causes.update(found)
            return sum(found.values())
        return await enrol_chunk(session, programme, number, on, after=after, until=until, cause="by_officer", by=by)

    listed = await in_ranges(run, bounds, enrol, "households decided")
    result = {"programme_version": number, "households": bounds[-1][1] if bounds else 0, "newly_enrolled": listed}
    async with run.context.database.session() as session:
        await run.still_mine(session)
        if programme.file.capacity is not None:
            admitted = await admit_waiting(session, programme.file, on, by)
            result |= {"newly_enrolled": admitted, "listed": listed}
        await _remember(session, run, code, on, automatic=automatic)
        if causes:
            result["causes"] = dict(causes)
            detail = {"effective_on": on.isoformat(), "job_id": str(run.id), **result}
            await audit.record(session, "worker", "programme.enrol", "programme", code, detail)
    return result


async def _remember(session: AsyncSession, run: jobs.JobRun, code: str, on: date, *, automatic: bool) -> None:
    """An officer's enrolment opens the programme for the daily look, and is that day's look if it was for today."""
    if not automatic:
        await looks.open_programme(session, code, on)
    if automatic or on == run.context.clock.today():
        await looks.mark_looked(session, code, on)
