"""What a service is, and the context that its endpoints, handlers and jobs work in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from shared.clock import Clock, SystemClock
from shared.db import Database
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.consumer import Subscription
    from shared.jobs import JobKind, Schedule


@dataclass(frozen=True)
class Service:
    """A whole service on one page.

    Attributes:
        name: `registry`, `payments`...: path prefix, default schema, consumer group.
        settings: its settings class.
        migrations: its Alembic folder.
        routers: its HTTP endpoints, at full paths (`/registry/v1/...`).
        subscriptions: every event it hears, with the handler.
        jobs: kinds of background work.
        schedules: periodic work.
        publishes: topics it owns.
        resources: opens what it needs beyond the database (clients, ciphers); reached as `context.resources`.
    """

    name: str
    settings: type[Settings]
    migrations: Path
    routers: Sequence[APIRouter] = ()
    subscriptions: Sequence[Subscription] = ()
    jobs: Sequence[JobKind] = ()
    schedules: Sequence[Schedule] = ()
    publishes: Sequence[str] = ()
    resources: Callable[[Any], AbstractAsyncContextManager[Any]] | None = None
    title: str = ""


@dataclass
class Context:
    """What endpoints, handlers and jobs are given.

    Attributes:
        resources: whatever `Service.resources` opened; None without.
    """

    service: Service
    settings: Any
    database: Database
    clock: Clock = field(default_factory=SystemClock)
    resources: Any = None


@asynccontextmanager
async def open_context(
    service: Service, settings: Settings, role: str, *, clock: Clock | None = None
) -> AsyncIterator[Context]:
    """A context for one process, closed at the end of the block."""
    database = Database(
        settings,
        application_name=f"samaki-{service.name}-{role}",
        statement_timeout_s=settings.statement_timeout_seconds if role == "api" else None,
    )
    context = Context(service, settings, database, clock or SystemClock(settings.zone))
    try:
        if service.resources is None:
            yield context
        else:
            async with service.resources(settings) as resources:
                context.resources = resources
                yield context
    finally:
        await database.close()
