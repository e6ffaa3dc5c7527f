"""Which lines of a feed stand by themselves: those may be applied as sets, in any order, before all others.

A line stands by itself where no other line at hand is about the same household: what it meets there is then what it
would have met in its turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.households import change_repository as writes

_HOMES: Final = text("""
    SELECT person_id, household_id FROM membership
    WHERE person_id = ANY (CAST(:people AS uuid[])) AND valid_until IS NULL""")
_BEGUN: Final = text("""
    SELECT DISTINCT given.subject
    FROM unnest(CAST(:subjects AS uuid[]), CAST(:days AS date[])) AS given (subject, day)
    WHERE EXISTS (SELECT FROM fact_change f JOIN register_change c ON c.id = f.change_id
      WHERE f.subject_id = given.subject AND c.effective_on > given.day)""")


async def standing_alone(session: AsyncSession, lines: Sequence[Collection[UUID]]) -> dict[UUID, UUID]:
    """Where they live, of all people who are named once, and in whose household nobody else is named.

    The households are locked, in one order, before anything else is read of them.

    Args:
        lines: whom each line at hand names; those who are registered.
    """
    times = Counter(person for people in lines for person in people)
    found = await session.execute(_HOMES, {"people": list(times)})
    homes: Mapping[UUID, UUID] = {row.person_id: row.household_id for row in found}
    named = Counter(homes.values())
    alone = {person: home for person, home in homes.items() if times[person] == 1 and named[home] == 1}
    await writes.lock_households(session, sorted(alone.values()))
    return alone


async def begun_after(session: AsyncSession, days: Iterable[tuple[UUID, date]]) -> set[UUID]:
    """The persons and households of which something recorded began after the day given for each."""
    pairs = list(days)
    values = {"subjects": [subject for subject, _ in pairs], "days": [day for _, day in pairs]}
    return set(await session.scalars(_BEGUN, values))
