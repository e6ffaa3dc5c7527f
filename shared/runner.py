"""Runs one role of one service: `python -m services.<name> ROLE`.

    api        the HTTP endpoints
    relay      outbox -> bus
    consumer   bus -> inbox, projections, reactions
    worker     background jobs and schedules
    migrate    bring the schema to the newest revision, and make the service's topics; then end
    replay     --parked: handle parked events again; --topic T: rebuild from a whole topic; then end

`--check-config` reads the settings, names what is wrong, and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import uvicorn
import uvloop
from fastapi import FastAPI

from shared.app import add_probes, build_app
from shared.bus import ensure_topics, open_publisher, open_subscriber
from shared.consumer import Consumer
from shared.consumer_lock import ConsumerLock
from shared.http import prune_idempotency_keys
from shared.inbox import prune_inbox
from shared.jobs import Schedule
from shared.migrations import upgrade
from shared.relay import Relay
from shared.service import Context, Service, open_context
from shared.settings import Settings, load_settings
from shared.telemetry import configure, get_logger
from shared.worker import Worker

log = get_logger(__name__)
ROLES = ("api", "relay", "consumer", "worker", "migrate", "replay")
GRACE_SECONDS = 10
Body = Callable[[Context, asyncio.Event], Awaitable[None]]


def main(service: Service, arguments: Sequence[str] | None = None) -> None:
    """Entry point of `python -m services.<name>`."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{service.name}", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--parked", action="store_true", help="replay: the events set aside")
    parser.add_argument("--topic", help="replay: a whole topic, from its beginning")
    parser.add_argument("--check-config", action="store_true", help="read the settings and end")
    options = parser.parse_args(arguments)
    settings = load_settings(service.settings)
    configure(service.name, options.role, level=settings.log_level, log_format=settings.log_format)
    if options.check_config:
        print(f"{service.name} {options.role}: configuration is complete")
        return
    match options.role:
        case "api":
            _serve_api(service, settings)
        case "migrate":
            asyncio.run(_migrate(service, settings))
        case "replay":
            if options.parked == bool(options.topic):
                parser.error("replay needs --parked or --topic T")
            sys.exit(asyncio.run(_replay(service, settings, options.topic)))
        case role:
            bodies: dict[str, Body] = {"relay": _relay, "consumer": _consume, "worker": _work}
            _run_background(service, settings, role, bodies[role])


def _serve_api(service: Service, settings: Settings) -> None:
    if not settings.jwks:
        raise SystemExit("configuration error\n  SAMAKI_JWKS: Field required for the api role")
    uvicorn.run(
        build_app(service, settings),
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
    )


async def _migrate(service: Service, settings: Settings) -> None:
    await upgrade(service.migrations, settings.database_url.get_secret_value(), settings.schema_name)
    await ensure_topics(settings, sorted({*service.publishes, *(s.topic for s in service.subscriptions)}))
    log.info("migrated")


def _settle_garbage_collector() -> None:
    """Let the collector pass over what was imported, and look less often for cycles among what batches make.

    A batch makes tens of thousands of objects and hardly a cycle; with Python's defaults half of the consumer's time
    went into looking for some (measured with tests.bench: 155 against 80 microseconds of CPU an event).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _run_background(service: Service, settings: Settings, role: str, body: Body) -> None:
    async def run() -> None:
        _settle_garbage_collector()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        async with open_context(service, settings, role) as context, _ops_server(context, settings):
            log.info("role_ready")
            await body(context, stop)
        log.info("role_stopped")

    uvloop.run(run())


@asynccontextmanager
async def _ops_server(context: Context, settings: Settings) -> AsyncIterator[None]:
    """Health, readiness and metrics of a background role, where a port is given."""
    if not settings.ops_port:
        yield
        return
    app = FastAPI(openapi_url=None)
    app.state.context = context
    add_probes(app)
    server = uvicorn.Server(
        uvicorn.Config(app, settings.http_host, settings.ops_port, log_config=None, access_log=False, lifespan="off")
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # the role's own handlers stay
    task = asyncio.create_task(server._serve())
    try:
        yield
    finally:
        server.should_exit = True
        await task


async def _relay(context: Context, stop: asyncio.Event) -> None:
    publisher = open_publisher(context.settings)
    await publisher.start()
    try:
        await Relay(context, publisher).run(stop)
    finally:
        await publisher.stop()


async def _consume(context: Context, stop: asyncio.Event) -> None:
    consumer = Consumer(context, None)
    subscriber = open_subscriber(context.settings, context.service.name, consumer.topics)
    async with ConsumerLock.held(context.database, exclusive=False) as lock:
        await subscriber.start()
        try:
            await Consumer(context, subscriber, lock).run(stop)
        finally:
            await subscriber.stop()


async def _work(context: Context, stop: asyncio.Event) -> None:
    await Worker(with_housekeeping(context)).run(stop)


def with_housekeeping(context: Context) -> Context:
    """The context with the kit's own schedules added to the service's."""

    async def forget_old_keys(ctx: Context) -> None:
        await prune_idempotency_keys(ctx, ctx.clock.now() - timedelta(days=30))

    day = timedelta(days=1)
    kit = (Schedule("kit.prune_inbox", day, prune_inbox), Schedule("kit.prune_idempotency", day, forget_old_keys))
    context.service = replace(context.service, schedules=(*context.service.schedules, *kit))
    return context


async def _replay(service: Service, settings: Settings, topic: str | None) -> int:
    async with open_context(service, settings, "replay") as context:
        if topic is None:
            handled, remaining = await Consumer(context, None).replay_parked()
            print(f"{handled} parked events handled, {remaining} remain")
            return 1 if remaining else 0
        subscriber = open_subscriber(settings, service.name, Consumer(context, None).topics)
        await subscriber.start()
        try:
            applied = await Consumer(context, subscriber).replay_topic(topic)
        finally:
            await subscriber.stop()
        print(f"{applied} events of {topic} applied again")
        return 0
