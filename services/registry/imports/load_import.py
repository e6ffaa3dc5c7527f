"""The job that checks a staged file as a set and loads its good households, chunk by chunk.

Killed at any point, it goes on where the last committed chunk ended: each chunk's households, events and outcome commit
together. Run again after its end, it changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from services.registry.history.begin_change import begin_change
from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.publish import publish_states
from services.registry.imports import repository
from services.registry.imports.model import ImportState
from services.registry.imports.receive_import import LOAD_JOB
from services.registry.imports.repository import Check
from shared.db import sqlstate
from shared.jobs import JobFailed, JobKind, JobRun

UNIQUE_VIOLATION: Final = "23505"
LARGE: Final = 1000
"""Lines from which the planner is told what came in: below, it plans well without."""


async def load_import(run: JobRun) -> Mapping[str, Any]:
    """Check, then load unless it is a dry run, then count and clean up. Returns the counters."""
    import_id = UUID(run.payload["import_id"])
    async with run.context.database.session() as session:
        found = await repository.find_import(session, import_id)
    if found is None:
        raise JobFailed("import_not_found", "The import is not recorded here.")
    check = Check(import_id, tuple(found.areas), run.context.clock.today())
    if found.state == ImportState.RECEIVED:
        await _check(run, check, found.rows, dry_run=found.dry_run, hold=found.newcomers == "hold")
    if found.state != ImportState.FINISHED:
        if not found.dry_run:
            await _load(run, check, found.submitted_by)
        await _finish(run, import_id, found.rows, dry_run=found.dry_run)
    await _clean_up(run, import_id)
    async with run.context.database.session() as session:
        done = await repository.find_import(session, import_id)
    assert done is not None
    return counters(done)


def counters(row: Any) -> dict[str, int]:
    """What became of a file, as numbers."""
    names = ("rows", "households", "registered", "updated", "unchanged", "candidates")
    return {name: getattr(row, name) for name in (*names, "rejected_households", "rejected_rows", "rejections")}


async def _check(run: JobRun, check: Check, rows: int, *, dry_run: bool, hold: bool) -> None:
    if rows >= LARGE:
        async with run.context.database.session() as session:
            await repository.analyze(session)
            await repository.analyze_register(session)  # what a file just before this one brought is not known yet
    await _run_checks(run, check, repository.PLACE_CHECKS, 0)
    await _group(run, check, rows)
    last = (repository.FORESEE,) if dry_run else ()
    first = (repository.HOLD_NEWCOMERS,) if hold else ()
    await _run_checks(run, check, (*first, *repository.HOUSEHOLD_CHECKS, *last), 2)
    async with run.context.database.session() as session:
        await repository.record(session, check.batch_id, state=ImportState.VALIDATED)


async def _run_checks(run: JobRun, check: Check, statements: Sequence[str], done: int) -> None:
    """Checks of one kind, in one transaction: killed in it, they are all made again."""
    await run.progress(done, 3, "checking")
    async with run.context.database.session() as session:
        await run.still_mine(session)
        await repository.bulk(session)
        for statement in statements:
            await repository.run_check(session, statement, check)


async def _group(run: JobRun, check: Check, rows: int) -> None:
    """Make the lines households: of a large file, in as many ranges at once as there are lanes."""
    await run.progress(1, 3, "checking")
    async with run.context.database.session() as session:
        await run.still_mine(session)
        last = await repository.last_seq(session, check.batch_id)
    size = -(-last // run.context.settings.import_lanes) if rows >= LARGE else last
    firsts = range(1, last + 1, max(size, 1))
    await _side_by_side(_group_range(run, check, first, first + size - 1) for first in firsts)
    if rows >= LARGE:
        async with run.context.database.session() as session:
            await repository.analyze_households(session)  # the checks after it begin from them


async def _side_by_side(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of these at once; what one meets stops the others and is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:  # nothing of this run may commit after it has ended
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _group_range(run: JobRun, check: Check, first: int, last: int) -> None:
    async with run.context.database.session() as session:
        await repository.bulk(session)
        await repository.run_check(session, repository.GROUP_HOUSEHOLDS, check, first, last)
        await run.still_mine(session)  # last: it locks the job's row, which the other ranges and the heart want too


async def _load(run: JobRun, check: Check, by: str) -> None:
    async with run.context.database.session() as session:
        counted = await repository.count_outcomes(session, check.batch_id)
    done = sum(counted[name] for name in ("registered", "updated", "unchanged", "rejected_households"))
    await _Loading(run, check, by, done, counted["households"]).run_lanes()


class _Loading:
    """Loads a file's households in chunks, as many chunks at once as there are lanes.

    Chunks are ranges of `seq` that never overlap, each in a transaction of its own, and the checks have refused every
    number that two households of the file have: lanes do not wait for each other but to commit.
    """

    def __init__(self, run: JobRun, check: Check, by: str, done: int, total: int) -> None:
        self._run, self._check, self._by = run, check, by
        self._done, self._total = done, total
        self._turn = asyncio.Lock()
        self._after = 0
        self._full_chunks = 0

    async def run_lanes(self) -> None:
        """Load everything; what one lane meets stops the others and is raised."""
        await _side_by_side(self._lane() for _ in range(self._run.context.settings.import_lanes))

    async def _lane(self) -> None:
        while seqs := await self._take():
            try:
                await _load_chunk(self._run, self._check, self._by, seqs)
            except IntegrityError as error:
                if sqlstate(error) != UNIQUE_VIOLATION:
                    raise
                seqs_left = await _check_again(self._run, self._check, seqs)
                if seqs_left:
                    await _load_chunk(self._run, self._check, self._by, seqs_left)
            await self._tell(len(seqs))

    async def _take(self) -> Sequence[int]:
        """The next chunk that no lane has; none: there are no more."""
        size = self._run.context.settings.import_chunk_households
        async with self._turn:
            async with self._run.context.database.session() as session:
                seqs = await repository.next_chunk(session, self._check.batch_id, self._after, size)
            self._after = seqs[-1] if seqs else self._after
        return seqs

    async def _tell(self, households: int) -> None:
        async with self._turn:
            self._done += households
            await self._run.progress(self._done, self._total, "loading")
            full = households == self._run.context.settings.import_chunk_households
            if full and self._done < self._total:
                self._full_chunks += 1
                if self._full_chunks.bit_count() == 1:  # after 1, 2, 4, 8 ... full chunks
                    async with self._run.context.database.session() as session:
                        await repository.analyze_register(session)


def import_origin(run: JobRun, check: Check) -> Origin:
    """Who says so: the officer whose file it is."""
    by = run.created_by or "system:import"
    return Origin(
        ChangeKind.REGISTRATION, ChangeSource.IMPORT, by, "household file", check.today, source_id=check.batch_id
    )


async def _load_chunk(run: JobRun, check: Check, by: str, seqs: Sequence[int]) -> None:
    """Load one chunk, with its events, in one transaction, that commits only while the job is this run's."""
    async with run.context.database.session() as session:
        await repository.bulk(session)
        now = run.context.clock.now()
        await begin_change(session, import_origin(run, check), now)
        loaded = await repository.load_households(session, check, seqs, now, by)
        await publish_states(session, loaded.updated, now)
        if loaded.registration is not None:
            await repository.return_to(session, loaded.registration)
            await publish_states(session, loaded.registered, now)
        await run.still_mine(session)  # last: it locks the job's row, which the other lanes and the heart want too


