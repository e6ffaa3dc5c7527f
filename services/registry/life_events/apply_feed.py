"""The job that applies a staged feed: whose the numbers are is asked once a chunk, and most of it is applied as a set.

Most lines of a national feed are about people who are not registered: they are settled without a query of their own.
Events that stand by themselves are a few statements together (`apply_deaths`, `apply_births`, `apply_marriages`). Any
other goes through `record_life_event` in a savepoint, so that one that is refused leaves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.life_events import feed_repository
from services.registry.life_events.apply_births import apply_births, is_twin, numbers_of
from services.registry.life_events.apply_deaths import apply_deaths
from services.registry.life_events.apply_marriages import apply_marriages
from services.registry.life_events.receive_feed import FEED_JOB
from services.registry.life_events.record_life_event import record_life_event
from services.registry.life_events.schemas import Birth, Death, Event, FeedDocument, FeedEvent, Marriage
from services.registry.life_events.standing_alone import standing_alone
from services.registry.sealing import FEED_LINE, Sealer
from shared.auth import Principal
from shared.db import sqlstate
from shared.errors import Problem
from shared.jobs import JobFailed, JobKind, JobRun
from shared.service import Context

CHUNK: Final = 1_000
Outcome = tuple[str, str, str, str, UUID | None]


async def apply_feed(run: JobRun) -> Mapping[str, Any]:
    """Apply the lines that wait, a chunk a transaction. Returns how many were applied and refused."""
    batch_id = UUID(run.payload["batch_id"])
    async with run.context.database.session() as session:
        batch = await feed_repository.find_batch(session, batch_id)
    if batch is None:
        raise JobFailed("feed_not_found", "The batch is not recorded here.")
    done = 0
    while True:
        async with run.context.database.session() as session:
            await run.still_mine(session)
            lines = await feed_repository.next_lines(session, batch_id, CHUNK)
            if not lines:
                return await feed_repository.counts(session, batch_id)
            outcomes = await _apply(session, run, batch, lines)
            await feed_repository.set_outcomes(session, batch.feed, outcomes)
        done += len(lines)
        await run.progress(done, None, "applying events")


async def _apply(session: AsyncSession, run: JobRun, batch: Row[Any], lines: Sequence[Row[Any]]) -> list[Outcome]:
    sealer: Sealer = run.context.resources.sealer
    events = [(row.feed_id, _read(sealer, row.content_cipher)) for row in lines]
    wanted = {key for _, event in events for document in _documents(event) if (key := _key(sealer, document))}
    owners = await feed_repository.owners(session, sorted(wanted))
    principal = Principal(batch.received_by, frozenset({"integration"}), tuple(batch.areas))
    outcomes: list[Outcome] = []
    named = {feed_id: _people(sealer, told, owners) for feed_id, told in events}
    alone = await _apply_sets(session, run.context, principal, batch, dict(events), named)
    brought: set[tuple[str, bytes]] = set()
    for feed_id, told in events:
        if feed_id in alone:
            outcomes.append((feed_id, "applied", "", "", alone[feed_id]))
        else:
            people = named[feed_id]
            if new := {key for document in _documents(told) if (key := _key(sealer, document)) in brought}:
                people = _people(sealer, told, owners | await feed_repository.owners(session, sorted(new)))
            outcomes.append(await _apply_line(session, run, principal, (batch.feed, feed_id), told, people))
        if told.child is not None:  # who is born here may be named by a later line: many who die young are days old
            brought.update(numbers_of(sealer, told.child))
    return outcomes


async def _apply_line(
    session: AsyncSession,
    run: JobRun,
    principal: Principal,
    feed: tuple[str, str],
    told: FeedEvent,
    people: Mapping[str, UUID | None],
) -> Outcome:
    unknown = next((name for name, person_id in people.items() if person_id is None), None)
    if unknown is not None:
        return (feed[1], "refused", "unknown_person", unknown, None)
    event = _event(told, people)
    if isinstance(event, Birth) and await is_twin(session, run.context.resources.sealer, event):
        event = event.model_copy(update={"twin": True})
    return await _record(session, run, principal, feed, event)


def _people(sealer: Sealer, told: FeedEvent, owners: Mapping[tuple[str, bytes], UUID]) -> dict[str, UUID | None]:
    return {name: owners.get(_key(sealer, document)) for name, document in _named(told).items()}


async def _apply_sets(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    batch: Row[Any],
    events: Mapping[str, FeedEvent],
    named: Mapping[str, Mapping[str, UUID | None]],
) -> dict[str, UUID]:
    """What no other line at hand has to do with, as sets. The life event of each line so applied, by feed_id."""
    known = {
        feed_id: _event(told, named[feed_id]) for feed_id, told in events.items() if None not in named[feed_id].values()
    }
    alone = await standing_alone(session, [_registered(people) for people in named.values()])
    deaths = {feed_id: event for feed_id, event in known.items() if isinstance(event, Death)}
    births = {feed_id: event for feed_id, event in known.items() if isinstance(event, Birth)}
    marriages = {feed_id: event for feed_id, event in known.items() if isinstance(event, Marriage)}
    try:
        async with session.begin_nested():
            applied = await apply_deaths(session, context, principal, batch, deaths, alone)
            applied |= await apply_births(session, context, principal, batch, births, alone)
            return applied | await apply_marriages(session, context, principal, batch, marriages, alone)
    except DBAPIError as error:
        if not _is_of_the_data(error):
            raise
        return {}  # one of them cannot be written: in its turn, by itself, it is refused


def _registered(people: Mapping[str, UUID | None]) -> list[UUID]:
    return [person_id for person_id in people.values() if person_id is not None]


def _is_of_the_data(error: DBAPIError) -> bool:
    """Whether the database refused what was told (22: cannot be stored, 23: against its rules): no fault of its own."""
    return (sqlstate(error) or "")[:2] in {"22", "23"}


async def _record(
    session: AsyncSession, run: JobRun, principal: Principal, feed: tuple[str, str], event: Event
) -> Outcome:
    try:
        async with session.begin_nested():
            recorded = await record_life_event(
                session, run.context, principal, event, source="civil_registration", feed=feed
            )
    except Problem as error:
        first = error.errors[0] if error.errors else None
        code, field = (first.code, first.field) if first else (error.code, "")
        return (feed[1], "refused", code, field, None)
    except DBAPIError as error:
        if not _is_of_the_data(error):
            raise
        return (feed[1], "refused", "invalid_line", "", None)  # or it would stop all lines after it, for ever
    return (feed[1], "applied", "", "", recorded.ids[0])


def _read(sealer: Sealer, cipher: bytes) -> FeedEvent:
    return FeedEvent.model_validate(orjson.loads(sealer.open(cipher, FEED_LINE)))


def _named(event: FeedEvent) -> dict[str, FeedDocument]:
    named = {"person": event.person, "mother": event.mother, "spouse": event.spouse}
    return {name: document for name, document in named.items() if document is not None}


def _documents(event: FeedEvent) -> list[FeedDocument]:
    return list(_named(event).values())


def _key(sealer: Sealer, document: FeedDocument) -> tuple[str, bytes]:
    return document.type, sealer.digest(document.number.get_secret_value().replace(" ", ""), document.type)


def _event(told: FeedEvent, people: Mapping[str, UUID | None]) -> Event:
    if told.kind == "birth":
        assert told.child is not None
        return Birth(kind="birth", occurred_on=told.occurred_on, mother_person_id=people["mother"], child=told.child)
    person_id = people["person"]
    assert person_id is not None
    if told.kind == "death":
        return Death(kind="death", occurred_on=told.occurred_on, person_id=person_id)
    spouse = people["spouse"]
    assert spouse is not None
    return Marriage(kind="marriage", occurred_on=told.occurred_on, person_id=person_id, spouse_person_id=spouse)


APPLY_FEED = JobKind(FEED_JOB, apply_feed)
