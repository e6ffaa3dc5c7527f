"""A life event did not happen: what it changed is put back as a correction, and everybody hears of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history.begin_change import begin_change
from services.registry.history.model import ChangeKind, ChangeSource, Origin
from services.registry.households import change_repository as writes
from services.registry.households.apply_change import PathedChange, apply_change, load_state
from services.registry.households.changes import ChangePerson, MoveIn, PersonFacts, RemoveMember, SetHousehold
from services.registry.households.errors import BadHousehold
from services.registry.households.publish import publish_states
from services.registry.life_events import repository
from services.registry.life_events.errors import CannotWithdraw, LifeEventNotFound, LifeEventWithdrawnAlready
from services.registry.life_events.publish import publish_withdrawn
from shared import audit
from shared.auth import Principal, ensure_area
from shared.etag import check_version
from shared.service import Context


async def withdraw_life_event(
    session: AsyncSession, context: Context, principal: Principal, event_id: UUID, version: int, cause: str
) -> int:
    """Undo it. Returns the event's version.

    Raises:
        LifeEventNotFound, OutsideArea, PreconditionFailed, LifeEventWithdrawnAlready: not by this caller now.
        CannotWithdraw: what happened since stands in the way: correct the household by hand.
    """
    event = await repository.find_event(session, event_id, lock=True)
    if event is None:
        raise LifeEventNotFound("Look it up at /registry/v1/life-events.")
    ensure_area(principal, event.village_code)
    if event.withdrawn_at is not None:
        raise LifeEventWithdrawnAlready("Nothing was changed.")
    check_version(version, event.version)
    if event.undo.get("late"):
        raise CannotWithdraw("It was recorded after what came later: correct the household's history by hand.")
    now = context.clock.now()
    origin = Origin(
        ChangeKind.CORRECTION, ChangeSource.OFFICER, principal.subject, f"{event.kind} withdrawn", None, event_id
    )
    await begin_change(session, origin, now)
    new_version = await repository.withdraw(session, event_id, principal.subject, cause, now)
    if event.kind == "death":
        await _live_again(session, context, event)
    else:
        await _undo(session, context, principal, event, origin)
    await publish_withdrawn(session, [event_id], now)
    detail = {"kind": event.kind, "household_id": str(event.household_id), "version": new_version}
    await audit.record(session, principal, "life_event.withdraw", "life_event", event_id, detail)
    return new_version


async def _live_again(session: AsyncSession, context: Context, event: Row[Any]) -> None:
    await writes.lock_households(session, [event.household_id])
    (person,) = await writes.known_people(session, [event.person_id])
    if person.alive or person.household_id is not None:
        raise CannotWithdraw("The person is not as the event left her: correct the household by hand.")
    state, _ = await load_state(session, event.household_id)
    undo = dict(event.undo)
    if undo["relationship"] == "head":
        head = state.facts["head_person_id"]
        if head is not None and str(head) != str(undo.get("successor")):
            undo["relationship"], undo["successor"] = "other", None
    now = context.clock.now()
    await repository.bring_back(session, event.household_id, event.person_id, undo, now)
    await publish_states(session, [event.household_id], now)


async def _undo(session: AsyncSession, context: Context, principal: Principal, event: Row[Any], origin: Origin) -> None:
    household_id, change = _change(event)
    try:
        await apply_change(session, context, household_id, [change], origin, principal=principal, moves_people=True)
    except BadHousehold as error:
        raise CannotWithdraw("Correct the household by hand.", errors=error.errors) from None


def _change(event: Row[Any]) -> tuple[UUID, PathedChange]:
    """The change that takes an event back, and the household it is a change of."""
    undo, person_id = event.undo, event.person_id
    if event.kind == "birth":
        return event.household_id, ("", RemoveMember(person_id=person_id, cause="error"))
    if event.kind in {"pregnancy", "pregnancy_ended"}:
        facts = PersonFacts(pregnant=undo["pregnant"], expected_delivery_on=undo["expected_delivery_on"])
        return event.household_id, ("", ChangePerson(person_id=person_id, facts=facts))
    if "place" in undo:
        return event.household_id, ("", SetHousehold.model_validate(undo["place"]))
    back = MoveIn(person_id=person_id, person_ref=None, relationship=_still(undo["relationship"]))
    return UUID(undo["household_id"]), ("", back)


def _still(relationship: str) -> Any:
    """Who was head has been followed by another: she comes back as a member."""
    return "other" if relationship == "head" else relationship