async def _check_again(run: JobRun, check: Check, seqs: Sequence[int]) -> Sequence[int]:
    """Somebody registered a household or a number of this chunk since the checks: refuse what is now refused.

    Returns the households of the chunk that are left.
    """
    first, last = seqs[0], seqs[-1]
    async with run.context.database.session() as session:
        await run.still_mine(session)
        await repository.bulk(session)
        for statement in repository.RECHECKS:
            await repository.run_check(session, statement, check, first, last)
        left = await repository.next_chunk(session, check.batch_id, first - 1, len(seqs))
    return [seq for seq in left if seq <= last]


async def _finish(run: JobRun, import_id: UUID, rows: int, *, dry_run: bool) -> None:
    now = run.context.clock.now()
    async with run.context.database.session() as session:
        await run.still_mine(session)
        await repository.bulk(session)
        candidates = 0 if dry_run else await repository.list_candidates(session, import_id, now)
        counted = await repository.count_outcomes(session, import_id)
        rejected_rows = rows - counted.pop("accepted_rows")
        await repository.record(
            session,
            import_id,
            state=ImportState.FINISHED,
            finished_at=now,
            candidates=candidates,
            rejected_rows=rejected_rows,
            **counted,
        )


async def _clean_up(run: JobRun, import_id: UUID) -> None:
    """Staged lines hold names: they go as soon as they are not needed."""
    more = True
    while more:
        async with run.context.database.session() as session:
            more = await repository.purge_rows(session, import_id)
        await run.heartbeat()
    async with run.context.database.session() as session:
        await repository.purge_households(session, import_id)


LOAD_IMPORT = JobKind(LOAD_JOB, load_import)
