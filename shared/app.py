"""Builds a service's FastAPI app: its routers, the kit's own endpoints, errors, metrics, traces, documentation."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import FastAPI, Response
from opentelemetry.trace import SpanKind
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from pydantic import BaseModel
from sqlalchemy import func, select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.auth import CurrentPrincipal, Principal, TokenVerifier, requires
from shared.clock import Clock
from shared.errors import NotFound, responses
from shared.http import Router, SessionDep, add_error_handlers
from shared.service import Context, Service, open_context
from shared.settings import Settings, load_settings
from shared.tables import inbox_consumed, job_table, outbox_published, outbox_table, parked_event
from shared.telemetry import get_logger, span

log = get_logger(__name__)
REQUESTS = Counter("samaki_http_requests_total", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram("samaki_http_request_seconds", "From request to answer.", ["method", "route"])
Auditor = Annotated[Principal, requires("auditor")]


class JobView(BaseModel):
    """A background job."""

    id: UUID
    kind: str
    state: str
    done: int
    total: int | None
    message: str
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    finished_at: datetime | None


class EventTotals(BaseModel):
    """Distinct events published and consumed by this service, by topic; events waiting and parked."""

    published: dict[str, int]
    consumed: dict[str, int]
    outbox: int
    parked: int


def _kit_router(name: str) -> Router:
    router = Router(prefix=f"/{name}/v1", tags=["operations"])

    @router.get("/jobs/{job_id}", responses=responses(NotFound))
    async def read_job(job_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> JobView:
        """State, progress and result of a job that you asked for."""
        row = (await session.execute(select(job_table).where(job_table.c.id == job_id))).one_or_none()
        if row is None or (row.created_by not in {"", principal.subject} and not principal.has("auditor", "admin")):
            raise NotFound("There is no job with this id, or it is somebody else's.")
        return JobView.model_validate(row, from_attributes=True)

    @router.get("/ops/events")
    async def count_events(_: Auditor, session: SessionDep) -> EventTotals:
        """How many events this service published and consumed: to be compared with the other services'."""
        published = await session.execute(
            select(outbox_published.c.topic, func.sum(outbox_published.c.count)).group_by(outbox_published.c.topic)
        )
        consumed = await session.execute(select(inbox_consumed.c.topic, inbox_consumed.c.count))
        return EventTotals(
            published={topic: int(count) for topic, count in published},
            consumed={topic: int(count) for topic, count in consumed},
            outbox=await session.scalar(select(func.count()).select_from(outbox_table)) or 0,
            parked=await session.scalar(select(func.count()).select_from(parked_event)) or 0,
        )

    return router


def build_app(service: Service, settings: Settings | None = None, *, clock: Clock | None = None) -> FastAPI:
    """The service's app.

    Args:
        service: what it is.
        settings: default: from the environment.
        clock: default: the machine's.
    """
    configured = settings or load_settings(service.settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_context(service, configured, "api", clock=clock) as context:
            verifier = TokenVerifier(configured.jwks, configured.jwt_issuer, configured.jwt_audience, context.clock)
            await verifier.load()
            app.state.context, app.state.verifier = context, verifier
            log.info("api_ready")
            yield

    app = FastAPI(
        title=service.title or f"Samaki {service.name}",
        version="1",
        lifespan=lifespan,
        openapi_url=f"/{service.name}/openapi.json",
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # `Observed` does it, once
    )
    app.state.service = service
    add_error_handlers(app)
    add_probes(app)
    for router in [*service.routers, _kit_router(service.name)]:
        app.include_router(router)
    app.add_middleware(Observed)
    return app


def add_probes(app: FastAPI) -> None:
    """`/health` (the process lives), `/ready` (its database answers), `/metrics` (Prometheus)."""

    @app.get("/health", include_in_schema=False)
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/ready", include_in_schema=False)
    async def ready() -> Response:
        context: Context = app.state.context
        try:
            await context.database.ping()
        except Exception as error:  # noqa: BLE001 whatever it is, the answer is "not ready", and it is logged
            log.warning("not_ready", error=type(error).__name__)
            return Response('{"status":"database unreachable"}', 503, media_type="application/json")
        return Response('{"status":"ready"}', media_type="application/json")

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


class Observed:
    """ASGI middleware: a span that continues the caller's trace, metrics by route, one log line a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in {"/health", "/ready", "/metrics"}:
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        status = 500
        started = time.perf_counter()

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        parent = headers.get(b"traceparent")
        structlog.contextvars.bind_contextvars(request_id=headers.get(b"x-request-id"))
        with span(f"{scope['method']}", {parent} if parent else None, SpanKind.SERVER):
            try:
                await self._app(scope, receive, observe)
            finally:
                elapsed = time.perf_counter() - started
                route = getattr(scope.get("route"), "path", "unmatched")
                REQUESTS.labels(scope["method"], route, str(status)).inc()
                SECONDS.labels(scope["method"], route).observe(elapsed)
                log.info(
                    "request", method=scope["method"], route=route, status=status, duration_ms=round(elapsed * 1000, 1)
                )
                structlog.contextvars.unbind_contextvars("request_id")
