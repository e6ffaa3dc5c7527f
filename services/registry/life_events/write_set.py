"""Write many events of a kind and a day, each about households of its own: a few statements, however many they are.

The rules are not here: `plan` and `households.editing` say what an event makes of a household. This writes what
`households.write_change` would, for those that need no more than people who join, people who leave and pregnancies
that end. All events of a day are one change of the register: what it says of each is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Insert, Row, Table, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history.begin_change import begin_change
from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.model import identifier, membership, person
from services.registry.households.publish import publish_states
from services.registry.households.state import Edited, HouseholdState
from services.registry.households.write_change import COLUMNS_OF_NEW, new_person, phones_of
from services.registry.life_events.publish import publish_recorded
from shared.auth import Principal
from shared.db import rows_from_json
from shared.ids import uuid7
from shared.service import Context
from shared.telemetry import current_traceparent

_NEW_PERSON: Final = ("id", *COLUMNS_OF_NEW, "phone_cipher", "phone_hash")
_NEW_MEMBERSHIP: Final = ("household_id", "person_id", "person_ref", "relationship", "valid_from")
_NEW_NUMBER: Final = ("type", "hash", "owner_id", "cipher", "issuer", "valid_from", "valid_until")
_PREGNANCY: Final = {"pregnant", "expected_delivery_on"}


def _insert(table: Table, columns: Sequence[str]) -> Insert:
    incoming = rows_from_json(table, columns)
    return insert(table).from_select(list(columns), select(*(incoming.c[name] for name in columns)))


_PEOPLE: Final = _insert(person, _NEW_PERSON)
_MEMBERSHIPS: Final = _insert(membership, _NEW_MEMBERSHIP)
_NUMBERS: Final = _insert(identifier, _NEW_NUMBER)
_LEAVE: Final = text("""
    UPDATE membership AS m SET valid_until = greatest(m.valid_from, given.until)
    FROM unnest(CAST(:people AS uuid[]), CAST(:untils AS date[])) AS given (person, until)
    WHERE m.person_id = given.person AND m.valid_until IS NULL""")
_PREGNANCIES: Final = text("""
    UPDATE person SET pregnant = false, expected_delivery_on = NULL WHERE id = ANY (CAST(:people AS uuid[]))""")
_HOUSEHOLDS: Final = text("""
    UPDATE household SET version = version + 1, effective_on = :day, updated_at = :now
    WHERE id = ANY (CAST(:homes AS uuid[]))""")
_EVENTS: Final = text("""
    INSERT INTO life_event (id, kind, person_id, household_id, occurred_on, source, feed, feed_id, detail, undo,
      recorded_by, recorded_at)
    SELECT id, :kind, person_id, household_id, :day, 'civil_registration', :feed, feed_id, detail, undo, :by, :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
      id uuid, person_id uuid, household_id uuid, feed_id text, detail jsonb, undo jsonb)""")
_AUDIT: Final = text("""
    INSERT INTO audit_entry (actor, roles, areas, action, object_type, object_id, detail, traceparent)
    SELECT :by, CAST(:roles AS text[]), CAST(:areas AS text[]), 'life_event.record', 'life_event', id, audit, :trace
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (id text, audit jsonb)""")


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a line: to whom it happened, and what it did to the households.

    Attributes:
        version: of the household, after the event.
        others: households that a member came from, with their new versions.
        detail, undo: as `Plan` has them.
    """

    feed_id: str
    person_id: UUID
    household_id: UUID
    version: int
    others: Mapping[UUID, int] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
    undo: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ready:
    """An event whose households are edited: before and after, that of the event first."""

    told: Told
    day: date
    changes: Sequence[tuple[HouseholdState, Edited]]


def is_plain(before: HouseholdState, edited: Edited) -> bool:
    """Whether `write_days` can write this: nothing is wrong, and nothing changes but what it writes.

    The household's own facts and the places of those who stay are as before, of whom no more than a pregnancy ends;
    a newcomer brings no two numbers of a kind and takes none back.
    """
    after = edited.state
    numbers = [(given.owner_id, given.type) for given in edited.numbers]
    if edited.problems or after.facts != before.facts or edited.departed or len(set(numbers)) < len(numbers):
        return False
    if any(given.number is None or given.owner_id not in edited.added for given in edited.numbers):
        return False
    if edited.phones.keys() - set(edited.added):
        return False
    return all(_stays(before, edited, person_id) for person_id in after.members.keys() & before.members.keys())


def _stays(before: HouseholdState, edited: Edited, person_id: UUID) -> bool:
    was, now = before.members[person_id], edited.state.members[person_id]
    if (was.relationship, was.person_ref) != (now.relationship, now.person_ref):
        return False
    differ = {name for name, value in now.facts.items() if was.facts[name] != value}
    return differ <= _PREGNANCY and not (differ and now.facts["pregnant"])


