"""The household as it was on a day, as it was known at an instant; and the list of its changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.history import repository
from services.registry.history.schemas import ChangeView, FactView, HouseholdAsOf, JoinedView, MemberAsOf
from services.registry.history.timeline import FactChange, facts_on, last_recorded, timelines
from services.registry.households import repository as households
from services.registry.households.errors import HouseholdNotFound
from services.registry.permissions import CARE_ROLES, NAMING_ROLES
from services.registry.search.looks import record_looks
from shared import audit
from shared.auth import Principal, ensure_area

_CARE: Final = frozenset({"living_with_hiv", "pregnant", "expected_delivery_on"})
_NAMES: Final = frozenset({"name_km", "name_en"})
_NEVER: Final = frozenset({"phone_cipher", "phone_hash"})
LATEST: Final = (1 << 63) - 1


async def read_as_of(
    session: AsyncSession,
    principal: Principal,
    household_id: UUID,
    as_of: date,
    known_at: datetime | None,
    reason: str,
) -> HouseholdAsOf:
    """The household as it was on `as_of`, by what was recorded until `known_at` (None: by all that is known now).

    Raises:
        HouseholdNotFound: it is not there, or was not registered yet at `known_at`.
        OutsideArea: not for this caller.
    """
    found = (await repository.subjects(session, "household", [household_id])).get(household_id)
    if found is None:
        raise HouseholdNotFound("Look it up at /registry/v1/households.")
    ensure_area(principal, found.facts["village_code"])
    if known_at is not None and found.recorded_at > known_at:
        raise HouseholdNotFound("The household was not registered yet at that time.")
    memberships = await repository.memberships_of(session, household_id)
    facts = await repository.facts_of(
        session, [household_id, *(row.id for row in memberships), *{row.person_id for row in memberships}]
    )
    changes = {subject: [_change(row) for row in rows] for subject, rows in facts.items()}
    present = _present(memberships, changes, as_of, known_at)
    persons = await repository.subjects(session, "person", [row.person_id for row, _ in present])
    household = facts_on(found.facts, changes.get(household_id, []), as_of, known_at)
    members = [
        _member(membership, facts_on(persons[row.person_id].facts, changes.get(row.person_id, []), as_of, known_at))
        for row, membership in present
    ]
    if principal.has(*NAMING_ROLES):
        people = [member.person_id for member in members]
        await record_looks(session, principal, people, via="history", reason=reason, as_of=as_of.isoformat())
    heads = [member.person_id for member in members if member.relationship == "head"]
    shown = [_masked(member, principal) for member in members]
    values = {**household, "id": household_id, "as_of": as_of, "known_at": known_at, "members": shown}
    return HouseholdAsOf.model_validate(values | {"head_person_id": heads[0] if heads else None})


def _change(row: Row[Any]) -> FactChange:
    return FactChange(row.field, row.before, row.after, row.kind, row.effective_on, row.recorded_at)


def _present(
    memberships: Sequence[Row[Any]],
    changes: Mapping[UUID, list[FactChange]],
    as_of: date,
    known_at: datetime | None,
) -> list[tuple[Row[Any], dict[str, Any]]]:
    """Memberships that held on the day, each with its facts.

    Their own dates say when they held; what was recorded of those dates by `known_at` is what counts.
    """
    found = []
    for row in memberships:
        if known_at is not None and row.recorded_at > known_at:
            continue
        known = {**row.facts, **last_recorded(changes.get(row.id, []), known_at)}
        lines = timelines(changes.get(row.id, []), known_at)
        began, ended = date.fromisoformat(known["valid_from"]), known["valid_until"]
        if known["void"] or began > as_of or (ended is not None and date.fromisoformat(ended) < as_of):
            continue
        if "relationship" in lines:
            known["relationship"] = lines["relationship"].on(as_of)
        found.append((row, known))
    return sorted(found, key=lambda item: (item[1]["relationship"] != "head", item[1]["person_ref"]))


def _member(membership: Mapping[str, Any], person: Mapping[str, Any]) -> MemberAsOf:
    return MemberAsOf.model_validate({**person, **membership})


def _masked(member: MemberAsOf, principal: Principal) -> MemberAsOf:
    hidden: set[str] = set() if principal.has(*NAMING_ROLES) else set(_NAMES)
    if not principal.has(*CARE_ROLES):
        hidden |= _CARE
    return member.model_copy(update=dict.fromkeys(hidden))


async def list_changes(
    session: AsyncSession, principal: Principal, household_id: UUID, before: int | None, limit: int, reason: str
) -> Sequence[ChangeView]:
    """Changes of a household and its people, latest first: who, when, why, and the value before.

    Raises:
        HouseholdNotFound, OutsideArea: it is not there, or not for this caller.
    """
    found = await households.find_household(session, household_id)
    if found is None:
        raise HouseholdNotFound("Look it up at /registry/v1/households.")
    ensure_area(principal, found.village_code)
    rows = await repository.changes_of(session, household_id, LATEST if before is None else before, limit)
    people = {UUID(fact["person_id"]) for row in rows for fact in row.facts or () if fact["person_id"]}
    if principal.has(*NAMING_ROLES):
        await record_looks(session, principal, sorted(people), via="history", reason=reason)
    await audit.record(session, principal, "household.read_history", "household", household_id, {"changes": len(rows)})
    return [_view(row, principal) for row in rows]


def _view(row: Row[Any], principal: Principal) -> ChangeView:
    facts = [_fact(fact, principal) for fact in row.facts or () if fact["field"] not in _NEVER]
    joined = [JoinedView.model_validate(item) for item in row.joined or ()]
    return ChangeView.model_validate({**row._mapping, "facts": facts, "joined": joined})


def _fact(fact: Mapping[str, Any], principal: Principal) -> FactView:
    hidden = (fact["field"] in _NAMES and not principal.has(*NAMING_ROLES)) or (
        fact["field"] in _CARE and not principal.has(*CARE_ROLES)
    )
    values = {**fact, "before": None, "after": None, "hidden": True} if hidden else {**fact, "hidden": False}
    return FactView.model_validate(values)
