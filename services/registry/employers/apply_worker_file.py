"""The job that insures the workers of a file: known ones are linked, newcomers entered, a chunk a transaction.

Each bad line is reported and the others go on. Killed at any point it goes on where it stopped: lines that were taken
are marked in the transaction that takes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.consents.require_consent import known_purpose
from services.registry.employers import repository
from services.registry.employers import worker_file_repository as files
from services.registry.employers.receive_worker_file import WORKER_FILE_JOB
from services.registry.history.begin_change import begin_change
from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.publish import publish_states
from services.registry.imports import repository as imports
from services.registry.imports.repository import Check
from shared import audit
from shared.jobs import JobFailed, JobKind, JobRun

PURPOSE: Final = "employer_link"
SCOPE: Final = "insured_workers"
EVERYWHERE: Final = ("*",)
"""A worker lives where she lives: an employer's file is not bound to an area."""


async def apply_worker_file(run: JobRun) -> Mapping[str, Any]:
    """Check, enter, link and count. Returns the counters."""
    file_id = UUID(run.payload["file_id"])
    async with run.context.database.session() as session:
        file = await files.find_file(session, file_id)
    if file is None:
        raise JobFailed("worker_file_not_found", "The file is not recorded here.")
    check = Check(file_id, EVERYWHERE, run.context.clock.today())
    if file.finished_at is None:
        await _check(run, check)
        await _enter(run, check, file)
        await _link(run, file)
        await _finish(run, file)
    async with run.context.database.session() as session:
        done = await files.find_file(session, file_id)
    assert done is not None
    return {name: getattr(done, name) for name in ("rows", "linked", "entered", "unchanged", "rejected")}


def _origin(file: Row[Any]) -> Origin:
    reason = "reported by the employer"
    by = file.submitted_by
    return Origin(ChangeKind.LIFE_CHANGE, ChangeSource.EMPLOYER, by, reason, file.insured_from, file.employer_id)


async def _check(run: JobRun, check: Check) -> None:
    await run.progress(0, None, "checking")
    async with run.context.database.session() as session:
        await run.still_mine(session)
        await imports.bulk(session)
        consent = known_purpose(PURPOSE, SCOPE).basis != "law"
        await files.prepare(session, check.batch_id, consent=consent, purpose=PURPOSE, scope=SCOPE)
        for statement in imports.CHECKS:
            await imports.run_check(session, statement, check)
        await files.reject(session, check.batch_id)


async def _enter(run: JobRun, check: Check, file: Row[Any]) -> None:
    """Enter newcomers, each as a household of her own, and link them in the same transaction."""
    size, after = run.context.settings.import_chunk_households, 0
    while True:
        async with run.context.database.session() as session:
            await imports.bulk(session)
            seqs = await imports.next_chunk(session, check.batch_id, after, size)
            if not seqs:
                return
            now = run.context.clock.now()
            await begin_change(session, _origin(file), now)
            loaded = await imports.load_households(session, check, seqs, now)
            workers = await files.newcomers(session, check.batch_id, seqs[0], seqs[-1])
            if workers:
                await _insure(session, run, file, workers)
                await files.set_states(session, file.id, [(row.line, "entered") for row in workers])
            await publish_states(session, [*loaded.registered, *loaded.updated], now)
            await run.still_mine(session)
        after = seqs[-1]
        await run.progress(after, None, "entering newcomers")


async def _link(run: JobRun, file: Row[Any]) -> None:
    """Link those whom the register knows."""
    done = 0
    while True:
        async with run.context.database.session() as session:
            await run.still_mine(session)
            workers = await files.next_known(session, file.id, run.context.settings.import_chunk_households)
            if not workers:
                return
            now = run.context.clock.now()
            already = await repository.insured(session, file.employer_id, [row.person_id for row in workers])
            fresh = [row for row in workers if row.person_id not in already]
            if fresh:
                await begin_change(session, _origin(file), now)
                await _insure(session, run, file, fresh)
                homes = sorted({row.household_id for row in fresh if row.household_id is not None})
                await publish_states(session, await repository.touch(session, homes, file.insured_from, now), now)
            states = [(row.line, "unchanged" if row.person_id in already else "linked") for row in workers]
            await files.set_states(session, file.id, states)
        done += len(workers)
        await run.progress(done, None, "linking workers")


async def _insure(session: AsyncSession, run: JobRun, file: Row[Any], workers: Sequence[Row[Any]]) -> None:
    now, today = run.context.clock.now(), run.context.clock.today()
    people = [row.person_id for row in workers]
    given = [row for row in workers if row.consent_means is not None]
    means = [row.consent_means for row in given]
    await repository.add_consents(session, [row.person_id for row in given], means, today, file.submitted_by, now)
    await repository.insure(session, file.employer_id, people, file.insured_from, file.submitted_by, now)
    await repository.link(session, file.employer_id, people)


async def _finish(run: JobRun, file: Row[Any]) -> None:
    async with run.context.database.session() as session:
        await run.still_mine(session)
        await files.finish(session, file.id, run.context.clock.now())
        await files.forget_rows(session, file.id)
        while await imports.purge_rows(session, file.id):
            pass
        await imports.purge_households(session, file.id)
        done = await files.find_file(session, file.id)
        assert done is not None
        detail = {name: getattr(done, name) for name in ("linked", "entered", "unchanged", "rejected")}
        await audit.record(session, "worker", "employer.apply_workers", "worker_file", file.id, detail)


APPLY_WORKER_FILE = JobKind(WORKER_FILE_JOB, apply_worker_file)
