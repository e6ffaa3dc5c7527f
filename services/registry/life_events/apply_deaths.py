"""Deaths of a feed that stand by themselves, applied as a set: a few statements for each day, however many died.

Here a death only takes a member away: she is not the head or the representative, joined before that day, and nothing
recorded of her began after it. All others go one by one through `record_life_event`, in their order, and are refused
there with their reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.life_events.schemas import Death
from services.registry.life_events.write_set import Told, begin_day, record_day
from shared.auth import Principal
from shared.service import Context

_PLAIN: Final = text("""
    SELECT given.person AS person_id, given.day, m.household_id, m.relationship
    FROM unnest(CAST(:people AS uuid[]), CAST(:homes AS uuid[]), CAST(:days AS date[])) AS given (person, home, day)
    JOIN membership m ON m.person_id = given.person AND m.household_id = given.home AND m.valid_until IS NULL
    JOIN person p ON p.id = given.person
    JOIN household g ON g.id = m.household_id
    WHERE p.alive AND g.dissolved_on IS NULL AND m.relationship <> 'head'
      AND g.representative_person_id IS DISTINCT FROM p.id
      AND given.day BETWEEN greatest(p.birth_date, m.valid_from) AND :today
      AND EXISTS (SELECT FROM unnest(CAST(:areas AS text[])) area WHERE area = '*' OR starts_with(g.village_code, area))
      AND NOT EXISTS (SELECT FROM fact_change f JOIN register_change c ON c.id = f.change_id
        WHERE f.subject_id IN (p.id, g.id) AND c.effective_on > given.day)""")
_END: Final = text("""
    UPDATE membership SET valid_until = :day
    WHERE person_id = ANY (CAST(:people AS uuid[])) AND valid_until IS NULL""")
_DIE: Final = text("""
    UPDATE person SET alive = false, died_on = :day, pregnant = false, expected_delivery_on = NULL
    WHERE id = ANY (CAST(:people AS uuid[]))""")
_HOUSEHOLDS: Final = text("""
    UPDATE household SET version = version + 1, effective_on = :day, updated_at = :now
    WHERE id = ANY (CAST(:homes AS uuid[])) RETURNING id, version""")


async def apply_deaths(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    batch: Row[Any],
    deaths: Mapping[str, Death],
    alone: Mapping[UUID, UUID],
) -> dict[str, UUID]:
    """Apply those that stand by themselves. Returns the life event of each line that was applied, by feed_id.

    Args:
        deaths: of all lines whose person is known, by feed_id.
        alone: people of whom one line at hand speaks, with their households (`standing_alone`).
    """
    feed_ids = {death.person_id: feed_id for feed_id, death in deaths.items() if death.person_id in alone}
    if not feed_ids:
        return {}
    values: dict[str, Any] = {"people": list(feed_ids), "homes": [alone[person] for person in feed_ids]}
    values["days"] = [deaths[feed_id].occurred_on for feed_id in feed_ids.values()]
    values |= {"today": context.clock.today(), "areas": list(principal.areas)}
    by_day: dict[date, list[Row[Any]]] = {}
    for row in await session.execute(_PLAIN, values):
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
    now = context.clock.now()
    await begin_day(session, principal, batch, "death", day, now)
    people = [row.person_id for row in rows]
    for statement in (_END, _DIE):
        await session.execute(statement, {"day": day, "people": people})
    homes = {"homes": [row.household_id for row in rows], "day": day, "now": now}
    versions: dict[UUID, int] = {row.id: row.version for row in await session.execute(_HOUSEHOLDS, homes)}
    told = [
        Told(
            feed_ids[row.person_id],
            row.person_id,
            row.household_id,
            versions[row.household_id],
            undo={"relationship": row.relationship, "successor": None},
        )
        for row in rows
    ]
    return await record_day(session, principal, batch, "death", day, told, now)
