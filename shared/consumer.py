"""The consumer loop of every service: a batch a transaction, effects once only, poison set aside (law 4).

    poll -> set aside malformed events and successors of parked keys -> claim ids in the inbox -> handlers, set-wise
         -> count -> commit -> commit the bus's offsets

If a handler fails on data, the batch is halved until the event that fails is alone: it is parked, with what follows on
its key, and reported; the others go on (fault 25). If the database is away, the batch waits.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from prometheus_client import Counter, Histogram
from pydantic import ValidationError
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus.port import Delivery, Subscriber
from shared.consumer_lock import ConsumerLock
from shared.contracts import EVENTS, EventPayload
from shared.db import is_transient
from shared.inbox import claim, count
from shared.parking import MAX_PARKED, Reject, TooManyParked, describe, number_parked, park, parked_keys
from shared.service import Context
from shared.tables import inbox_consumed, inbox_table, parked_event
from shared.telemetry import get_logger, mask, span
from shared.waiting import Backoff

log = get_logger(__name__)
P = TypeVar("P", bound=EventPayload)
POLL_SECONDS: Final = 1.0
HANDLED = Counter("samaki_consumer_events_total", "Events committed, by topic and outcome.", ["topic", "outcome"])
BATCH_SECONDS = Histogram("samaki_consumer_batch_seconds", "From poll to committed offsets.")


@dataclass(frozen=True, slots=True)
class Received(Generic[P]):
    """One event as handlers get it."""

    event_id: UUID
    payload: P
    occurred_at: datetime
    traceparent: str | None


Handler = Callable[[Context, AsyncSession, Sequence[Received[Any]]], Awaitable[None]]
Reset = Callable[[Context, AsyncSession], Awaitable[None]]


@dataclass(frozen=True)
class Subscription:
    """What a service hears.

    Attributes:
        topic: where.
        types: the payload types it handles; other types of the topic are passed over (and counted).
        handler: called with up to a batch of events, in order per key, inside the transaction of their inbox claims.
        reset: empties what the handler builds, before a replay of the whole topic.
    """

    topic: str
    types: Sequence[type[EventPayload]]
    handler: Handler
    reset: Reset | None = None


@dataclass(frozen=True, slots=True)
class _Item:
    """A delivery that is ready for its handler; `subscription` is None where nobody here listens to its type."""

    delivery: Delivery
    received: Received[Any]
    subscription: Subscription | None
    key: tuple[str, str]


class Consumer:
    """Applies one service's subscriptions to what the bus delivers.

    Args:
        context: the service's context.
        subscriber: a started subscriber, in the service's group.
        lock: held against a replay; taken again before a batch when the database has restarted.
    """

    def __init__(self, context: Context, subscriber: Subscriber | None, lock: ConsumerLock | None = None) -> None:
        self._context = context
        self._subscriber = subscriber
        self._lock = lock
        self._routes: dict[str, Subscription] = {}
        for subscription in context.service.subscriptions:
            for type_ in subscription.types:
                if subscription.topic != type_.TOPIC:
                    raise ValueError(f"{type_.TYPE} is published on {type_.TOPIC}, not on {subscription.topic}")
                if type_.TYPE in self._routes:
                    raise ValueError(f"two handlers for {type_.TYPE}")
                self._routes[type_.TYPE] = subscription

    @property
    def topics(self) -> list[str]:
        """The topics this service hears."""
        return sorted({subscription.topic for subscription in self._context.service.subscriptions})

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until told to stop, through restarts of the broker and the database."""
        assert self._subscriber is not None
        upcoming = asyncio.ensure_future(self._poll())
        try:
            while not stop.is_set():
                deliveries = await upcoming
                # The next batch is received and decoded while the database works on this one.
                upcoming = asyncio.ensure_future(self._poll())
                if deliveries:
                    with BATCH_SECONDS.time():
                        if await self.apply(deliveries, stop):
                            await self._subscriber.commit(deliveries)
        finally:
            upcoming.cancel()
            await asyncio.wait([upcoming])

    async def _poll(self) -> list[Delivery]:
        assert self._subscriber is not None
        return await self._subscriber.poll(self._context.settings.consumer_batch_size, POLL_SECONDS)

    async def apply(self, deliveries: Sequence[Delivery], stop: asyncio.Event | None = None) -> bool:
        """Commit the effects of these deliveries, once each; wait while the database is away.

        Returns:
            False if told to stop before they were committed: they will be delivered again.
        """
        stop = stop or asyncio.Event()
        backoff = Backoff()
        while True:
            try:
                if self._lock is not None:
                    await self._lock.keep()
                await self._apply(deliveries)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("consumer_waits_for_database", error=type(error).__name__)
                await backoff.pause(stop)
                if stop.is_set():
                    return False
            else:
                return True

    async def _apply(self, deliveries: Sequence[Delivery]) -> None:
        """One transaction for all; on a failure that is not transient, each half on its own."""
        try:
            await self._transaction(deliveries)
            return
        except Exception as error:
            if is_transient(error) or isinstance(error, TooManyParked):
                raise
            if len(deliveries) == 1:
                log.error("event_parked", **describe(deliveries[0]), exc_info=error)
                await self._park_alone(deliveries[0], error)
                return
        middle = len(deliveries) // 2
        await self._apply(deliveries[:middle])
        await self._apply(deliveries[middle:])

    async def _transaction(self, deliveries: Sequence[Delivery]) -> None:
        items, rejects = self._sort(deliveries)
        async with self._context.database.session() as session:
            parked = await parked_keys(session, [item.key for item in items])
            if parked:
                rejects += [_following(item) for item in items if item.key in parked]
                items = [item for item in items if item.key not in parked]
            fresh = await claim(session, [item.delivery for item in items])
            new = _first_of_each(items, fresh)
            parents = {item.received.traceparent for item in new if item.received.traceparent}
            with span(f"{self._context.service.name} consume", parents):
                for wave in _waves(new):
                    for subscription, events in wave:
                        await subscription.handler(self._context, session, events)
            if rejects:
                await park(session, rejects)
                fresh_rejects = await claim(session, [reject.delivery for reject in rejects])
                await count(
                    session, [r.delivery for r in rejects if r.delivery.event and r.delivery.event.id in fresh_rejects]
                )
            await count(session, [item.delivery for item in new])
        for topic, group in itertools.groupby(sorted(item.delivery.topic for item in new)):
            HANDLED.labels(topic, "handled").inc(len(list(group)))
        for reject in rejects:
            HANDLED.labels(reject.delivery.topic, "parked").inc()
            log.error("event_parked", reason=reject.reason, **describe(reject.delivery))

    def _sort(self, deliveries: Sequence[Delivery]) -> tuple[list[_Item], list[Reject]]:
        items: list[_Item] = []
        rejects: list[Reject] = []
        for delivery in deliveries:
            event = delivery.event
            if event is None:
                rejects.append(Reject(delivery, f"malformed: {delivery.malformed}"))
                continue
            subscription = self._routes.get(event.type)
            payload: Any = None
            if subscription is not None:
                try:
                    payload = EVENTS[event.type].model_validate_json(event.data)
                except ValidationError as error:
                    places = ", ".join(".".join(map(str, item["loc"])) for item in error.errors()[:5])
                    rejects.append(Reject(delivery, f"does not fit its contract at: {places}"))
                    continue
            received = Received(event.id, payload, event.time, event.traceparent)
            items.append(_Item(delivery, received, subscription, (event.topic, event.key)))
        return items, rejects

    async def _park_alone(self, delivery: Delivery, error: Exception) -> None:
        """Park the one event that its handler could not take."""
        async with self._context.database.session() as session:
            if await number_parked(session) >= MAX_PARKED:
                raise TooManyParked(
                    f"{MAX_PARKED} events are parked: mend the handler, then replay --parked"
                ) from error
            await park(session, [Reject(delivery, f"{type(error).__name__}: {mask(str(error))[:500]}")])
            await claim(session, [delivery])
            await count(session, [delivery])
        HANDLED.labels(delivery.topic, "parked").inc()

    # --- replay ---------------------------------------------------------------------------------------------------

    async def replay_parked(self) -> tuple[int, int]:
        """Handle parked events again, oldest first; one that fails again stays, with what follows on its key.

        Returns:
            How many were handled, and how many remain.
        """
        handled = 0
        stuck: set[tuple[str, str]] = set()
        after = 0
        while True:
            async with self._context.database.session() as session:
                row = (
                    await session.execute(
                        select(parked_event).where(parked_event.c.id > after).order_by(parked_event.c.id).limit(1)
                    )
                ).first()
            if row is None:
                break
            after = row.id
            if (row.topic, row.key) in stuck:
                continue
            if await self._replay_one(row):
                handled += 1
            else:
                stuck.add((row.topic, row.key))
        async with self._context.database.session() as session:
            return handled, await number_parked(session)

    async def _replay_one(self, row: Any) -> bool:
        delivery = Delivery.restore(row.topic, row.partition, row.offset, row.key, row.headers, bytes(row.value or b""))
        items, rejects = self._sort([delivery])
        if rejects:
            log.error("replay_failed", parked_id=row.id, reason=rejects[0].reason)
            return False
        try:
            async with self._context.database.session() as session:
                gone = await session.execute(
                    delete(parked_event).where(parked_event.c.id == row.id).returning(parked_event.c.id)
                )
                if gone.first() is not None and items[0].subscription is not None:
                    await items[0].subscription.handler(self._context, session, [items[0].received])
        except Exception as error:
            if is_transient(error):
                raise
            log.error("replay_failed", parked_id=row.id, exc_info=error)
            return False
        return True

    async def replay_topic(self, topic: str) -> int:
        """Read a topic again from its beginning: empties what its handlers built, then applies every event once.

        The service's consumers must be stopped: this takes their lock.

        Returns:
            How many events were applied.
        """
        assert self._subscriber is not None
        async with ConsumerLock.held(self._context.database, exclusive=True) as lock:
            self._lock = lock
            async with self._context.database.session() as session:
                await session.execute(delete(inbox_table).where(inbox_table.c.topic == topic))
                await session.execute(delete(inbox_consumed).where(inbox_consumed.c.topic == topic))
                await session.execute(delete(parked_event).where(parked_event.c.topic == topic))
                for subscription in self._context.service.subscriptions:
                    if subscription.topic == topic and subscription.reset is not None:
                        await subscription.reset(self._context, session)
            await self._subscriber.seek_to_beginning([topic])
            applied = 0
            while await self._subscriber.lag() > 0:
                deliveries = await self._subscriber.poll(self._context.settings.consumer_batch_size, POLL_SECONDS)
                await self.apply(deliveries)
                await self._subscriber.commit(deliveries)
                applied += sum(delivery.topic == topic for delivery in deliveries)
            return applied


