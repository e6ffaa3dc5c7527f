"""A minimal service on the kit: one aggregate, one endpoint of each kind, one projection. For the kit's own tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, Field
from sqlalchemy import BigInteger, Column, Integer, Table, Text, Uuid, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared import audit
from shared.auth import Principal, requires
from shared.consumer import Received, Subscription
from shared.contracts.registry import HOUSEHOLDS, HouseholdDissolved
from shared.db import upsert_versioned
from shared.errors import Conflict
from shared.etag import IfMatch, check_version, etag
from shared.http import ClockDep, Router, SessionDep
from shared.ids import uuid7
from shared.jobs import JobKind, JobRun, Schedule, enqueue
from shared.outbox import publish
from shared.pagination import Page, Paging
from shared.service import Context, Service
from shared.settings import Settings
from shared.tables import new_metadata
from shared.telemetry import current_traceparent

metadata = new_metadata()
thing = Table(
    "thing",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, unique=True),
    Column("version", Integer),
)
seen = Table(
    "seen",
    metadata,
    Column("household_id", Uuid, primary_key=True),
    Column("version", BigInteger),
    Column("cause", Text),
    Column("times", Integer),
)


class ProbeSettings(Settings):
    service: str = "probe"
    probe_secret: str = "none"


class ThingIn(BaseModel):
    name: str = Field(min_length=1, max_length=40)


class ThingOut(BaseModel):
    id: UUID
    name: str
    version: int


Clerk = Annotated[Principal, requires("clerk")]
router = Router(prefix="/probe/v1")


def dissolved(identifier: UUID, version: int = 1, cause: Any = "error") -> HouseholdDissolved:
    return HouseholdDissolved(household_id=identifier, cause=cause, effective_on="2020-07-01", version=version)


@router.post("/things", status_code=201)
async def add_thing(body: ThingIn, session: SessionDep, clerk: Clerk, response: Response) -> ThingOut:
    identifier = uuid7()
    await session.execute(insert(thing).values(id=identifier, name=body.name, version=1))
    await audit.record(session, clerk, "thing.add", "thing", identifier)
    await publish(session, [dissolved(identifier)])
    if body.name == "refuse":
        raise Conflict("This one is refused after it was written.")
    response.headers["ETag"] = etag(1)
    return ThingOut(id=identifier, name=body.name, version=1)


@router.put("/things/{thing_id}")
async def rename_thing(thing_id: UUID, body: ThingIn, session: SessionDep, _: Clerk, expected: IfMatch) -> ThingOut:
    row = (await session.execute(select(thing).where(thing.c.id == thing_id).with_for_update())).one()
    check_version(expected, row.version)
    changed = update(thing).where(thing.c.id == thing_id).values(name=body.name, version=row.version + 1)
    await session.execute(changed)
    return ThingOut(id=thing_id, name=body.name, version=row.version + 1)


@router.get("/things")
async def list_things(session: SessionDep, _: Clerk, paging: Paging) -> Page[ThingOut]:
    query = select(thing).order_by(thing.c.name).limit(paging.fetch)
    after = paging.after()
    if after is not None:
        query = query.where(thing.c.name > after["name"])
    rows = (await session.execute(query)).mappings().all()
    return paging.page([ThingOut(**row) for row in rows], key=lambda row: {"name": row.name})


@router.post("/jobs", status_code=202)
async def queue_job(body: dict[str, Any], session: SessionDep, _: Clerk, clock: ClockDep) -> dict[str, str]:
    return {"job_id": str(await enqueue(session, "count", body, key=body.get("key")))}


@router.get("/broken")
async def broken(_: Clerk) -> None:
    raise ZeroDivisionError("national id 123456789")


TRACES: list[str | None] = []


async def on_dissolved(context: Context, session: AsyncSession, events: Sequence[Received[HouseholdDissolved]]) -> None:
    TRACES.append(current_traceparent())
    if any(event.payload.cause == "merged" for event in events):
        raise ValueError("this handler cannot take merged households: 123456789")
    if any(event.payload.cause == "emigrated" and event.payload.version == 99 for event in events):
        await session.execute(insert(seen).values(household_id=uuid7(), version="no number", cause=""))
    rows = [
        {"household_id": e.payload.household_id, "version": e.payload.version, "cause": e.payload.cause, "times": 1}
        for e in events
    ]
    await upsert_versioned(session, seen, rows, key=["household_id"])


async def forget(context: Context, session: AsyncSession) -> None:
    await session.execute(delete(seen))


RUNS: list[str] = []


async def count(run: JobRun) -> dict[str, Any]:
    RUNS.append(str(run.id))
    if run.payload.get("fail", 0) >= run.attempt:
        raise RuntimeError("not this time")
    await run.progress(run.payload.get("n", 1), run.payload.get("n", 1), "counted")
    return {"counted": run.payload.get("n", 1)}


TICKS: list[str] = []


async def tick(context: Context) -> None:
    TICKS.append(context.clock.now().isoformat())


SERVICE = Service(
    name="probe",
    settings=ProbeSettings,
    migrations=Path(__file__).parent / "migrations",
    routers=[router],
    subscriptions=[Subscription(HOUSEHOLDS, [HouseholdDissolved], on_dissolved, reset=forget)],
    jobs=[JobKind("count", count, lease=timedelta(seconds=30), max_attempts=3)],
    schedules=[Schedule("tick", timedelta(minutes=10), tick)],
    publishes=[HOUSEHOLDS],
)
