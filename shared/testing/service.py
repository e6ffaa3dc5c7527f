"""A service under test: its app, its database with migrations applied, its consumer and its worker, in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from sqlalchemy import delete, select, text

from shared.app import build_app
from shared.bus.port import Delivery
from shared.clock import FixedClock
from shared.consumer import Consumer
from shared.contracts import EVENTS, PRODUCERS, EventPayload
from shared.db import Database
from shared.events import Event
from shared.ids import uuid7
from shared.service import Context, Service
from shared.settings import Settings
from shared.tables import job_table, outbox_table, parked_event
from shared.testing.keys import TestKeys
from shared.worker import Worker

MAX_JOBS = 1000


@dataclass
class TestService:
    """One service, wired as in production but for the bus: events are handed over by `deliver` and `outbox`."""

    __test__ = False

    app: FastAPI
    http: httpx.AsyncClient
    context: Context
    clock: FixedClock
    keys: TestKeys
    _offset: int = 0

    @property
    def database(self) -> Database:
        """The service's database."""
        return self.context.database

    def token(
        self,
        *roles: str,
        areas: Sequence[str] = ("*",),
        subject: str = "officer-1",
        ttl: timedelta = timedelta(hours=1),
        **claims: Any,
    ) -> dict[str, str]:
        """Authorization header of a caller with these roles and areas, and further claims such as `person_id`."""
        signed = self.keys.token(*roles, areas=tuple(areas), subject=subject, now=self.clock.now(), ttl=ttl, **claims)
        return {"Authorization": f"Bearer {signed}"}

    def delivery(
        self, payload: EventPayload, *, event_id: UUID | None = None, traceparent: str | None = None
    ) -> Delivery:
        """The payload as the bus would deliver it."""
        self._offset += 1
        event = Event(
            id=event_id or uuid7(),
            type=payload.TYPE,
            source=f"/samaki/{PRODUCERS[payload.TOPIC]}",
            topic=payload.TOPIC,
            key=payload.key,
            time=self.clock.now(),
            data=payload.model_dump_json().encode(),
            traceparent=traceparent,
        )
        key, value, headers = event.to_kafka()
        return Delivery(event, None, event.topic, 0, self._offset, key, value, tuple(headers))

    async def deliver(self, *payloads: EventPayload, allow_parked: bool = False) -> None:
        """Give events to the service's subscriptions as its consumer would: one batch, with inbox and transaction.

        Raises:
            AssertionError: one was parked (its reason is shown), unless `allow_parked`.
        """
        await self.apply([self.delivery(payload) for payload in payloads])
        if not allow_parked:
            async with self.database.session() as session:
                reasons = (await session.scalars(select(parked_event.c.reason))).all()
            assert not reasons, f"{len(reasons)} events were parked: {reasons[:5]}"

    async def apply(self, deliveries: Sequence[Delivery]) -> None:
        """Give raw deliveries to the service's consumer."""
        await Consumer(self.context, None).apply(deliveries)

    async def outbox(self) -> list[EventPayload]:
        """What the service published since the last call, in order; each held to its contract and to law 8."""
        async with self.database.session() as session:
            rows = (await session.execute(select(outbox_table).order_by(outbox_table.c.id))).all()
            await session.execute(delete(outbox_table))
        payloads = []
        for row in rows:
            payload = EVENTS[row.type].model_validate(row.data)
            assert row.topic == payload.TOPIC, f"{row.type} belongs on {payload.TOPIC}, not {row.topic}"
            assert row.key == payload.key, f"{row.type}: key {row.key} is not the payload's {payload.KEY}"
            unknown = set(row.data) - set(type(payload).model_fields)
            assert not unknown, f"{row.type} carries fields outside its contract: {sorted(unknown)}"
            payloads.append(payload)
        return payloads

    async def run_jobs(self, *, allow_failed: bool = False) -> list[dict[str, Any]]:
        """Run queued jobs to their end; their records, oldest first.

        Raises:
            AssertionError: one failed, unless `allow_failed`.
        """
        worker = Worker(self.context, owner="test-worker")
        for _ in range(MAX_JOBS):
            if not await worker.run_one():
                break
        else:
            raise AssertionError(f"more than {MAX_JOBS} jobs: one of them queues itself again")
        async with self.database.session() as session:
            rows = (await session.execute(select(job_table).order_by(job_table.c.created_at))).mappings().all()
        jobs = [dict(row) for row in rows]
        failed = [job["error"] for job in jobs if job["error"] is not None]
        assert allow_failed or not failed, f"jobs failed: {failed}"
        return jobs

    @asynccontextmanager
    async def commits_fail(self) -> AsyncIterator[None]:
        """Inside, the database refuses every commit that wrote an audit entry (by a deferred trigger)."""
        async with self.database.session() as session:
            await session.execute(
                text(
                    "CREATE FUNCTION fail_commit() RETURNS trigger LANGUAGE plpgsql AS "
                    "$$ BEGIN RAISE EXCEPTION 'commit refused by a test'; END $$"
                )
            )
            await session.execute(
                text(
                    "CREATE CONSTRAINT TRIGGER fail_commit AFTER INSERT ON audit_entry "
                    "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail_commit()"
                )
            )
        try:
            yield
        finally:
            async with self.database.session() as session:
                await session.execute(text("DROP FUNCTION fail_commit CASCADE"))


@asynccontextmanager
async def running(
    service: Service, settings: Settings, keys: TestKeys, clock: FixedClock
) -> AsyncIterator[TestService]:
    """The service, started with these settings on a database that is migrated."""
    app = build_app(service, settings, clock=clock)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=60) as client:
            yield TestService(app, client, app.state.context, clock, keys)
