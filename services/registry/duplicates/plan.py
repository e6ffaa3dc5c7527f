"""What a merge will write, worked out before anything is written; and what taking it back will write. Pure.

Nobody's history is rewritten: a membership that should never have been is marked void, never deleted; the retired
record stays, and says into whom it went. The surviving record's facts stand; the retired one's are kept with her.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from services.registry.duplicates.errors import CannotMerge

MAX_MEMBERS: Final = 60


@dataclass(frozen=True)
class Member:
    """A present membership."""

    membership_id: UUID
    person_id: UUID
    household_id: UUID
    person_ref: str
    relationship: str


@dataclass(frozen=True)
class PersonFacts:
    """What decides whether a person can be merged."""

    alive: bool
    merged_into: UUID | None


@dataclass(frozen=True)
class HouseholdFacts:
    """What decides whether a household can be merged."""

    village_code: str
    head_person_id: UUID | None
    dissolved: bool


@dataclass(frozen=True)
class State:
    """The two records and every present member of the households that they touch."""

    people: Mapping[UUID, PersonFacts]
    households: Mapping[UUID, HouseholdFacts]
    members: Sequence[Member]

    def of_person(self, person_id: UUID) -> Member | None:
        """Her present membership."""
        return next((member for member in self.members if member.person_id == person_id), None)

    def of_household(self, household_id: UUID) -> list[Member]:
        """Its present members."""
        return [member for member in self.members if member.household_id == household_id]


@dataclass
class Plan:
    """What is written. Every list holds what its undoing needs, too.

    Attributes:
        merged: (retired person, surviving person).
        void: memberships that should never have been.
        add: (household, person, person_ref, relationship): memberships in their place.
        relationships: (membership, before, after).
        heads: (household, before, after).
        dissolved: (household, successor).
    """

    merged: list[tuple[UUID, UUID]] = field(default_factory=list)
    void: list[UUID] = field(default_factory=list)
    add: list[tuple[UUID, UUID, str, str]] = field(default_factory=list)
    relationships: list[tuple[UUID, str, str]] = field(default_factory=list)
    heads: list[tuple[UUID, UUID | None, UUID | None]] = field(default_factory=list)
    dissolved: list[tuple[UUID, UUID]] = field(default_factory=list)
    touched: set[UUID] = field(default_factory=set)

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON, for the merge's record."""
        lists = ("merged", "add", "relationships", "heads", "dissolved")
        texts = {name: [[_text(part) for part in item] for item in getattr(self, name)] for name in lists}
        return {**texts, "void": [str(item) for item in self.void], "touched": sorted(map(str, self.touched))}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` wrote."""

        def uuid(text: str | None) -> Any:
            return UUID(text) if text is not None else None

        return cls(
            merged=[(uuid(a), uuid(b)) for a, b in stored["merged"]],
            void=[UUID(item) for item in stored["void"]],
            add=[(uuid(a), uuid(b), ref, relationship) for a, b, ref, relationship in stored["add"]],
            relationships=[(uuid(a), before, after) for a, before, after in stored["relationships"]],
            heads=[(uuid(a), uuid(before), uuid(after)) for a, before, after in stored["heads"]],
            dissolved=[(uuid(a), uuid(b)) for a, b in stored["dissolved"]],
            touched={UUID(item) for item in stored["touched"]},
        )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _check_people(state: State, retired: UUID, surviving: UUID) -> None:
    if retired == surviving:
        raise CannotMerge("same_record")
    found = [state.people.get(person) for person in (retired, surviving)]
    if any(person is None for person in found):
        raise CannotMerge("unknown_record")
    if any(person.merged_into is not None for person in found if person):
        raise CannotMerge("already_retired")
    if len({person.alive for person in found if person}) > 1:
        raise CannotMerge("one_has_died")


def plan_person_merge(state: State, retired: UUID, surviving: UUID) -> Plan:
    """Two records of one person: the surviving one's household is hers; the retired one's was a second listing.

    Raises:
        CannotMerge: saying why, and what to do.
    """
    _check_people(state, retired, surviving)
    plan = Plan(merged=[(retired, surviving)])
    left, stays = state.of_person(retired), state.of_person(surviving)
    if left is None:
        return plan
    plan.void.append(left.membership_id)
    plan.touched.add(left.household_id)
    if stays is None:
        plan.add.append((left.household_id, surviving, left.person_ref, left.relationship))
        if left.relationship == "head":
            plan.heads.append((left.household_id, retired, surviving))
    elif stays.household_id == left.household_id:
        if left.relationship == "head":
            plan.relationships.append((stays.membership_id, stays.relationship, "head"))
            plan.heads.append((left.household_id, retired, surviving))
    elif left.relationship == "head":
        if len(state.of_household(left.household_id)) > 1:
            raise CannotMerge("head_of_others")
        plan.heads.append((left.household_id, retired, None))
        plan.dissolved.append((left.household_id, stays.household_id))
    return plan


def plan_household_merge(
    state: State, retired: UUID, surviving: UUID, same_people: Sequence[tuple[UUID, UUID]]
) -> Plan:
    """Two records of one household: its people become members of the surviving one.

    Args:
        same_people: (member of the retired household, member of the surviving one) who are one person.

    Raises:
        CannotMerge: saying why, and what to do.
    """
    if retired == surviving:
        raise CannotMerge("same_record")
    ending, staying = state.households.get(retired), state.households.get(surviving)
    if ending is None or staying is None:
        raise CannotMerge("unknown_record")
    if ending.dissolved or staying.dissolved:
        raise CannotMerge("household_dissolved")
    leaving = {member.person_id: member for member in state.of_household(retired)}
    present = {member.person_id: member for member in state.of_household(surviving)}
    twins = dict(same_people)
    paired = len(twins) == len(same_people) == len(set(twins.values()))
    if not paired or not twins.keys() <= leaving.keys() or not set(twins.values()) <= present.keys():
        raise CannotMerge("not_a_member")
    for pair in same_people:
        _check_people(state, *pair)
    moving = [member for person_id, member in leaving.items() if person_id not in twins]
    if len(present) + len(moving) > MAX_MEMBERS:
        raise CannotMerge("too_many_members")
    refs = {member.person_ref for member in present.values()}
    plan = Plan(merged=list(same_people), void=[member.membership_id for member in leaving.values()])
    for member in moving:
        ref = _free_ref(member.person_ref, refs)
        plan.add.append((surviving, member.person_id, ref, "other"))
    if ending.head_person_id is not None:
        plan.heads.append((retired, ending.head_person_id, None))
    plan.dissolved.append((retired, surviving))
    plan.touched |= {retired, surviving}
    return plan


def _free_ref(wanted: str, taken: set[str]) -> str:
    """The number if nobody has it, else the first with a suffix that nobody has; now taken."""
    ref, suffix = wanted, 2
    while ref in taken:
        ref, suffix = f"{wanted[:28]}-{suffix}", suffix + 1
    taken.add(ref)
    return ref
