"""Use-case: judge running enrolments again when life goes on: births, ages, deaths, moves, cards.

Every few minutes those of whom something newer is known; once a day everybody, because dates pass without any event.
What
follows is carried out by the platform: suspended, resumed, graduated, ended, moved; then free places are filled.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.chunks import in_ranges
from services.eligibility.enrolments import reassessing_sql
from services.eligibility.enrolments.admit_waiting import admit_waiting
from services.eligibility.enrolments.reassessments import mark_full, to_reassess
from services.eligibility.facts.units import unit_bounds
from services.eligibility.programmes import repository as programmes
from shared import audit, jobs
from shared.auth import Principal
from shared.service import Context

KIND: Final = "reassess_programme"
CHUNK = 50_000
"""Households a transaction."""
EVERY: Final = timedelta(minutes=5)


async def reassess_programme(session: AsyncSession, principal: Principal, code: str, on: date) -> UUID:
    """Queue a reassessment of everybody, asked for by an officer.

    Returns:
        The job's id.
    """
    job_id = await _enqueue(session, code, on, full=True)
    await audit.record(
        session, principal, "programme.reassess", "programme", code, {"on": on.isoformat(), "job_id": str(job_id)}
    )
    return job_id


async def _enqueue(session: AsyncSession, code: str, on: date, *, full: bool) -> UUID:
    payload = {"programme_code": code, "on": on.isoformat(), "full": full}
    return await jobs.enqueue(session, KIND, payload, key=f"{code}|{on}|{'full' if full else 'changed'}")


async def queue_reassessments(context: Context) -> None:
    """The schedule: one job for each programme with enrolments that has something to look at today."""
    today = context.clock.today()
    async with context.database.session() as session:
        for row in await to_reassess(session, today):
            await _enqueue(session, row.programme_code, today, full=row.full)


async def run_reassessment(run: jobs.JobRun) -> dict[str, Any]:
    """The job. Without a version in force on the day nothing is done: an ended programme ends by an officer's word.

    Returns:
        Enrolments changed, by action; how many were admitted from the waiting list.
    """
    code, on, full = run.payload["programme_code"], date.fromisoformat(run.payload["on"]), run.payload["full"]
    async with run.context.database.session() as session:
        version = await programmes.version_in_force(session, code, on)
        if version is None:
            return {"programme_version": None}
        programme = programmes.compiled(version.document)
        bounds = await unit_bounds(session, programme, CHUNK)
    only = reassessing_sql.running_of(code) if full else reassessing_sql.changed_of(code)
    changed: Counter[str] = Counter()

    async def reassess(session: AsyncSession, after: UUID | None, until: UUID) -> int:
        done = await reassessing_sql.reassess_chunk(
            session, programme, version.version, on, only, after=after, until=until
        )
        changed.update({action.value: count for action, count in done.items()})
        return sum(done.values())

    await in_ranges(run, bounds, reassess, "households judged again")
    async with run.context.database.session() as session:
        await run.still_mine(session)
        admitted = await admit_waiting(session, programme.file, on)
        if full:
            await mark_full(session, code, on)
        if changed.total() or admitted:
            await audit.record(
                session, "worker", "programme.reassessed", "programme", code, dict(changed) | {"admitted": admitted}
            )
    return {"programme_version": version.version, "admitted": admitted, **changed}
