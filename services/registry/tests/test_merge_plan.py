"""What a merge may do, worked out without a database."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.duplicates.errors import CannotMerge
from services.registry.duplicates.plan import (
    HouseholdFacts,
    Member,
    PersonFacts,
    Plan,
    State,
    plan_household_merge,
    plan_person_merge,
)

A, B, C, D = (UUID(int=n) for n in range(1, 5))
G, H = UUID(int=100), UUID(int=101)


def state(
    *members: tuple[UUID, UUID, str], retired: Sequence[UUID] = (), dead: Sequence[UUID] = (), gone: Sequence[UUID] = ()
) -> State:
    heads = {household: person for household, person, relationship in members if relationship == "head"}
    return State(
        people={person: PersonFacts(person not in dead, H if person in retired else None) for person in (A, B, C, D)},
        households={house: HouseholdFacts("01020101", heads.get(house), house in gone) for house in (G, H)},
        members=[
            Member(UUID(int=1000 + n), person, household, str(n), relationship)
            for n, (household, person, relationship) in enumerate(members)
        ],
    )


@pytest.mark.parametrize(
    ("found", "pair", "code"),
    [
        (state(), (A, A), "same_record"),
        (state(), (A, UUID(int=9)), "unknown_record"),
        (state(retired=[A]), (A, B), "already_retired"),
        (state(retired=[B]), (A, B), "already_retired"),
        (state(dead=[B]), (A, B), "one_has_died"),
        (state((G, A, "head"), (G, C, "child"), (H, B, "head")), (A, B), "head_of_others"),
    ],
)
def test_what_cannot_be_merged_is_refused_by_its_code(found: State, pair: tuple[UUID, UUID], code: str) -> None:
    with pytest.raises(CannotMerge) as refused:
        plan_person_merge(found, *pair)
    assert refused.value.code == code


def test_a_lone_second_listing_ends_with_its_household() -> None:
    plan = plan_person_merge(state((G, A, "head"), (H, B, "child")), A, B)
    assert (plan.dissolved, plan.heads, len(plan.void)) == ([(G, H)], [(G, A, None)], 1)


def test_the_survivor_takes_the_place_of_a_head_in_the_same_household() -> None:
    plan = plan_person_merge(state((G, A, "head"), (G, B, "sibling")), A, B)
    assert plan.heads == [(G, A, B)]
    assert [after for *_, after in plan.relationships] == ["head"]


def test_a_survivor_who_lives_nowhere_takes_the_retired_ones_place() -> None:
    plan = plan_person_merge(state((G, A, "head"), (G, C, "child")), A, B)
    assert plan.add == [(G, B, "0", "head")]


def test_members_that_move_never_share_a_number_or_bring_a_second_head() -> None:
    found = state((G, A, "head"), (H, B, "head"))
    clash = State(found.people, found.households, [*found.members, Member(UUID(int=7), C, G, "1", "child")])
    plan = plan_household_merge(clash, G, H, [(A, B)])
    assert plan.add == [(H, C, "1-2", "other")]
    assert (plan.dissolved, plan.merged) == ([(G, H)], [(A, B)])


@pytest.mark.parametrize("pairs", [[(B, A)], [(A, B), (A, B)], [(A, B), (C, B)], [(A, D)]])
def test_pairs_must_be_members_of_the_two_households(pairs: list[tuple[UUID, UUID]]) -> None:
    with pytest.raises(CannotMerge) as refused:
        plan_household_merge(state((G, A, "head"), (G, C, "child"), (H, B, "head")), G, H, pairs)
    assert refused.value.code == "not_a_member"


@given(st.sets(st.sampled_from([A, B, C, D])), st.booleans())
def test_a_plan_survives_being_stored(pairs: set[UUID], dissolve: bool) -> None:
    plan = Plan(merged=[(person, H) for person in pairs], void=list(pairs), touched={G})
    plan.heads = [(G, person, None) for person in pairs]
    plan.dissolved = [(G, H)] if dissolve else []
    assert Plan.from_json(plan.to_json()) == plan
