"""Marriages of a feed that stand by themselves, applied as a set: read together, judged one by one, written together.

Two households change, and no other line at hand is about either. Where the head leaves or nobody is left, a next head
or an end is to be found: those go one by one through `record_life_event`, as all do that the rules refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.households.apply_change import departures, load_states, named_people
from services.registry.households.changes import MoveIn
from services.registry.households.editing import edit
from services.registry.households.state import HouseholdState, Known, Rules
from services.registry.life_events import repository
from services.registry.life_events.errors import BadLifeEvent, HappenedLater
from services.registry.life_events.plan import life_rules, plan_marriage
from services.registry.life_events.schemas import Marriage
from services.registry.life_events.standing_alone import begun_after
from services.registry.life_events.write_set import Ready, Told, is_plain, write_days
from shared.auth import Principal
from shared.service import Context

States = Mapping[UUID, tuple[HouseholdState, int]]


async def apply_marriages(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    batch: Row[Any],
    marriages: Mapping[str, Marriage],
    alone: Mapping[UUID, UUID],
) -> dict[str, UUID]:
    """Apply those that stand by themselves. Returns the life event of each line that was applied, by feed_id.

    Args:
        marriages: of all lines whose two people are known, by feed_id.
        alone: people of whom one line at hand speaks, with their households (`standing_alone`).
    """
    couples = {
        feed_id: told
        for feed_id, told in marriages.items()
        if told.person_id in alone and told.spouse_person_id in alone
    }
    if not couples:
        return {}
    homes = {alone[one] for told in couples.values() for one in (told.person_id, told.spouse_person_id)}
    states = await load_states(session, sorted(homes))
    days = [(told.person_id, told.spouse_person_id, told.occurred_on) for told in couples.values()]
    subjects = ((subject, day) for *two, day in days for one in two for subject in (one, alone[one]))
    late = await begun_after(session, subjects)
    again = await repository.marriages_recorded(session, days)
    joining = [("", MoveIn(person_id=told.person_id, relationship="other")) for told in couples.values()]
    people = await named_people(session, joining, principal, moves_people=True)
    ready = []
    for feed_id, told in couples.items():
        here, there = alone[told.person_id], alone[told.spouse_person_id]
        about = {told.person_id, told.spouse_person_id, here, there}
        if not about & late and told.person_id not in again and {here, there} <= states.keys():
            rules = life_rules(context, told.occurred_on, people)
            ready += _ready(feed_id, told, (states[there], states[here]), principal, rules, people)
    return await write_days(session, context, principal, batch, "marriage", ready)


def _ready(
    feed_id: str,
    told: Marriage,
    both: tuple[tuple[HouseholdState, int], tuple[HouseholdState, int]],
    principal: Principal,
    rules: Rules,
    people: Mapping[UUID, Known],
) -> list[Ready]:
    """The marriage as it will be written; nothing where it must go one by one."""
    (there, version), (here, left_version) = both
    spouse, member = there.members.get(told.spouse_person_id), here.members.get(told.person_id)
    if spouse is None or member is None or not (spouse.facts["alive"] and member.facts["alive"]):
        return []
    if not all(principal.covers(state.facts["village_code"]) for state in (there, here)):
        return []
    try:
        plan = plan_marriage(told, (there, spouse), (here, member))
    except (BadLifeEvent, HappenedLater):
        return []
    joined = edit(there, plan.changes, rules)
    leaving = departures(here, [told.person_id], rules.today, rules.head_min_age)
    left = edit(here, leaving, replace(rules, head_min_age=0))
    if not (is_plain(there, joined) and is_plain(here, left)):
        return []
    happened = Told(feed_id, told.person_id, there.id, version + 1, {here.id: left_version + 1}, plan.detail, plan.undo)
    return [Ready(happened, told.occurred_on, [(there, joined), (here, left)])]
