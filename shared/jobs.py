"""Background work: leased with heartbeats, run again after a crash, never run twice at once (fault 12).

A job is queued in the transaction that asks for it. A worker takes it for a lease, prolongs the lease while it runs,
and records its end. A worker that dies lets the lease run out, and another takes the job: handlers are idempotent and
resumable. Time comes from the context's clock, so that tests decide when a lease is over.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
from prometheus_client import Counter
from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.auth import current_subject
from shared.ids import uuid7
from shared.service import Context
from shared.tables import job_table, schedule_run
from shared.telemetry import current_traceparent, get_logger, mask, span
from shared.waiting import Backoff, Wakeup

log = get_logger(__name__)
SAFETY_POLL_SECONDS: Final = 1.0
MAX_BACKOFF: Final = timedelta(minutes=5)
CONCURRENCY: Final = 2
ENDED = Counter("samaki_jobs_total", "Jobs ended, by kind and state.", ["kind", "state"])


class JobFailed(Exception):
    """The job cannot succeed, however often it runs.

    Args:
        code: stable, machine-readable.
        message: for the person who asked for it. No personal data.
    """

    def __init__(self, code: str, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.extra = extra


class LeaseLost(Exception):
    """Another worker has the job now: this run must have no further effect."""


Result = Mapping[str, Any] | None


@dataclass(frozen=True)
class JobKind:
    """A kind of background work.

    Attributes:
        name: e.g. `import_households`.
        handler: does it; may run again after a crash; returns what is kept as the job's result.
        lease: how long a silent worker keeps the job.
        max_attempts: runs before it is given up.
    """

    name: str
    handler: Callable[[JobRun], Awaitable[Result]]
    lease: timedelta = timedelta(seconds=60)
    max_attempts: int = 5


@dataclass(frozen=True)
class Schedule:
    """Periodic work, done by one worker at a time.

    Attributes:
        name: unique in the service.
        every: pause between two runs' starts.
        handler: does it; must be harmless to repeat.
    """

    name: str
    every: timedelta
    handler: Callable[[Context], Awaitable[None]]
    lease: timedelta = timedelta(minutes=5)


class JobRun:
    """One run of one job, as its handler sees it."""

    def __init__(self, context: Context, row: Any, lease: timedelta, owner: str) -> None:
        self.context = context
        self.id: UUID = row.id
        self.kind: str = row.kind
        self.payload: dict[str, Any] = row.payload
        self.attempt: int = row.attempt
        self.created_by: str = row.created_by
        self._lease = lease
        self._owner = owner

    async def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        """Tell how far it is, and prolong the lease: in a transaction of its own.

        Raises:
            LeaseLost: the job was taken over; stop.
        """
        await self._prolong(done=done, total=total, message=message)

    async def heartbeat(self) -> None:
        """Prolong the lease.

        Raises:
            LeaseLost: the job was taken over; stop.
        """
        await self._prolong()

    async def still_mine(self, session: AsyncSession) -> None:
        """Lock the job row in the handler's own transaction: its effects then commit only while the lease is held.

        Raises:
            LeaseLost: the job was taken over.
        """
        statement = select(job_table.c.id).where(*self._is_mine()).with_for_update(key_share=True)
        if (await session.execute(statement)).first() is None:
            raise LeaseLost(str(self.id))

    def _is_mine(self) -> tuple[Any, ...]:
        return (
            job_table.c.id == self.id,
            job_table.c.lease_owner == self._owner,
            job_table.c.attempt == self.attempt,
            job_table.c.state == "running",
        )

    async def _prolong(self, **values: Any) -> None:
        values["lease_until"] = self.context.clock.now() + self._lease
        async with self.context.database.session() as session:
            result: Any = await session.execute(update(job_table).where(*self._is_mine()).values(**values))
            if result.rowcount == 0:
                raise LeaseLost(str(self.id))

    async def finish(self, **values: Any) -> None:
        """Record the end; nothing happens if the job was taken over."""
        values |= {"lease_owner": None, "lease_until": None}
        async with self.context.database.session() as session:
            await session.execute(update(job_table).where(*self._is_mine()).values(**values))


async def enqueue(
    session: AsyncSession,
    kind: str,
    payload: Mapping[str, Any],
    *,
    key: str | None = None,
    run_at: datetime | None = None,
) -> UUID:
    """Queue a job in this transaction.

    Args:
        kind: name of a JobKind of this service.
        payload: ids and settings, JSON. No personal data.
        key: while a job of this kind and key is unfinished, no other is queued: its id is returned.
        run_at: not before; default now.

    Returns:
        The job's id.
    """
    identifier = uuid7()
    insert = pg_insert(job_table).values(
        id=identifier,
        kind=kind,
        key=key,
        payload=dict(payload),
        run_at=run_at or func.now(),
        created_by=current_subject.get(),
        traceparent=current_traceparent(),
    )
    unfinished = text("state in ('queued','running')")
    insert = insert.on_conflict_do_nothing(index_elements=["kind", "key"], index_where=unfinished)
    inserted = (await session.execute(insert.returning(job_table.c.id))).scalar_one_or_none()
    if inserted is not None:
        return identifier
    existing: UUID | None = await session.scalar(
        select(job_table.c.id).where(
            job_table.c.kind == kind, job_table.c.key == key, job_table.c.state.in_(["queued", "running"])
        )
    )
    if existing is None:  # it ended between the two statements
        return await enqueue(session, kind, payload, key=key, run_at=run_at)
    return existing


class Worker:
    """Runs one service's jobs and schedules.

    Args:
        context: the service's context.
        owner: names this worker in leases; default host and pid.
    """

    def __init__(self, context: Context, owner: str | None = None) -> None:
        self._context = context
        self._kinds = {kind.name: kind for kind in context.service.jobs}
        self._owner = owner or f"{socket.gethostname()}:{os.getpid()}:{uuid7().hex[-6:]}"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; a job that runs then is finished by its lease's next owner."""
        async with asyncio.TaskGroup() as group:
            wakeups = [Wakeup() for _ in range(CONCURRENCY)]
            tasks = [group.create_task(self._work(stop, wakeup)) for wakeup in wakeups]
            tasks.append(group.create_task(self._listen(stop, wakeups)))
            tasks.append(group.create_task(self._keep_schedules(stop)))
            await stop.wait()
            for task in tasks:
                task.cancel()

    async def _listen(self, stop: asyncio.Event, wakeups: list[Wakeup]) -> None:
        backoff = Backoff()
        while not stop.is_set():
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                async with self._context.database.connection() as connection:
                    for wakeup in wakeups:
                        await connection.add_listener(f"job_{self._context.database.schema}", wakeup.on_notify)
                    lost = asyncio.Event()
                    connection.add_termination_listener(lambda _, lost=lost: lost.set())
                    await lost.wait()
            await backoff.pause(stop)

    async def _work(self, stop: asyncio.Event, wakeup: Wakeup) -> None:
        backoff = Backoff()
        while not stop.is_set():
            try:
                if not await self.run_one():
                    await wakeup.wait(SAFETY_POLL_SECONDS, stop)
                backoff.reset()
            except (DBAPIError, OSError, TimeoutError, asyncpg.InterfaceError) as error:
                log.warning("worker_waits_for_database", error=type(error).__name__)
                await backoff.pause(stop)

    async def run_one(self) -> bool:
        """Take one due job and run it to its end.

        Returns:
            Whether there was one.
        """
        row = await self._take()
        if row is None:
            return False
        kind = self._kinds[row.kind]
        run = JobRun(self._context, row, kind.lease, self._owner)
        if row.attempt > kind.max_attempts:
            error = {"code": "given_up", "message": f"It was started {kind.max_attempts} times and never ended."}
            await run.finish(state="failed", error=error, finished_at=self._context.clock.now())
            ENDED.labels(row.kind, "failed").inc()
            log.error("job_given_up", job=str(row.id), kind=row.kind)
            return True
        await self._run(run, kind, row.traceparent)
        return True

    async def _take(self) -> Any:
        now = self._context.clock.now()
        due = (
            select(job_table.c.id, job_table.c.kind)
            .where(
                job_table.c.kind.in_(self._kinds),
                or_(
                    (job_table.c.state == "queued") & (job_table.c.run_at <= func.greatest(now, func.now())),
                    (job_table.c.state == "running") & (job_table.c.lease_until < now),
                ),
            )
            .order_by(job_table.c.run_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        async with self._context.database.session() as session:
            found = (await session.execute(due)).first()
            if found is None:
                return None
            lease = self._kinds[found.kind].lease
            taken = (
                update(job_table)
                .where(job_table.c.id == found.id)
                .values(
                    state="running",
                    attempt=job_table.c.attempt + 1,
                    lease_owner=self._owner,
                    lease_until=now + lease,
                )
                .returning(job_table)
            )
            return (await session.execute(taken)).one()

    async def _run(self, run: JobRun, kind: JobKind, traceparent: str | None) -> None:
        heart = asyncio.create_task(self._beat(run, kind.lease, asyncio.current_task()))
        try:
            with span(f"job {kind.name}", {traceparent} if traceparent else None):
                result = await kind.handler(run)
            await run.finish(
                state="succeeded", result=dict(result or {}), error=None, finished_at=self._context.clock.now()
            )
            ENDED.labels(kind.name, "succeeded").inc()
        except LeaseLost:
            log.warning("job_lease_lost", job=str(run.id), kind=kind.name)
        except asyncio.CancelledError:
            if heart.done() and not heart.cancelled():  # the heart found that the lease was lost
                log.warning("job_lease_lost", job=str(run.id), kind=kind.name)
                task = asyncio.current_task()
                if task is not None:
                    task.uncancel()
                return
            raise
        except JobFailed as error:
            details = {"code": error.code, "message": error.message, **error.extra}
            await run.finish(state="failed", error=details, finished_at=self._context.clock.now())
            ENDED.labels(kind.name, "failed").inc()
            log.warning("job_failed", job=str(run.id), kind=kind.name, code=error.code)
        except Exception as error:  # noqa: BLE001 whatever a handler raises ends in the job's record and in the log
            await self._again_or_failed(run, kind, error)
        finally:
            heart.cancel()

    async def _again_or_failed(self, run: JobRun, kind: JobKind, error: Exception) -> None:
        log.error("job_run_failed", job=str(run.id), kind=kind.name, attempt=run.attempt, exc_info=error)
        now = self._context.clock.now()
        details = {"code": "internal_error", "message": mask(f"{type(error).__name__}: {error}")[:500]}
        if run.attempt >= kind.max_attempts:
            await run.finish(state="failed", error=details, finished_at=now)
            ENDED.labels(kind.name, "failed").inc()
        else:
            pause = min(timedelta(seconds=2**run.attempt), MAX_BACKOFF)
            await run.finish(state="queued", error=details, run_at=now + pause)

    async def _beat(self, run: JobRun, lease: timedelta, task: asyncio.Task[Any] | None) -> None:
        while True:
            await asyncio.sleep(lease.total_seconds() / 4)
            try:
                await run.heartbeat()
            except LeaseLost:
                if task is not None:
                    task.cancel()
                return
            except (DBAPIError, OSError, TimeoutError) as error:
                log.warning("heartbeat_failed", job=str(run.id), error=type(error).__name__)

    # --- schedules ------------------------------------------------------------------------------------------------

    async def _keep_schedules(self, stop: asyncio.Event) -> None:
        backoff = Backoff()
        while not stop.is_set():
            try:
                await self.run_due_schedules()
                backoff.reset()
                await asyncio.sleep(SAFETY_POLL_SECONDS)
            except (DBAPIError, OSError, TimeoutError, asyncpg.InterfaceError) as error:
                log.warning("schedules_wait_for_database", error=type(error).__name__)
                await backoff.pause(stop)

    async def run_due_schedules(self) -> int:
        """Run every schedule that is due and that no other worker has. Returns how many."""
        ran = 0
        for schedule in self._context.service.schedules:
            if await self._take_schedule(schedule):
                ran += 1
                error: str | None = None
                try:
                    await schedule.handler(self._context)
                except (DBAPIError, OSError, TimeoutError) as failure:
                    error = type(failure).__name__
                    log.warning("schedule_failed", schedule=schedule.name, error=error)
                except Exception as failure:
                    error = mask(f"{type(failure).__name__}: {failure}")[:500]
                    log.error("schedule_failed", schedule=schedule.name, exc_info=failure)
                await self._end_schedule(schedule, error)
        return ran

    async def _take_schedule(self, schedule: Schedule) -> bool:
        now = self._context.clock.now()
        async with self._context.database.session() as session:
            first = pg_insert(schedule_run).values(name=schedule.name, next_run_at=now).on_conflict_do_nothing()
            await session.execute(first)
            taken = await session.execute(
                update(schedule_run)
                .where(
                    schedule_run.c.name == schedule.name,
                    # Further away than its period: the clock was ahead when it was set, and has been set back.
                    or_(schedule_run.c.next_run_at <= now, schedule_run.c.next_run_at > now + schedule.every),
                    or_(
                        schedule_run.c.lease_until.is_(None),
                        schedule_run.c.lease_until < now,
                        schedule_run.c.lease_until > now + schedule.lease,
                    ),
                )
                .values(lease_owner=self._owner, lease_until=now + schedule.lease)
                .returning(schedule_run.c.name)
            )
            return taken.first() is not None

    async def _end_schedule(self, schedule: Schedule, error: str | None) -> None:
        async with self._context.database.session() as session:
            await session.execute(
                update(schedule_run)
                .where(schedule_run.c.name == schedule.name, schedule_run.c.lease_owner == self._owner)
                .values(
                    next_run_at=self._context.clock.now() + schedule.every,
                    lease_owner=None,
                    lease_until=None,
                    last_error=error,
                )
            )