def _following(item: _Item) -> Reject:
    return Reject(item.delivery, "follows a parked event of its key", follows=True)


def _first_of_each(items: Sequence[_Item], fresh: set[UUID]) -> list[_Item]:
    """The items whose ids were claimed just now, without repetitions inside the batch."""
    if len(fresh) == len(items):
        return list(items)
    first: dict[UUID, _Item] = {}
    for item in items:
        if item.received.event_id in fresh:
            first.setdefault(item.received.event_id, item)
    return list(first.values())


def _waves(items: Sequence[_Item]) -> list[list[tuple[Subscription, list[Received[Any]]]]]:
    """Groups for the handlers such that events of one key are handled in their order.

    An event goes into the wave of its key's previous event when the same handler takes both, else into the next one.
    Mostly one or two waves, whatever the batch's size.
    """
    first = next(iter(items), None)
    if first is not None and first.subscription is not None:
        only = first.subscription
        if all(item.subscription is only for item in items):
            return [[(only, [item.received for item in items])]]
    waves: list[dict[int, tuple[Subscription, list[Received[Any]]]]] = []
    last: dict[tuple[str, str], tuple[int, Subscription]] = {}
    for item in items:
        if item.subscription is None:
            continue
        previous = last.get(item.key)
        number = 0 if previous is None else previous[0] + (previous[1] is not item.subscription)
        last[item.key] = (number, item.subscription)
        while len(waves) <= number:
            waves.append({})
        waves[number].setdefault(id(item.subscription), (item.subscription, []))[1].append(item.received)
    return [list(wave.values()) for wave in waves]
