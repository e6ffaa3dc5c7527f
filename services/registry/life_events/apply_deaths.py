"""Deaths of a feed that stand by themselves, applied as a set: a few statements for each day, however many died.

A death stands by itself where no other line at hand is about the same household, and where it only takes a member away:
she is not the head or the representative, joined before that day, and nothing recorded of her began after it. All
others go one by one through `record_life_event`, in their order, and are refused there with their reasons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history.begin_change import begin_change
from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.publish import publish_states
from services.registry.life_events.publish import publish_recorded
from services.registry.life_events.schemas import Death
from shared.auth import Principal
from shared.ids import uuid7
from shared.service import Context
from shared.telemetry import current_traceparent

_HOMES: Final = text("""
    SELECT person_id, household_id FROM membership
    WHERE person_id = ANY (CAST(:people AS uuid[])) AND valid_until IS NULL""")
_ALONE: Final = text("""
    SELECT given.person AS person_id, given.day, m.household_id, m.relationship
    FROM unnest(CAST(:people AS uuid[]), CAST(:days AS date[])) AS given (person, day)
    JOIN membership m ON m.person_id = given.person AND m.valid_until IS NULL
    JOIN person p ON p.id = given.person
    JOIN household g ON g.id = m.household_id
    WHERE p.alive AND g.dissolved_on IS NULL AND m.relationship <> 'head'
      AND g.representative_person_id IS DISTINCT FROM p.id
      AND given.day BETWEEN greatest(p.birth_date, m.valid_from) AND :today
      AND EXISTS (SELECT FROM unnest(CAST(:areas AS text[])) area WHERE area = '*' OR starts_with(g.village_code, area))
      AND NOT EXISTS (SELECT FROM fact_change f JOIN register_change c ON c.id = f.change_id
        WHERE f.subject_id IN (p.id, g.id) AND c.effective_on > given.day)
    ORDER BY g.id FOR UPDATE OF g""")
_APPLY: Final = (
    text("""
    UPDATE membership SET valid_until = :day
    WHERE person_id = ANY (CAST(:people AS uuid[])) AND valid_until IS NULL"""),
    text("""
    UPDATE person SET alive = false, died_on = :day, pregnant = false, expected_delivery_on = NULL
    WHERE id = ANY (CAST(:people AS uuid[]))"""),
    text("""
    UPDATE household SET version = version + 1, effective_on = :day, updated_at = :now
    WHERE id = ANY (CAST(:homes AS uuid[]))"""),
    text("""
    INSERT INTO life_event (id, kind, person_id, household_id, occurred_on, source, feed, feed_id, undo, recorded_by,
      recorded_at)
    SELECT id, 'death', person, home, :day, 'civil_registration', :feed, feed_id,
      jsonb_build_object('relationship', relationship, 'successor', NULL), :by, :now
    FROM unnest(CAST(:ids AS uuid[]), CAST(:people AS uuid[]), CAST(:homes AS uuid[]), CAST(:feed_ids AS text[]),
      CAST(:relationships AS text[])) AS given (id, person, home, feed_id, relationship)"""),
    text("""
    INSERT INTO audit_entry (actor, roles, areas, action, object_type, object_id, detail, traceparent)
    SELECT :by, CAST(:roles AS text[]), CAST(:areas AS text[]), 'life_event.record', 'life_event', id::text,
      CAST(:detail AS jsonb) || jsonb_build_object('household_id', home), :trace
    FROM unnest(CAST(:ids AS uuid[]), CAST(:homes AS uuid[])) AS given (id, home)"""),
)


async def apply_deaths(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    batch: Row[Any],
    deaths: Mapping[str, Death],
    everybody: Sequence[UUID],
) -> dict[str, UUID]:
    """Apply those that stand by themselves. Returns the life event of each line that was applied, by feed_id.

    Args:
        deaths: of lines whose person is known, by feed_id.
        everybody: every person whom any line at hand names, as often as it does.
    """
    lines = Counter(everybody)
    feed_ids = {death.person_id: feed_id for feed_id, death in deaths.items() if lines[death.person_id] == 1}
    homes = {row.person_id: row.household_id for row in await session.execute(_HOMES, {"people": list(lines)})}
    crowded = {home for home, times in Counter(homes.values()).items() if times > 1}
    people = [person for person in feed_ids if person in homes and homes[person] not in crowded]
    days = {death.person_id: death.occurred_on for death in deaths.values()}
    values: dict[str, Any] = {"people": people, "days": [days[person] for person in people]}
    values |= {"today": context.settings.today(context.clock), "areas": list(principal.areas)}
    by_day: dict[date, list[Row[Any]]] = {}
    for row in (await session.execute(_ALONE, values)).all() if people else ():
        by_day.setdefault(row.day, []).append(row)
    applied: dict[str, UUID] = {}
    for day, rows in sorted(by_day.items()):
        applied |= await _apply_day(session, context, principal, batch, day, rows, feed_ids)
    return applied


async def _apply_day(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    batch: Row[Any],
    day: date,
    rows: Sequence[Row[Any]],
    feed_ids: Mapping[UUID, str],
) -> dict[str, UUID]:
    """All deaths of a day are one change: what it says of each is the same."""
    now = context.clock.now()
    origin = Origin(
        ChangeKind.LIFE_CHANGE, ChangeSource.CIVIL_REGISTRATION, principal.subject, "death", day, source_id=batch.id
    )
    await begin_change(session, origin, now)
    ids = {feed_ids[row.person_id]: uuid7() for row in rows}
    values: dict[str, Any] = {"day": day, "now": now, "by": principal.subject, "feed": batch.feed}
    values |= {"ids": list(ids.values()), "feed_ids": list(ids), "people": [row.person_id for row in rows]}
    values |= {"homes": [row.household_id for row in rows], "relationships": [row.relationship for row in rows]}
    values |= {"roles": sorted(principal.roles), "areas": list(principal.areas), "trace": current_traceparent()}
    values["detail"] = orjson.dumps({"kind": "death", "events": 1}).decode()
    for statement in _APPLY:
        await session.execute(statement, {name: values[name] for name in statement._bindparams})
    await publish_states(session, sorted(values["homes"]), now)
    await publish_recorded(session, values["ids"], now)
    return ids
