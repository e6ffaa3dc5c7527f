"""A minimal service whose processes are killed: households that change, and a record of every change applied.

The record (`application`) has no key that could hide a second application, and the handler guards nothing: whatever
keeps effects once-only is the kit's inbox alone.

    python -m tests.faults.probe_service api|relay|consumer|worker|migrate|replay
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import BigInteger, Column, Identity, Integer, Table, Text, Uuid, delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.auth import Principal, requires
from shared.consumer import Received, Subscription
from shared.contracts.registry import HOUSEHOLDS, HouseholdDissolved
from shared.db import rows_from_json
from shared.http import Router, SessionDep
from shared.jobs import JobKind, JobRun, enqueue
from shared.runner import main
from shared.service import Context, Service
from shared.settings import Settings
from shared.tables import new_metadata

metadata = new_metadata()
household = Table("household", metadata, Column("id", Uuid, primary_key=True), Column("version", Integer))
application = Table(
    "application",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("household_id", Uuid),
    Column("version", Integer),
)
mended = Table("mended", metadata, Column("cause", Text, primary_key=True))

_LOCK: Final = text("SELECT id FROM household WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")
_CHANGE: Final = text(
    "WITH changed AS (UPDATE household SET version = version + 1 WHERE id = ANY(:ids) RETURNING id, version)"
    " INSERT INTO outbox (topic, key, type, data)"
    " SELECT CAST(:topic AS text), id::text, CAST(:type AS text), json_build_object("
    "  'version', version, 'household_id', id, 'cause', CAST(:cause AS text), 'effective_on', '2020-07-01')"
    " FROM changed"
)
_START_CHUNK: Final = text(
    "INSERT INTO chunk (job_id, done) VALUES (:job, 0) ON CONFLICT (job_id) DO UPDATE SET done = chunk.done"
    " RETURNING done"
)


class ProbeSettings(Settings):
    """Nothing of its own."""

    service: str = "faults"


class Change(BaseModel):
    """Households to change once, in one transaction."""

    household_ids: list[UUID] = Field(max_length=1000)
    cause: str = "error"


class ChangeJob(BaseModel):
    """Changes to be made by the worker: one transaction for each list."""

    chunks: list[list[UUID]] = Field(max_length=1000)


Clerk = Annotated[Principal, requires("registry_officer")]
router = Router(prefix="/faults/v1")


async def change(session: AsyncSession, household_ids: Sequence[UUID], cause: str = "error") -> None:
    """Give each household its next version and publish it."""
    ids = list(household_ids)
    await session.execute(_LOCK, {"ids": ids})
    await session.execute(_CHANGE, {"ids": ids, "topic": HOUSEHOLDS, "type": HouseholdDissolved.TYPE, "cause": cause})


@router.post("/changes", status_code=201)
async def change_households(body: Change, session: SessionDep, _: Clerk) -> dict[str, int]:
    """Change households."""
    await change(session, body.household_ids, body.cause)
    return {"changed": len(body.household_ids)}


@router.post("/change-jobs", status_code=202)
async def queue_changes(body: ChangeJob, session: SessionDep, _: Clerk) -> dict[str, str]:
    """Let the worker change households."""
    chunks = [[str(identifier) for identifier in chunk] for chunk in body.chunks]
    return {"job_id": str(await enqueue(session, "change", {"chunks": chunks}))}


async def run_changes(run: JobRun) -> dict[str, Any]:
    """Make the changes chunk by chunk; a successor goes on after the last chunk that was committed."""
    chunks: list[list[str]] = run.payload["chunks"]
    done = 0
    while done < len(chunks):
        async with run.context.database.session() as session:
            await run.still_mine(session)
            done = (await session.execute(_START_CHUNK, {"job": run.id})).scalar_one()
            if done < len(chunks):
                await change(session, [UUID(identifier) for identifier in chunks[done]])
                done += 1
                await session.execute(
                    text("UPDATE chunk SET done = :done WHERE job_id = :job"), {"done": done, "job": run.id}
                )
        await run.progress(done, len(chunks))
    return {"chunks": done}


async def on_dissolved(context: Context, session: AsyncSession, events: Sequence[Received[HouseholdDissolved]]) -> None:
    """Record each change. `merged` cannot be taken before an operator mended it."""
    if any(event.payload.cause == "merged" for event in events):
        known = await session.scalar(select(mended.c.cause).where(mended.c.cause == "merged"))
        if known is None:
            raise ValueError("merged households are not understood yet")
    rows = [{"household_id": str(e.payload.household_id), "version": e.payload.version} for e in events]
    incoming = rows_from_json(application, ["household_id", "version"])
    await session.execute(
        insert(application).from_select(
            ["household_id", "version"], select(incoming.c.household_id, incoming.c.version)
        ),
        {"rows": rows},
    )


async def forget(context: Context, session: AsyncSession) -> None:
    """Empty what `on_dissolved` builds, before a replay of the topic."""
    await session.execute(delete(application))


SERVICE = Service(
    name="faults",
    settings=ProbeSettings,
    migrations=Path(__file__).parent / "migrations",
    routers=[router],
    subscriptions=[Subscription(HOUSEHOLDS, [HouseholdDissolved], on_dissolved, reset=forget)],
    jobs=[JobKind("change", run_changes, lease=timedelta(seconds=3), max_attempts=1000)],
    publishes=[HOUSEHOLDS],
)

if __name__ == "__main__":
    main(SERVICE)
