"""Events that arrive after what came later is recorded: they take their place in the past, and the present stands."""

from __future__ import annotations

from dataclasses import replace

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history import repository as history
from services.registry.history.begin_change import begin_change
from services.registry.history.model import Origin
from services.registry.households import change_repository as writes
from services.registry.households import repository as households
from services.registry.households.errors import HouseholdNotFound
from services.registry.households.publish import publish_states
from services.registry.life_events import repository
from services.registry.life_events.plan import Plan
from services.registry.life_events.schemas import Move, Pregnancy
from shared.service import Context


async def record_late_move(session: AsyncSession, context: Context, plan: Plan, event: Move, origin: Origin) -> int:
    """She lived there for a while, and has moved on since. Returns the household's version."""
    covering = await repository.past_membership(session, event.person_id, event.occurred_on)
    assert covering is not None  # `plan` has looked
    now = context.clock.now()
    await begin_change(session, origin, now)
    await repository.insert_past_stay(
        session,
        covering,
        event.occurred_on,
        household=plan.household_id,
        person=event.person_id,
        ref=f"late-{str(event.person_id)[-8:]}",
        relationship=event.relationship or "other",
    )
    version = await writes.update_household(session, plan.household_id, {"updated_at": now})
    await publish_states(session, [plan.household_id], now)
    return version


async def record_late_pregnancy(
    session: AsyncSession, context: Context, plan: Plan, event: Pregnancy, origin: Origin
) -> int:
    """She was pregnant until a day that is recorded already. Returns the household's version."""
    now = context.clock.now()
    begun = {"subject_type": "person", "subject_id": event.person_id, "field": "pregnant"}
    await begin_change(session, origin, now)
    await history.record_past(session, [{**begun, "before": False, "after": True}], _dumps)
    await begin_change(session, replace(origin, effective_on=plan.detail["ended_on"]), now)
    await history.record_past(session, [{**begun, "before": True, "after": False}], _dumps)
    await begin_change(session, origin, now)
    found = await households.find_household(session, plan.household_id)
    if found is None:
        raise HouseholdNotFound("Look it up at /registry/v1/households.")
    return int(found.version)


def _dumps(rows: object) -> str:
    return orjson.dumps(rows, default=str).decode()
