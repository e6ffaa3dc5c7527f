"""From what happened to the typed changes of one household, and to what will undo them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history.model import Origin
from services.registry.households import change_repository as writes
from services.registry.households.apply_change import PathedChange, load_state, next_head
from services.registry.households.changes import (
    AddPerson,
    ChangePerson,
    MoveIn,
    PersonFacts,
    RemoveMember,
    SetHousehold,
)
from services.registry.households.open_household import open_household
from services.registry.households.rules import problem
from services.registry.households.state import HouseholdState, Known, Member, Rules
from services.registry.imports.receive_import import formats
from services.registry.life_events import repository
from services.registry.life_events.errors import BadLifeEvent, HappenedLater
from services.registry.life_events.schemas import Birth, Death, Event, Marriage, Move, Pregnancy, PregnancyEnded
from shared.auth import Principal, ensure_area
from shared.ids import uuid7
from shared.service import Context

_CHILD_OF: Final = {"head": "child", "spouse": "child", "child": "grandchild"}
_SPOUSE_OF: Final = {"head": "spouse"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What an event does.

    Attributes:
        people: to whom it happened; empty until a child is born.
        late: it belongs to the past only; what happened since stands.
        any_head: the next head may be a child: nobody else is left.
    """

    household_id: UUID
    people: tuple[UUID, ...]
    changes: Sequence[PathedChange] = ()
    detail: dict[str, Any] = field(default_factory=dict)
    undo: dict[str, Any] = field(default_factory=dict)
    late: bool = False
    any_head: bool = False

    def of(self, people: tuple[UUID, ...]) -> Plan:
        """The same, of these people."""
        return replace(self, people=people)


async def plan_event(
    session: AsyncSession, context: Context, principal: Principal, event: Event, origin: Origin, path: str
) -> Plan:
    """The changes of an event.

    Raises:
        BadLifeEvent: a person named is not there, or lives in no household.
        HappenedLater: the register says that she lived elsewhere or died before that day.
    """
    planner = _Planner(session, context, principal, origin, path)
    match event:
        case Birth():
            return await planner.birth(event)
        case Death():
            return await planner.death(event)
        case Marriage():
            return await planner.marriage(event)
        case Move():
            return await planner.move(event)
        case Pregnancy() | PregnancyEnded():
            return await planner.pregnancy(event)


def life_rules(
    context: Context,
    day: date,
    people: Mapping[UUID, Known] | None = None,
    employers: frozenset[UUID] = frozenset(),
) -> Rules:
    """What a change in life on this day is held to, where it sets no fact of a household itself.

    Args:
        people: registered persons whom it brings in.
        employers: those of the employers it names that are there.
    """
    return Rules(
        today=context.clock.today(),
        effective_on=day,
        corrects=False,
        head_min_age=context.settings.head_min_age,
        formats=formats(context.settings),
        new_id=uuid7,
        people=people or {},
        employers=employers,
    )


def plan_birth(event: Birth, state: HouseholdState, mother: Member | None, path: str = "") -> Plan:
    """What a birth does to the household. Pure; whether it is recorded already, the caller has looked.

    Args:
        mother: a present member; None: she is not named.

    Raises:
        BadLifeEvent: it cannot be as told.
    """
    if event.child.birth_date not in (None, event.occurred_on.isoformat()):
        raise _bad(path, "child.birth_date", "not_the_day")
    if mother is not None and mother.facts["sex"] != "female":
        raise _bad(path, "mother_person_id", "mother_male")
    if mother is not None and event.household_id not in (None, state.id):
        raise _bad(path, "household_id", "mother_elsewhere")
    born = [member.facts["birth_date"] for member in state.members.values()]
    if event.occurred_on in born and not event.twin:
        raise _bad(path, "occurred_on", "already_born")
    relationship = event.relationship or (_CHILD_OF.get(mother.relationship, "other") if mother else "child")
    child = event.child.model_copy(update={"birth_date": event.occurred_on.isoformat()})
    newborn = AddPerson(relationship=relationship, facts=child)
    changes: list[PathedChange] = [(_at(path, "child"), newborn)]
    if mother is not None and mother.facts["pregnant"]:
        ended = PersonFacts(pregnant=False)
        changes.append(("", ChangePerson(person_id=mother.person_id, facts=ended)))
    return Plan(state.id, (), changes, {"mother_person_id": mother.person_id if mother else None})


