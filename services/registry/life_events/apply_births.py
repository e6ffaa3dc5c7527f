"""Births of a feed that stand by themselves, applied as a set: read together, judged one by one, written together.

What a birth does is said by the same pure rules as always (`plan_birth`, `households.editing`). One that these refuse,
that arrives after what came later, or that brings a number which somebody has, goes through `record_life_event` in its
turn, and is refused or split there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.households import change_repository as writes
from services.registry.households.apply_change import load_states
from services.registry.households.changes import PersonFacts
from services.registry.households.editing import edit
from services.registry.households.state import HouseholdState, Rules
from services.registry.life_events import feed_repository, repository
from services.registry.life_events.errors import BadLifeEvent
from services.registry.life_events.plan import life_rules, plan_birth
from services.registry.life_events.schemas import Birth
from services.registry.life_events.standing_alone import begun_after
from services.registry.life_events.write_set import Ready, Told, is_plain, write_days
from services.registry.sealing import BIRTH_CERTIFICATE, NATIONAL_ID, Sealer
from shared.auth import Principal
from shared.service import Context

Number = tuple[str, bytes]


async def apply_births(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    batch: Row[Any],
    births: Mapping[str, Birth],
    alone: Mapping[UUID, UUID],
) -> dict[str, UUID]:
    """Apply those that stand by themselves. Returns the life event of each line that was applied, by feed_id.

    Args:
        births: of all lines whose mother is known, by feed_id.
        alone: people of whom one line at hand speaks, with their households (`standing_alone`).
    """
    homes = {feed_id: alone[mother] for feed_id, birth in births.items() if (mother := _mother(birth)) in alone}
    if not homes:
        return {}
    states = await load_states(session, list(homes.values()))
    told = [(_mother(births[feed_id]), home, births[feed_id].occurred_on) for feed_id, home in homes.items()]
    late = await begun_after(session, ((subject, day) for *subjects, day in told for subject in subjects))
    late |= await repository.births_recorded(session, told)
    disputed = await _disputed(session, context.resources.sealer, births)
    named = {employer for feed_id in homes if (employer := births[feed_id].child.employer_id)}
    employers = await writes.known_employers(session, sorted(named))
    ready = []
    for feed_id, home in homes.items():
        birth = births[feed_id]
        numbers = set(numbers_of(context.resources.sealer, birth.child))
        if home in states and not {home, _mother(birth)} & late and not numbers & disputed:
            rules = life_rules(context, birth.occurred_on, employers=employers)
            ready += _ready(feed_id, birth, *states[home], principal, rules)
    return await write_days(session, context, principal, batch, "birth", ready)


def _mother(birth: Birth) -> UUID:
    assert birth.mother_person_id is not None  # a feed names her
    return birth.mother_person_id


def _ready(
    feed_id: str, birth: Birth, state: HouseholdState, version: int, principal: Principal, rules: Rules
) -> list[Ready]:
    """The birth as it will be written; nothing where it must go one by one."""
    mother = state.members.get(_mother(birth))
    if mother is None or not mother.facts["alive"] or not principal.covers(state.facts["village_code"]):
        return []
    try:
        plan = plan_birth(birth, state, mother)
    except BadLifeEvent:
        return []
    edited = edit(state, plan.changes, rules)
    if not is_plain(state, edited):
        return []
    told = Told(feed_id, edited.added[0], state.id, version + 1, detail=plan.detail, undo=plan.undo)
    return [Ready(told, birth.occurred_on, [(state, edited)])]


async def is_twin(session: AsyncSession, sealer: Sealer, birth: Birth) -> bool:
    """Whether a birth that a feed tells is another one than those recorded of the mother and the day.

    A feed has no word for it. It is where it brings a birth certificate that nobody has, and all who were born there
    that day have another one, and another name: a certificate issued again is no second child.
    """
    child = birth.child
    numbers = [number for number in numbers_of(sealer, child) if number[0] == BIRTH_CERTIFICATE]
    if not numbers or await feed_repository.owners(session, numbers):
        return False
    names = (child.name_km or "", child.name_en or "")
    return await repository.others_were_born(session, _mother(birth), birth.occurred_on, names)


async def _disputed(session: AsyncSession, sealer: Sealer, births: Mapping[str, Birth]) -> set[Number]:
    """Numbers that somebody has, or that two lines at hand bring: the one that comes first gets it."""
    times = Counter(number for birth in births.values() for number in numbers_of(sealer, birth.child))
    twice = {number for number, often in times.items() if often > 1}
    return twice | (await feed_repository.owners(session, sorted(times))).keys() if times else twice


def numbers_of(sealer: Sealer, child: PersonFacts) -> Iterator[Number]:
    """The numbers a child brings, as they are looked up: (type, hash)."""
    given = [(number.type, number.number) for number in child.identifiers]
    for kind, number in [(NATIONAL_ID, child.national_id), *given]:
        if number is not None:
            yield kind, sealer.digest(number.get_secret_value().replace(" ", ""), kind)