async def write_days(
    session: AsyncSession, context: Context, principal: Principal, batch: Row[Any], kind: str, ready: Sequence[Ready]
) -> dict[str, UUID]:
    """Write all of them, a day at a time. Returns the life event of each line, by feed_id.

    Args:
        ready: each `is_plain`, no household in two of them; the households are locked.
    """
    recorded: dict[str, UUID] = {}
    days: dict[date, list[Ready]] = {}
    for item in ready:
        days.setdefault(item.day, []).append(item)
    for day, items in sorted(days.items()):
        now = context.clock.now()
        await begin_day(session, principal, batch, kind, day, now)
        changes = [change for item in items for change in item.changes]
        await _write(session, context, changes)
        homes = sorted(before.id for before, _ in changes)
        await session.execute(_HOUSEHOLDS, {"homes": homes, "day": day, "now": now})
        told = [item.told for item in items]
        recorded |= await record_day(session, principal, batch, kind, day, told, now)
    return recorded


async def begin_day(
    session: AsyncSession, principal: Principal, batch: Row[Any], kind: str, day: date, now: datetime
) -> None:
    """Begin the change of the register that all these events are."""
    by = principal.subject
    origin = Origin(ChangeKind.LIFE_CHANGE, ChangeSource.CIVIL_REGISTRATION, by, kind, day, source_id=batch.id)
    await begin_change(session, origin, now)


async def record_day(
    session: AsyncSession,
    principal: Principal,
    batch: Row[Any],
    kind: str,
    day: date,
    told: Sequence[Told],
    now: datetime,
) -> dict[str, UUID]:
    """Write the events themselves and who recorded them, and publish both. Returns their ids, by feed_id."""
    ids = {item.feed_id: uuid7() for item in told}
    rows = orjson.dumps([_row(item, ids[item.feed_id], kind) for item in told], default=str).decode()
    event = {"kind": kind, "day": day, "feed": batch.feed, "by": principal.subject, "now": now, "rows": rows}
    await session.execute(_EVENTS, event)
    who = {"by": principal.subject, "roles": sorted(principal.roles), "areas": list(principal.areas)}
    await session.execute(_AUDIT, {**who, "trace": current_traceparent(), "rows": rows})
    await publish_states(session, sorted({home for item in told for home in (item.household_id, *item.others)}), now)
    await publish_recorded(session, list(ids.values()), now)
    return ids


def _row(told: Told, event_id: UUID, kind: str) -> dict[str, Any]:
    others = {str(home): version for home, version in told.others.items()}
    audit = {"kind": kind, "household_id": told.household_id, "version": told.version, "others": others, "events": 1}
    event = {"id": event_id, "feed_id": told.feed_id, "person_id": told.person_id, "household_id": told.household_id}
    return {**event, "detail": told.detail, "undo": told.undo, "audit": audit}


async def _write(session: AsyncSession, context: Context, changes: Sequence[tuple[HouseholdState, Edited]]) -> None:
    people = [row for _, edited in changes for row in _newcomers(context, edited)]
    if people:
        await session.execute(_PEOPLE, {"rows": people})
    left = [item for _, edited in changes for item in edited.left]
    if left:
        values = {"people": [item.person_id for item in left], "untils": [item.until for item in left]}
        await session.execute(_LEAVE, values)
    joined = [row for _, edited in changes for row in _joining(edited)]
    if joined:
        await session.execute(_MEMBERSHIPS, {"rows": joined})
    ended = [person_id for before, edited in changes for person_id in _changed(before, edited)]
    if ended:
        await session.execute(_PREGNANCIES, {"people": ended})
    numbers = [row for _, edited in changes for row in _numbers(context, edited)]
    if numbers:
        await session.execute(_NUMBERS, {"rows": numbers})


def _newcomers(context: Context, edited: Edited) -> Iterator[dict[str, Any]]:
    phones = {
        person_id: {name: value and _hex(value) for name, value in columns.items()}
        for person_id, columns in phones_of(context, edited).items()
    }
    for person_id in edited.added:
        yield new_person(edited, person_id, phones)


def _joining(edited: Edited) -> Iterator[dict[str, Any]]:
    for person_id in (*edited.added, *edited.moved_in):
        member = edited.state.members[person_id]
        place = {"person_ref": member.person_ref, "relationship": member.relationship, "valid_from": member.since}
        yield {"household_id": edited.state.id, "person_id": person_id, **place}


def _changed(before: HouseholdState, edited: Edited) -> Iterator[UUID]:
    members = edited.state.members
    return (key for key in members.keys() & before.members.keys() if members[key].facts != before.members[key].facts)


def _numbers(context: Context, edited: Edited) -> Iterator[dict[str, Any]]:
    for given in edited.numbers:
        assert given.number is not None  # `is_plain` has looked
        sealed = context.resources.sealer.seal(given.number.get_secret_value(), given.type)
        row = {"type": given.type, "hash": _hex(sealed.hash), "cipher": _hex(sealed.cipher), "issuer": given.issuer}
        yield {**row, "owner_id": given.owner_id, "valid_from": given.valid_from, "valid_until": given.valid_until}


def _hex(value: bytes) -> str:
    """As the database reads bytes from JSON."""
    return "\\x" + value.hex()
