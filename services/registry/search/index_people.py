"""Keep the index of names: a few households at once with the change itself, many by a job that follows it.

A projection of persons, memberships and households: taking every household anew rebuilds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.search import repository
from services.registry.search.names import name_keys
from shared.jobs import JobKind, JobRun, Schedule, enqueue
from shared.service import Context

INDEX_JOB: Final = "index_people"
AT_ONCE: Final = 50
"""Up to so many households are indexed in the transaction that changes them: a clerk finds what she just entered."""
CHUNK: Final = 2_000


async def note_changed(session: AsyncSession, households: Sequence[UUID]) -> None:
    """Index these households now if they are few; else note them for the job."""
    if len(households) <= AT_ONCE:
        await index_households(session, households)
        return
    for start in range(0, len(households), CHUNK):
        await repository.note_pending(session, households[start : start + CHUNK])


async def index_households(session: AsyncSession, households: Sequence[UUID]) -> int:
    """Write the keys of everybody who lives in these households. Returns the number of persons."""
    found = await repository.names_of(session, households)
    rows = [(key, row.village_code, row.person_id) for row in found for key in name_keys(row.name_km, row.name_en)]
    rows.sort()
    await repository.replace_keys(session, households, rows)
    return len(found)


async def index_pending(run: JobRun) -> Mapping[str, Any]:
    """Index the households noted, a chunk a transaction, until there are none."""
    done = 0
    while True:
        async with run.context.database.session() as session:
            await run.still_mine(session)
            households = await repository.take_pending(session, 1)
            if not households:
                return {"people": done}
            done += await index_households(session, households)
        await run.progress(done, None, "indexing names")


async def start_indexing(context: Context) -> None:
    """Queue the job if households wait."""
    async with context.database.session() as session:
        if await repository.is_pending(session):
            await enqueue(session, INDEX_JOB, {}, key=INDEX_JOB)


INDEX_PEOPLE = JobKind(INDEX_JOB, index_pending)
START_INDEXING = Schedule("start_indexing", timedelta(seconds=5), start_indexing)
