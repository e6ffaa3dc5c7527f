"""The one way a household is changed by hand, by a tablet, by a life event or by a remedy.

    lock -> load -> edit (pure) -> refuse everything wrong at once, or: write, keep history, publish, index

Who may do it and the audit record are the caller's: this is the core that PATCH, sync, life events, applications and
remedies share. Files load many households at once (`imports.loading`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.applications.configuration import delisting_causes
from services.registry.history.begin_change import begin_change
from services.registry.history.model import ChangeKind, Origin
from services.registry.households import change_repository as writes
from services.registry.households import repository
from services.registry.households.changes import (
    AddPerson,
    Change,
    ChangePerson,
    MoveIn,
    RemoveMember,
    SetHousehold,
)
from services.registry.households.editing import edit, successor
from services.registry.households.errors import BadHousehold, HouseholdNotFound
from services.registry.households.publish import publish_states
from services.registry.households.state import Edited, HouseholdState, Known, Member, Rules
from services.registry.households.write_change import write_change
from services.registry.imports.receive_import import formats
from shared.auth import Principal, ensure_area
from shared.errors import OutsideArea
from shared.etag import check_version
from shared.ids import uuid7
from shared.service import Context

PathedChange = tuple[str, Change]
SILENT: Final = frozenset({"version", "created_at", "updated_at", "import_hash", "effective_on"})


@dataclass(frozen=True, slots=True)
class Applied:
    """What a change did.

    Attributes:
        version: the household's new version.
        added: persons new to the register, in the order of the changes that brought them.
        others: households that members came from, with their new versions.
        dissolved: whether nobody is left in the household.
    """

    household_id: UUID
    version: int
    change_id: UUID
    added: tuple[UUID, ...] = ()
    others: dict[UUID, int] = field(default_factory=dict)
    dissolved: bool = False


async def apply_change(
    session: AsyncSession,
    context: Context,
    household_id: UUID,
    changes: Sequence[PathedChange],
    origin: Origin,
    *,
    base_version: int | None = None,
    principal: Principal | None = None,
    moves_people: bool = False,
    any_head: bool = False,
) -> Applied:
    """Change one household in the session's transaction, and those that people move in from.

    Args:
        changes: in order; each with the path it has in the client's request ("" for the top), for errors.
        base_version: the version the caller saw; None: whatever it is now.
        principal: whose area it must lie in; None: the platform itself.
        moves_people: whether a person may be taken out of the household where she is (a move, a marriage).
        any_head: the head may be a child: nobody else is left (after a death).

    Raises:
        HouseholdNotFound, OutsideArea, PreconditionFailed: it cannot be changed by this caller now.
        BadHousehold: naming everything that is wrong; nothing was changed.
        IdentifierRegistered: a number given belongs to somebody else.
    """
    people = await named_people(session, changes, principal, moves_people)
    sources = sorted({item.household_id for item in people.values() if item.household_id and item.may_move})
    await writes.lock_households(session, [household_id, *(source for source in sources if source != household_id)])
    state, version = await load_state(session, household_id)
    if principal is not None:
        ensure_area(principal, state.facts["village_code"])
    if base_version is not None:
        check_version(base_version, version)
    rules = await _rules(session, context, origin, changes, people, household_id)
    if any_head:
        rules = replace(rules, head_min_age=0)
    _ensure_target_areas(principal, changes)
    edited = edit(state, changes, rules)
    if edited.problems:
        raise BadHousehold("Correct the fields named in errors.", errors=edited.problems)
    now = context.clock.now()
    change_id = await begin_change(session, origin, now)
    others = await _leave_sources(session, context, edited, rules, origin)
    version = await write_change(session, context, state, edited, origin)
    await publish_states(session, sorted([household_id, *others]), now)
    dissolved = edited.state.facts["dissolved_on"] is not None
    return Applied(household_id, version, change_id, tuple(edited.added), others, dissolved)


async def load_state(session: AsyncSession, household_id: UUID) -> tuple[HouseholdState, int]:
    """A household as values, with its version.

    Raises:
        HouseholdNotFound: there is none.
    """
    found = await repository.find_household(session, household_id)
    if found is None:
        raise HouseholdNotFound("Look it up at /registry/v1/households.")
    return _state(found, await repository.present_members(session, household_id)), found.version


async def load_states(session: AsyncSession, household_ids: Sequence[UUID]) -> dict[UUID, tuple[HouseholdState, int]]:
    """Those of these households that are there, as values, with their versions: two statements, however many."""
    members: dict[UUID, list[Row[Any]]] = {}
    for row in await repository.members_of(session, household_ids):
        members.setdefault(row.household_id, []).append(row)
    found = await repository.find_households(session, household_ids)
    return {row.id: (_state(row, members.get(row.id, ())), row.version) for row in found}


def _state(found: Row[Any], rows: Sequence[Row[Any]]) -> HouseholdState:
    members = {row.id: Member(row.id, row.person_ref, row.relationship, row.member_since, _facts(row)) for row in rows}
    facts = {name: value for name, value in found._mapping.items() if name not in SILENT and name != "id"}
    return HouseholdState(found.id, facts, members)


def _facts(row: Row[Any]) -> dict[str, Any]:
    apart = {"id", "person_ref", "relationship", "member_since", "household_id", "has_national_id", "change_id"}
    return {name: value for name, value in row._mapping.items() if name not in apart}


async def named_people(
    session: AsyncSession, changes: Sequence[PathedChange], principal: Principal | None, moves_people: bool
) -> dict[UUID, Known]:
    """The registered persons that the changes bring in, or name as representative."""
    wanted = {change.person_id for _, change in changes if isinstance(change, MoveIn)}
    wanted |= {
        change.representative_person_id
        for _, change in changes
        if isinstance(change, SetHousehold) and change.representative_person_id
    }
    known = {}
    for row in await writes.known_people(session, sorted(wanted)):
        covered = principal is None or row.village_code is None or principal.covers(row.village_code)
        facts = {**row._mapping}
        for name in ("id", "household_id", "village_code", "last_left", "change_id"):
            facts.pop(name)
        known[row.id] = Known(row.id, facts, row.household_id, moves_people and covered, row.last_left)
    return known


async def _rules(
    session: AsyncSession,
    context: Context,
    origin: Origin,
    changes: Sequence[PathedChange],
    people: dict[UUID, Known],
    household_id: UUID,
) -> Rules:
    today = context.clock.today()
    villages = {change.village_code for _, change in changes if isinstance(change, SetHousehold)}
    employers = {
        change.facts.employer_id
        for _, change in changes
        if isinstance(change, AddPerson | ChangePerson) and change.facts.employer_id
    }
    return Rules(
        today=today,
        effective_on=origin.effective_on or today,
        corrects=origin.kind != ChangeKind.LIFE_CHANGE,
        head_min_age=context.settings.head_min_age,
        formats=formats(context.settings),
        new_id=uuid7,
        people=people,
        villages=await writes.open_villages(session, sorted(code for code in villages if code)),
        employers=await writes.known_employers(session, sorted(employers)),
        delisting_causes=delisting_causes(),
        has_card=await repository.has_card(session, household_id),
    )


def _ensure_target_areas(principal: Principal | None, changes: Sequence[PathedChange]) -> None:
    for _, change in changes:
        target = change.village_code if isinstance(change, SetHousehold) else None
        if principal is not None and target is not None and not principal.covers(target):
            raise OutsideArea("The household would leave your area: ask an officer of the level above.")


async def _leave_sources(
    session: AsyncSession, context: Context, edited: Edited, rules: Rules, origin: Origin
) -> dict[UUID, int]:
    """Take those who move out of where they were; a household that loses its head gets its next one."""
    leaving: dict[UUID, list[UUID]] = {}
    for person_id, source in edited.moved_in.items():
        if source is not None:
            leaving.setdefault(source, []).append(person_id)
    versions = {}
    for source, people in sorted(leaving.items()):
        before, _ = await load_state(session, source)
        # The next head is whoever is left: an officer looks at it later, nobody is without a household for it.
        out = edit(before, departures(before, people, rules.today, rules.head_min_age), replace(rules, head_min_age=0))
        if out.problems:
            raise BadHousehold("The household they leave does not allow it.", errors=out.problems)
        if out.state.facts["dissolved_on"] is not None:
            out.state.facts["successor_household_id"] = edited.state.id  # type: ignore[index]
        versions[source] = await write_change(session, context, before, out, origin)
    return versions


def departures(state: HouseholdState, people: Sequence[UUID], today: date, min_age: int) -> list[PathedChange]:
    """The changes that take these members out, and name the next head where the head is among them."""
    changes: list[PathedChange] = [("", RemoveMember(person_id=person_id, cause="left")) for person_id in people]
    return changes + next_head(state, people, today, min_age)


def next_head(state: HouseholdState, leaving: Sequence[UUID], today: date, min_age: int) -> list[PathedChange]:
    """The change that names the next head, if the head is among those who leave and somebody stays."""
    if state.facts["head_person_id"] not in leaving:
        return []
    staying = {key: value for key, value in state.members.items() if key not in leaving}
    head = successor(HouseholdState(state.id, state.facts, staying), state.facts["head_person_id"], today, min_age)
    return [] if head is None else [("", ChangePerson(person_id=head, relationship="head"))]
