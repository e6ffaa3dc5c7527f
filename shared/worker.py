"""Runs a service's jobs and schedules: takes them under a lease, prolongs it, records their end. See `shared.jobs`."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import asyncpg
from prometheus_client import Counter
from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.exc import DBAPIError

from shared.ids import uuid7
from shared.jobs import JobFailed, JobKind, JobRun, LeaseLost, Schedule
from shared.service import Context
from shared.tables import job_table, schedule_run
from shared.telemetry import get_logger, mask, span
from shared.waiting import Backoff, Wakeup

log = get_logger(__name__)
SAFETY_POLL_SECONDS: Final = 1.0
MAX_BACKOFF: Final = timedelta(minutes=5)
CONCURRENCY: Final = 2
ENDED = Counter("samaki_jobs_total", "Jobs ended, by kind and state.", ["kind", "state"])


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
