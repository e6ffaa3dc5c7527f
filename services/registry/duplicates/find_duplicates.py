"""The job that compares newcomers with everybody, and lists whom an officer should look at.

Read as a stream, compared in a thread (DuckDB works outside Python), written in portions. Run again, it lists nobody
twice. The nightly schedule covers whoever was registered since the last run.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from services.registry.duplicates import repository
from services.registry.duplicates.features import Person, feature_batch, village_place
from services.registry.duplicates.rules import load_rules
from shared import audit
from shared.ids import uuid7
from shared.jobs import JobFailed, JobKind, JobRun, Schedule, enqueue
from shared.service import Context

if TYPE_CHECKING:
    from services.registry.duplicates.compare import Comparison, Pair

FIND_JOB: Final = "find_duplicates"
PORTION: Final = 5_000


async def find_duplicates(run: JobRun) -> Mapping[str, Any]:
    """Compare, and list pairs. Returns how many people, and how many pairs."""
    run_id = UUID(run.payload["run_id"])
    async with run.context.database.session() as session:
        found = await repository.find_run(session, run_id)
    if found is None:
        raise JobFailed("run_not_found", "The run is not recorded here.")
    # splink, DuckDB and pandas are large: no process loads them but a worker that compares.
    from services.registry.duplicates.compare import Comparison

    comparison = Comparison(load_rules())
    try:
        fresh, known = await _read(run, comparison, found.registered_since, found.place)
        await run.progress(0, None, "comparing")
        pairs = await asyncio.to_thread(comparison.pairs)
    finally:
        comparison.close()
    listed = await _list(run, run_id, pairs)
    async with run.context.database.session() as session:
        await run.still_mine(session)
        now = run.context.clock.now()
        households = await repository.add_household_pairs(session, run_id, now)
        figures = {"persons": fresh, "compared_with": fresh + known, "candidates": listed + households}
        await repository.end_run(session, run_id, **figures, finished_at=now)
    return figures


async def _read(run: JobRun, comparison: Comparison, since: Any, place: str | None) -> tuple[int, int]:
    counts = [0, 0]
    async with run.context.database.session() as session:
        async for rows in repository.stream_people(session, since, place):
            for fresh in (True, False):
                people = [_person(row) for row in rows if row.fresh == fresh]
                if people:
                    batch = await asyncio.to_thread(feature_batch, people)
                    comparison.add(batch, known=not fresh)
                    counts[not fresh] += len(people)
            await run.progress(sum(counts), None, "reading")
    return counts[0], counts[1]


def _person(row: Any) -> Person:
    return Person(
        person_id=str(row.id),
        household_id=str(row.household_id),
        name_km=row.name_km,
        name_en=row.name_en,
        sex=row.sex,
        birth_date=row.birth_date,
        birth_date_precision=row.birth_date_precision,
        place=village_place(row.village_code),
        number=row.number,
    )


async def _list(run: JobRun, run_id: UUID, pairs: Sequence[Pair]) -> int:
    listed, likely = 0, load_rules().thresholds.likely
    remaining = iter(pairs)
    while portion := list(itertools.islice(remaining, PORTION)):
        async with run.context.database.session() as session:
            await run.still_mine(session)
            now = run.context.clock.now()
            listed += await repository.add_pairs(session, run_id, [_row(pair) for pair in portion], likely, now)
        await run.progress(listed, len(pairs), "listing")
    return listed


def _row(pair: Pair) -> dict[str, Any]:
    reasons = [{"field": name, "level": level, "weight": weight} for name, level, weight in pair.reasons]
    return {"l": pair.left, "r": pair.right, "score": round(pair.score, 5), "reasons": reasons}


async def find_new_duplicates(context: Context) -> None:
    """Queue a run over whoever was registered since the last one, if anybody was."""
    now = context.clock.now()
    async with context.database.session() as session:
        since = await repository.last_run(session)
        if since is None or not await repository.anybody_since(session, since):
            return
        run_id = uuid7()
        job_id = await enqueue(session, FIND_JOB, {"run_id": str(run_id)})
        await repository.add_run(
            session,
            id=run_id,
            job_id=job_id,
            requested_by="system:schedule",
            registered_since=since,
            place=None,
            rules=load_rules().version,
            requested_at=now,
        )
        await audit.record(session, "schedule", "duplicate_run.request", "duplicate_run", run_id)


FIND_DUPLICATES = JobKind(FIND_JOB, find_duplicates, lease=timedelta(minutes=5))
FIND_NEW_DUPLICATES = Schedule("find_new_duplicates", timedelta(days=1), find_new_duplicates)
