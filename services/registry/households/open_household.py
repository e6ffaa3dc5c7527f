"""A household without anybody yet: those who move out, and workers registered singly, are put into one."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history.begin_change import begin_change
from services.registry.history.model import Origin
from services.registry.households import change_repository as writes
from services.registry.households import repository
from services.registry.households.errors import BadHousehold, HouseholdExists
from services.registry.households.references import mint_households
from services.registry.households.rules import problem
from shared.auth import Principal, ensure_area
from shared.service import Context


async def open_household(
    session: AsyncSession,
    context: Context,
    principal: Principal | None,
    village_code: str,
    household_ref: str,
    kind: str,
    origin: Origin,
    effective_on: date,
) -> UUID:
    """Write it at version 0; `apply_change` then brings its members, and publishes it as registered.

    Raises:
        OutsideArea: the village is not in the caller's area.
        BadHousehold: there is no such village, or it has no location class today.
        HouseholdExists: the village has a household of this number.
    """
    if principal is not None:
        ensure_area(principal, village_code)
    today, now = context.clock.today(), context.clock.now()
    location_class = await writes.class_of(session, village_code, today)
    if location_class is None or not await writes.open_villages(session, [village_code]):
        raise BadHousehold("Correct the village.", errors=[problem("village_code", "unknown_village")])
    existing = await repository.find_by_ref(session, village_code, household_ref)
    if existing is not None:
        raise HouseholdExists("Give the new household its own number.", id=str(existing.id))
    (identifier, reference), *_ = await mint_households(session, 1)
    await begin_change(session, origin, now)
    values = {"village_code": village_code, "household_ref": household_ref, "location_class": location_class}
    times = {"effective_on": effective_on, "version": 0, "created_at": now, "updated_at": now}
    await writes.insert_household(session, {"id": identifier, "reference": reference, "kind": kind, **values, **times})
    return identifier