def plan_marriage(
    event: Marriage, there: tuple[HouseholdState, Member], here: tuple[HouseholdState, Member], path: str = ""
) -> Plan:
    """What a marriage does to the household of the spouse, `there`, and of who joins it, `here`. Pure.

    Raises:
        BadLifeEvent, HappenedLater: it cannot be as told.
    """
    (state, spouse), (left, member) = there, here
    _not_before(member, event.occurred_on, path)
    relationship = event.relationship or _SPOUSE_OF.get(spouse.relationship, "other")
    joining = MoveIn(person_id=event.person_id, relationship=relationship)
    detail = {"previous_household_id": left.id, "spouse_person_id": event.spouse_person_id}
    return Plan(state.id, (event.person_id,), [(path, joining)], detail, _home(left, member))


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _bad(path: str, name: str, code: str) -> BadLifeEvent:
    return BadLifeEvent("Correct the fields named in errors.", errors=[problem(_at(path, name), code)])


def _not_before(member: Member, day: date, path: str) -> None:
    if day < member.facts["birth_date"]:
        raise _bad(path, "occurred_on", "before_birth")
    if day < member.since:
        raise HappenedLater("She joined her household after this day: correct the day, or withdraw that first.")


class _Planner:
    def __init__(
        self, session: AsyncSession, context: Context, principal: Principal, origin: Origin, path: str
    ) -> None:
        self._session = session
        self._context = context
        self._principal = principal
        self._origin = origin
        self._path = path
        self._today = context.clock.today()

    def _at(self, name: str) -> str:
        return _at(self._path, name)

    def _bad(self, name: str, code: str) -> BadLifeEvent:
        return _bad(self._path, name, code)

    async def _member(self, person_id: UUID, name: str) -> tuple[HouseholdState, Member]:
        """The person in the household where she is a present member."""
        rows = await writes.known_people(self._session, [person_id])
        if not rows or (rows[0].village_code is not None and not self._principal.covers(rows[0].village_code)):
            raise self._bad(name, "unknown_person")
        if not rows[0].alive:
            raise self._bad(name, "person_dead")
        if rows[0].household_id is None:
            raise self._bad(name, "not_a_member")
        await writes.lock_households(self._session, [rows[0].household_id])
        state, _ = await load_state(self._session, rows[0].household_id)
        return state, state.members[person_id]

    async def birth(self, event: Birth) -> Plan:
        mother: Member | None = None
        if event.mother_person_id is not None:
            state, mother = await self._member(event.mother_person_id, "mother_person_id")
        else:
            assert event.household_id is not None
            state, _ = await load_state(self._session, event.household_id)
        told = [(event.mother_person_id, state.id, event.occurred_on)]
        if not event.twin and await repository.births_recorded(self._session, told):
            raise _bad(self._path, "occurred_on", "already_born")
        return plan_birth(event, state, mother, self._path)

    async def death(self, event: Death) -> Plan:
        state, member = await self._member(event.person_id, "person_id")
        _not_before(member, event.occurred_on, self._path)
        heads = next_head(state, [event.person_id], self._today, self._context.settings.head_min_age)
        successor = heads[0][1].person_id if heads else None  # type: ignore[union-attr]
        changes: list[PathedChange] = [(self._path, RemoveMember(person_id=event.person_id, cause="died")), *heads]
        undo = {"relationship": member.relationship, "successor": successor}
        if successor is not None:
            undo["successor_relationship"] = state.members[successor].relationship
        return Plan(state.id, (event.person_id,), changes, {}, undo, any_head=True)

    async def marriage(self, event: Marriage) -> Plan:
        there, spouse = await self._member(event.spouse_person_id, "spouse_person_id")
        if event.person_id in there.members:
            raise self._bad("person_id", "same_household")
        here, member = await self._member(event.person_id, "person_id")
        if await repository.marriages_recorded(
            self._session, [(event.person_id, event.spouse_person_id, event.occurred_on)]
        ):
            raise self._bad("person_id", "already_married")
        return plan_marriage(event, (there, spouse), (here, member), self._path)

    async def move(self, event: Move) -> Plan:
        here, member = await self._member(event.person_id, "person_id")
        detail = {"previous_household_id": here.id}
        undo = _home(here, member)
        if event.household_to_village is not None:
            target = event.household_to_village
            values = SetHousehold(village_code=target.village_code, household_ref=target.household_ref)
            before = {name: here.facts[name] for name in ("village_code", "household_ref")}
            whole: list[PathedChange] = [(self._at("household_to_village"), values)]
            return Plan(here.id, tuple(sorted(here.members)), whole, detail, {"place": before})
        if event.abroad:
            _not_before(member, event.occurred_on, self._path)
            heads = next_head(here, [event.person_id], self._today, self._context.settings.head_min_age)
            leaving = RemoveMember(person_id=event.person_id, cause="emigrated")
            changes: list[PathedChange] = [(self._path, leaving), *heads]
            return Plan(here.id, (event.person_id,), changes, detail, undo, any_head=True)
        if event.to_new_household is not None:
            _not_before(member, event.occurred_on, self._path)
            target_id = await self._found(event)
            founding = MoveIn(person_id=event.person_id, relationship="head")
            return Plan(target_id, (event.person_id,), [(self._path, founding)], detail, undo)
        assert event.to_household_id is not None
        if event.occurred_on < member.since:
            return await self._late_move(event, here, member)
        joining = MoveIn(person_id=event.person_id, relationship=event.relationship or "other")
        return Plan(event.to_household_id, (event.person_id,), [(self._path, joining)], detail, undo)

    async def _found(self, event: Move) -> UUID:
        assert event.to_new_household is not None
        place = event.to_new_household
        return await open_household(
            self._session,
            self._context,
            self._principal,
            place.village_code,
            place.household_ref,
            "family",
            self._origin,
            event.occurred_on,
        )

    async def _late_move(self, event: Move, here: HouseholdState, member: Member) -> Plan:
        """She has moved on since: from that day until then she was there."""
        assert event.to_household_id is not None
        covering = await repository.past_membership(self._session, event.person_id, event.occurred_on)
        if covering is None:
            raise HappenedLater("The register does not say where she lived on that day: correct the day.")
        target, _ = await load_state(self._session, event.to_household_id)
        ensure_area(self._principal, target.facts["village_code"])
        if target.facts["dissolved_on"] is not None and target.facts["dissolved_on"] <= event.occurred_on:
            raise self._bad("to_household_id", "household_dissolved")
        detail = {"previous_household_id": covering.household_id, "now_in": here.id}
        return Plan(target.id, (event.person_id,), (), detail, {"late": True}, late=True)

    async def pregnancy(self, event: Pregnancy | PregnancyEnded) -> Plan:
        state, member = await self._member(event.person_id, "person_id")
        begins = isinstance(event, Pregnancy)
        expected = event.expected_delivery_on if isinstance(event, Pregnancy) else None
        if begins and expected is not None and not 0 < (expected - event.occurred_on).days <= 310:
            raise self._bad("expected_delivery_on", "not_expected_then")
        if not begins and not member.facts["pregnant"]:
            raise self._bad("person_id", "not_known_pregnant")
        facts = PersonFacts(pregnant=begins, expected_delivery_on=expected)
        detail = {"expected_delivery_on": expected}
        undo = {"pregnant": member.facts["pregnant"], "expected_delivery_on": member.facts["expected_delivery_on"]}
        change = ChangePerson(person_id=event.person_id, facts=facts)
        ended = (
            await repository.pregnancy_end_after(self._session, event.person_id, event.occurred_on) if begins else None
        )
        if ended is not None:
            undo = {"late": True}
            detail["ended_on"] = ended
        return Plan(state.id, (event.person_id,), [(self._path, change)], detail, undo, late=ended is not None)


def _home(state: HouseholdState, member: Member) -> dict[str, Any]:
    """Where a person came from: to bring her back."""
    return {"household_id": state.id, "relationship": member.relationship, "person_ref": member.person_ref}
