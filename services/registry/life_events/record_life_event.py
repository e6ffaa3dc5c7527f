"""Record what happened in a person's life: the register follows, and everybody hears of both.

who and where -> typed changes (`plan`) -> apply_change -> the event itself, with how to undo it -> publish
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households.apply_change import apply_change
from services.registry.households.rules import problem
from services.registry.life_events import repository
from services.registry.life_events.errors import BadLifeEvent
from services.registry.life_events.late import record_late_move, record_late_pregnancy
from services.registry.life_events.plan import Plan, plan_event
from services.registry.life_events.publish import publish_recorded
from services.registry.life_events.schemas import Event, Move, Pregnancy, Recorded
from shared import audit
from shared.auth import Principal
from shared.ids import uuid7
from shared.service import Context

SOURCES = {
    "officer": ChangeSource.OFFICER,
    "civil_registration": ChangeSource.CIVIL_REGISTRATION,
    "tablet": ChangeSource.TABLET,
}


async def record_life_event(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    event: Event,
    *,
    source: str = "officer",
    feed: tuple[str, str] | None = None,
    path: str = "",
) -> Recorded:
    """Record one event in the session's transaction.

    Args:
        source: officer, civil_registration or tablet.
        feed: name and line id of the feed it came from.
        path: where the event stands in the client's request, for errors.

    Raises:
        OutsideArea: it happened outside the caller's area.
        BadHousehold, BadLifeEvent: naming everything that cannot be.
        HappenedLater: something recorded after that day contradicts it.
    """
    today = context.clock.today()
    if event.occurred_on > today:
        raise BadLifeEvent("Correct the day.", errors=[problem("occurred_on", "date_in_future")])
    event_id = uuid7()
    by = principal.subject
    reason = event.reason or event.kind
    origin = Origin(ChangeKind.LIFE_CHANGE, SOURCES[source], by, reason, event.occurred_on, source_id=event_id)
    others: dict[UUID, int] = {}
    plan = await plan_event(session, context, principal, event, origin, path)
    if plan.late and isinstance(event, Move):
        version = await record_late_move(session, context, plan, event, origin)
    elif plan.late and isinstance(event, Pregnancy):
        version = await record_late_pregnancy(session, context, plan, event, origin)
    else:
        applied = await apply_change(
            session,
            context,
            plan.household_id,
            plan.changes,
            origin,
            principal=principal,
            moves_people=True,
            any_head=plan.any_head,
        )
        version, others = applied.version, applied.others
        plan = _with_newborn(plan, applied.added)
    ids = [event_id, *(uuid7() for _ in plan.people[1:])]
    await _add(session, context, plan, event, ids, source, feed, by)
    await publish_recorded(session, ids, context.clock.now())
    detail: dict[str, Any] = {"kind": event.kind, "household_id": str(plan.household_id), "version": version}
    detail |= {"others": {str(key): value for key, value in others.items()}, "events": len(ids)}
    await audit.record(session, principal, "life_event.record", "life_event", event_id, detail)
    return Recorded(ids=ids, household_id=plan.household_id, household_version=version, person_id=plan.people[0])


def _with_newborn(plan: Plan, added: tuple[UUID, ...]) -> Plan:
    return plan if plan.people else plan.of(added)


async def _add(
    session: AsyncSession,
    context: Context,
    plan: Plan,
    event: Event,
    ids: list[UUID],
    source: str,
    feed: tuple[str, str] | None,
    by: str,
) -> None:
    await repository.add_events(
        session,
        ids,
        plan.people,
        kind=event.kind,
        household_id=plan.household_id,
        occurred_on=event.occurred_on,
        source=source,
        feed=feed[0] if feed else None,
        feed_id=feed[1] if feed else None,
        detail=plan.detail,
        undo=plan.undo,
        recorded_by=by,
        recorded_at=context.clock.now(),
    )
