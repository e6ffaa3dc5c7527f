"""Use-case: rehearse a version over the whole population. Nothing is stored but the counts; nobody is told anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.chunks import in_ranges
from services.eligibility.facts.units import unit_bounds
from services.eligibility.model import AnyRow
from services.eligibility.programmes import repository as programmes
from services.eligibility.programmes.compiled import CompiledProgramme
from services.eligibility.programmes.errors import ProgrammeUnknown
from services.eligibility.programmes.periods import first_day, period_dates
from services.eligibility.rehearsal import repository
from services.eligibility.rehearsal.counting import Tables, month_document, result_document, result_hash
from services.eligibility.rehearsal.errors import CannotRehearse
from services.eligibility.rehearsal.population_sql import Trial, count_ahead, count_first
from services.eligibility.rehearsal.schemas import RehearsalAccepted, RehearsalRequest
from services.eligibility.rehearsal.sources_sql import Period
from shared import audit, jobs
from shared.auth import Principal

KIND: Final = "rehearse_version"
CHUNK: Final = 25_000
"""Households a transaction."""


async def rehearse_version(
    session: AsyncSession, principal: Principal, code: str, version: int, request: RehearsalRequest
) -> RehearsalAccepted:
    """Queue a rehearsal of a version, draft or published, against what is in force.

    Raises:
        ProgrammeUnknown: there is no such version.
        CannotRehearse: the programme pays nothing in the first period, or never does.
    """
    stored = await programmes.find_version(session, code, version)
    if stored is None:
        raise ProgrammeUnknown(f"{code} has no version {version}.")
    draft = programmes.compiled(stored.document)
    try:
        period_dates(draft.file, request.from_period)
    except ValueError as error:
        raise CannotRehearse(f"Choose another from_period: {error}.") from error
    baseline = await _in_force(session, code, version, first_day(request.from_period))
    asked = request.model_dump(mode="json")
    rehearsal_id = await repository.create(session, code, version, baseline, asked, principal.subject)
    job_id = await jobs.enqueue(session, KIND, {"rehearsal_id": str(rehearsal_id)}, key=str(rehearsal_id))
    await audit.record(
        session, principal, "rehearsal.start", "rehearsal", rehearsal_id,
        {"programme_code": code, "version": version, "baseline_version": baseline},
    )  # fmt: skip
    return RehearsalAccepted(rehearsal_id=rehearsal_id, job_id=job_id)


async def _in_force(session: AsyncSession, code: str, version: int, on: date) -> int | None:
    found = await programmes.version_in_force(session, code, on)
    return found.version if found is not None and found.version != version else None


@dataclass(frozen=True)
class _Plan:
    row: AnyRow
    trial: Trial
    periods: list[Period]
    bounds: list[tuple[UUID, int]]


async def run_rehearsal(run: jobs.JobRun) -> dict[str, Any]:
    """The job: the first period over everybody with all tables, the months ahead over the sample, in exact sums.

    Returns:
        The hash of the result, and its totals.
    """
    plan = await _plan(run)
    request = plan.trial.request
    first, ahead = Tables(), Tables()

    async def count(session: AsyncSession, after: UUID | None, until: UUID) -> int:
        rows = list(await count_first(session, plan.trial, plan.periods[0], after=after, until=until))
        first.add(rows)
        if len(plan.periods) > 1:
            later = await count_ahead(session, plan.trial, plan.periods[1:], after=after, until=until)
            ahead.add(later)
        return len(rows)

    await in_ranges(run, plan.bounds, count, "households rehearsed")
    months = [
        month_document(
            period.name,
            first.sums() if period.number == 0 else ahead.sums(str(period.number)),
            100 if period.number == 0 else request.assumptions.sample_percent,
        )
        for period in plan.periods
    ]
    result = result_document(first, months, request, plan.trial.draft)
    row = plan.row
    digest = result_hash(row.programme_code, row.version, row.baseline_version, row.request, result)
    async with run.context.database.session() as session:
        await run.still_mine(session)
        await repository.finish(session, row.id, result, digest, run.context.clock.now())
    return {"rehearsal_id": str(row.id), "result_hash": digest, **result["totals"]}


async def _plan(run: jobs.JobRun) -> _Plan:
    async with run.context.database.session() as session:
        await run.still_mine(session)
        row = await repository.find(session, UUID(run.payload["rehearsal_id"]))
        assert row is not None, "rehearsals are never deleted"
        await repository.forget_changes(session, row.id)
        drafted = await programmes.find_version(session, row.programme_code, row.version)
        assert drafted is not None, "versions are never deleted"
        draft = programmes.compiled(drafted.document)
        baseline = None
        if row.baseline_version is not None:
            stored = await programmes.find_version(session, row.programme_code, row.baseline_version)
            assert stored is not None, "versions are never deleted"
            same = programmes.compiled(stored.document)
            baseline = same if same.file.unit == draft.file.unit else None
        bounds = list(await unit_bounds(session, draft, CHUNK))
    request = RehearsalRequest.model_validate(row.request)
    periods = list(_periods(draft, request))
    trial = Trial(row.id, draft, baseline, request, periods[0].dates.reference_date)
    return _Plan(row, trial, periods, bounds)


def _periods(draft: CompiledProgramme, request: RehearsalRequest) -> Iterator[Period]:
    """The periods in which the programme pays, among the months asked for."""
    start = first_day(request.from_period)
    for ahead in range(request.months):
        month = start.year * 12 + start.month - 1 + ahead
        name = f"{month // 12:04d}-{month % 12 + 1:02d}"
        try:
            yield Period(ahead, name, period_dates(draft.file, name))
        except ValueError:  # a month without a payment, e.g. of a quarterly programme
            continue
