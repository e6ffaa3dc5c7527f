"""A village changes its location class from a day on; its households follow when that day comes.

A household keeps the class it was last published with. Bringing households up to their village's class of today is one
piece of work, done by a job at once and by a schedule every hour: a change dated in the future needs nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history.begin_change import begin_change
from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.publish import publish_states
from services.registry.places import repository
from services.registry.places.errors import NotAVillage, PlaceNotFound, UnknownLocationClass
from services.registry.places.location_class import load_class_rules
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import FieldError
from shared.jobs import JobKind, JobRun, Schedule, enqueue
from shared.service import Context

RECLASS_JOB: Final = "reclass_households"


async def change_location_class(
    session: AsyncSession, principal: Principal, code: str, location_class: str, effective_on: date
) -> UUID:
    """Record the class and queue the work on households. Returns the job's id.

    Raises:
        PlaceNotFound, NotAVillage, UnknownLocationClass, OutsideArea: nothing is changed.
    """
    village = await repository.find_place(session, code)
    if village is None:
        raise PlaceNotFound("Look the code up at /registry/v1/places.")
    ensure_area(principal, code)
    if village.level != "village":
        raise NotAVillage(f"{code} is a {village.level}.")
    known = load_class_rules().classes
    if location_class not in known:
        message = f"Use one of: {', '.join(known)}."
        raise UnknownLocationClass(message, errors=[FieldError("location_class", "unknown_location_class", message)])
    await repository.set_class(session, code, location_class, effective_on)
    detail = {"location_class": location_class, "effective_on": effective_on.isoformat()}
    await audit.record(session, principal, "place.change_location_class", "place", code, detail)
    return await enqueue(session, RECLASS_JOB, {}, key=RECLASS_JOB)


async def _reclass_chunk(context: Context, session: AsyncSession) -> int:
    now = context.clock.now()
    today = context.clock.today()
    size = context.settings.import_chunk_households
    origin = Origin(
        ChangeKind.LIFE_CHANGE, ChangeSource.PLATFORM, "system:reclass", "the village's class changed", today
    )
    await begin_change(session, origin, now)
    changed = await repository.reclass_households(session, today, now, size)
    await publish_states(session, changed, now)
    return len(changed)


async def reclass_households(run: JobRun) -> Mapping[str, Any]:
    """Give every household the class its village has today, and publish it."""
    done = 0
    while True:
        async with run.context.database.session() as session:
            await run.still_mine(session)
            changed = await _reclass_chunk(run.context, session)
        if not changed:
            return {"households": done}
        done += changed
        await run.progress(done, None, "changing location class")


async def start_due_classes(context: Context) -> None:
    """Queue the work on households: a class may begin today."""
    async with context.database.session() as session:
        await enqueue(session, RECLASS_JOB, {}, key=RECLASS_JOB)


RECLASS_HOUSEHOLDS = JobKind(RECLASS_JOB, reclass_households)
START_DUE_CLASSES = Schedule("start_due_classes", timedelta(hours=1), start_due_classes)
