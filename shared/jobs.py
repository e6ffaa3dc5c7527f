"""Background work: leased with heartbeats, run again after a crash, never run twice at once (fault 12).

A job is queued in the transaction that asks for it. A worker takes it for a lease, prolongs the lease while it runs,
and records its end. A worker that dies lets the lease run out, and another takes the job: handlers are idempotent and
resumable. Time comes from the context's clock, so that tests decide when a lease is over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.auth import current_subject
from shared.ids import uuid7
from shared.service import Context
from shared.tables import job_table
from shared.telemetry import current_traceparent


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
