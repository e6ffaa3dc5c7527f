"""Members join, leave and move by PATCH; what cannot be is refused precisely and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from services.registry.households.changes import (
    AddPerson,
    Change,
    ChangePerson,
    PersonFacts,
    RemoveMember,
    SetHousehold,
    SetPoverty,
)
from services.registry.households.editing import age_on, edit, successor
from services.registry.households.state import HouseholdState, Member, Rules
from services.registry.imports.receive_import import formats
from services.registry.settings import RegistrySettings
from services.registry.tests.building import KEYS, VILLAGES, Registry
from services.registry.tests.changing import codes, member, patch, registered, view
from shared.contracts.registry import HouseholdChanged, HouseholdDissolved

CHILD = {"name_en": "Bopha", "sex": "female", "birth_date": "2015-04-04"}


def joins(**facts: Any) -> dict[str, Any]:
    return {"relationship": "child", "facts": {**CHILD, **facts}}


async def test_a_forgotten_member_was_there_as_long_as_the_others_and_a_new_one_comes_on_her_day(
    registry: Registry,
) -> None:
    household = await registered(registry)
    forgotten = {"add_members": [joins()], "reason": "left out at registration"}
    assert (await patch(registry, household, **forgotten)).status_code == 200
    household = await view(registry, household["id"])
    comes = {"add_members": [joins(birth_date="2010-01-01")], "kind": "life_change", "effective_on": "2020-06-20"}
    assert (await patch(registry, household, **comes)).status_code == 200
    since = {item["person_ref"]: item["member_since"] for item in (await view(registry, household["id"]))["members"]}
    assert since == {"1": "2020-01-01", "2": "2020-01-01", "3": "2020-06-20"}


async def test_one_who_leaves_ends_her_membership_and_one_entered_by_mistake_never_had_one(registry: Registry) -> None:
    members = [member(), member("2"), member("3")]
    household = await registered(registry, members=members)
    second, third = (item["person_id"] for item in household["members"][1:])
    left = {"remove_members": [{"person_id": second, "cause": "left"}], "kind": "life_change"}
    assert (await patch(registry, household, **left)).status_code == 200
    household["version"] += 1
    mistake = {"remove_members": [{"person_id": third, "cause": "error"}]}
    assert (await patch(registry, household, **mistake)).status_code == 200
    spring = await view(registry, household["id"], as_of="2020-03-01")
    assert [item["person_ref"] for item in spring["members"]] == ["1", "2"]


async def test_the_last_member_who_leaves_dissolves_the_household_which_then_takes_no_change(
    registry: Registry,
) -> None:
    household = await registered(registry)
    await registry.service.outbox()
    gone = {"remove_members": [{"person_id": household["head_person_id"], "cause": "emigrated"}], "kind": "life_change"}
    assert (await patch(registry, household, **gone)).status_code == 200
    (event,) = await registry.service.outbox()
    assert isinstance(event, HouseholdDissolved)
    assert event.cause == "emigrated"
    household["version"] += 1
    again = await patch(registry, household, add_members=[joins()])
    assert ("", "household_dissolved") in codes(again)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"add_members": [{**joins(), "relationship": "head"}]}, ("members", "second_head")),
        ({"remove_members": ["head"]}, ("members", "head_leaves")),
        ({"members": [{"relationship": "head"}]}, ("members", "second_head")),
        ({"swap": True}, ("members", "head_too_young")),
        ({"add_members": [joins(birth_date="2020-02-31")]}, ("add_members[0].facts.birth_date", "invalid_birth_date")),
        ({"add_members": [joins(birth_date="2999")]}, ("add_members[0].facts.birth_date", "birth_date_in_future")),
        ({"add_members": [{"relationship": "child", "facts": {"name_en": "X"}}]},
         ("add_members[0].facts.sex", "required")),
        ({"add_members": [{**joins(), "person_ref": "1"}]}, ("members", "duplicate_person_ref")),
        ({"add_members": [joins(birth_date="2020-06-25")], "kind": "life_change", "effective_on": "2020-06-20"},
         ("add_members[0]", "before_birth")),
        ({"effective_on": "2020-07-02", "at_risk": False}, ("effective_on", "date_in_future")),
        ({"village_code": "99999999"}, ("village_code", "unknown_village")),
        ({"representative_person_id": "01900000-0000-7000-8000-000000000000"},
         ("representative_person_id", "unknown_person")),
        ({"move_in": [{"person_id": "01900000-0000-7000-8000-000000000000", "relationship": "other"}]},
         ("move_in[0].person_id", "unknown_person")),
        ({"members": [{"expected_delivery_on": "2020-12-01"}]}, ("members[0].expected_delivery_on", "not_pregnant")),
        ({"members": [{"employer_id": "01900000-0000-7000-8000-000000000000"}]},
         ("members[0].employer_id", "unknown_employer")),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_named_and_changes_nothing(
    registry: Registry, body: dict[str, Any], error: tuple[str, str]
) -> None:
    household = await registered(registry, members=[member(), member("2", birth_date="2012-01-01")])
    head, child = (item["person_id"] for item in household["members"])
    if body.get("swap"):
        body = {"members": [{"person_id": head, "relationship": "other"}, {"person_id": child, "relationship": "head"}]}
    elif "members" in body:
        body = {**body, "members": [{"person_id": child, **body["members"][0]}]}
    if body.get("remove_members") == ["head"]:
        body = {"remove_members": [{"person_id": head, "cause": "left"}], "kind": "life_change"}
    before = await registry.everything()
    changes = await registry.count("register_change")
    answer = await patch(registry, household, **body)
    assert (answer.status_code, error in codes(answer)) == (422, True), answer.text
    assert await registry.everything() == before
    assert await registry.count("register_change") == changes


async def test_a_person_in_another_household_is_refused_unless_she_moves(registry: Registry) -> None:
    here = await registered(registry, members=[member(), member("2")])
    there = await registered(registry, household_ref="H2", card_number="CARD-2")
    second = here["members"][1]["person_id"]
    move = {"move_in": [{"person_id": second, "relationship": "other"}], "kind": "life_change"}
    refused = await patch(registry, there, **move)
    assert codes(refused) == {("move_in[0].person_id", "member_elsewhere")}
    await registry.service.outbox()
    moved = await patch(registry, there, **move, moves_people=True)
    assert moved.status_code == 200, moved.text
    events = await registry.service.outbox()
    sizes = {str(item.household_id): len(item.members) for item in events if isinstance(item, HouseholdChanged)}
    assert sizes == {here["id"]: 1, there["id"]: 2}


async def test_a_household_moves_only_into_the_officers_area(registry: Registry) -> None:
    household = await registered(registry)
    headers = {**registry.officer(areas=["01"]), "If-Match": '"1"'}
    url = f"/registry/v1/households/{household['id']}"
    answer = await registry.http.patch(url, json={"village_code": VILLAGES[3]}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "outside_area")


async def test_facts_of_school_work_health_and_shocks_reach_those_who_decide(registry: Registry) -> None:
    household = await registered(registry)
    await registry.service.outbox()
    facts = {"education_level": "primary", "employment": "part_time", "insured": True, "civil_servant": True,
             "disability_card_valid_until": "2022-01-01", "pregnant": True, "expected_delivery_on": "2020-11-11",
             "washington_group": dict.fromkeys(
                 ("seeing", "hearing", "walking", "remembering", "self_care", "communicating"), 2)}  # fmt: skip
    shocks = [{"code": "flood_2022", "occurred_on": "2020-05-01"}]
    body = {"members": [{"person_id": household["head_person_id"], **facts}], "shocks": shocks}
    assert (await patch(registry, household, **body)).status_code == 200
    (event,) = await registry.service.outbox()
    assert isinstance(event, HouseholdChanged)
    (facts_told,) = event.members
    assert (facts_told.education_level, facts_told.employment, facts_told.insured) == ("primary", "part_time", True)
    assert facts_told.expected_delivery_on == date(2020, 11, 11)
    assert facts_told.disability_card_valid_until == date(2022, 1, 1)
    assert [shock.code for shock in event.shocks] == ["flood_2022"]


# --- the pure core -------------------------------------------------------------------------------------------------

SETTINGS = RegistrySettings(database_url="postgresql://x/y", kafka_bootstrap_servers="x:1", jwks="x", **KEYS)  # type: ignore[arg-type]
TODAY = date(2020, 7, 1)
NAMESPACE = UUID("01900000-0000-7000-8000-000000000000")


def person_id(number: int) -> UUID:
    return uuid5(NAMESPACE, str(number))


def counting() -> Callable[[], UUID]:
    numbers = iter(range(100, 1000))
    return lambda: person_id(next(numbers))


def rules() -> Rules:
    return Rules(TODAY, TODAY, False, 15, formats(SETTINGS), counting(), villages=frozenset(VILLAGES), has_card=True)


def facts(born: date) -> Mapping[str, Any]:
    return {"name_km": "", "name_en": "Sok", "sex": "female", "birth_date": born, "birth_date_precision": "day",
            "pregnant": False, "expected_delivery_on": None, "alive": True, "disability": "none"}  # fmt: skip


def family(size: int) -> HouseholdState:
    since = date(2018, 1, 1)
    people = [
        Member(person_id(n), str(n), "child" if n else "head", since, facts(date(1980 + 3 * n, 1, 1)))
        for n in range(size)
    ]
    members = {item.person_id: item for item in people}
    own = {"dissolved_on": None, "dissolved_cause": None, "representative_person_id": None, "poverty_level": None,
           "village_code": VILLAGES[0], "head_person_id": person_id(0), "at_risk": False, "shocks": []}  # fmt: skip
    return HouseholdState(NAMESPACE, own, members)


RELATIONS = st.sampled_from(["head", "spouse", "child", "other"])
CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(
        AddPerson,
        relationship=RELATIONS,
        facts=st.builds(
            PersonFacts,
            name_en=st.just("Bopha"),
            sex=st.sampled_from(["female", "male"]),
            birth_date=st.dates(date(1930, 1, 1), date(2030, 1, 1)).map(date.isoformat),
            pregnant=st.booleans(),
        ),
    ),
    st.builds(
        RemoveMember,
        person_id=st.integers(0, 6).map(person_id),
        cause=st.sampled_from(["left", "died", "emigrated", "error"]),
    ),
    st.builds(ChangePerson, person_id=st.integers(0, 6).map(person_id), relationship=RELATIONS),
    st.builds(SetHousehold, at_risk=st.booleans(), village_code=st.sampled_from([*VILLAGES, "99999999"])),
    st.builds(
        SetPoverty,
        level=st.sampled_from([1, 2, None]),
        card_number=st.just(SecretStr("CARD-1")),
        card_valid_from=st.dates(date(2019, 1, 1), date(2021, 1, 1)),
        card_valid_until=st.dates(date(2019, 1, 1), date(2023, 1, 1)),
    ),
)


def test_a_household_whose_last_member_leaves_when_another_comes_goes_on() -> None:
    """Hypothesis found it: a household was dissolved with somebody in it."""
    before = family(1)
    (old,) = before.members
    newcomer = AddPerson(relationship="head", facts=PersonFacts(name_en="New", sex="male", birth_date="1970-01-01"))
    edited = edit(before, [("", RemoveMember(person_id=old, cause="left")), ("", newcomer)], rules())
    assert edited.state.facts["dissolved_on"] is None
    assert [item.relationship for item in edited.state.members.values()] == ["head"]
    gone = edit(before, [("", RemoveMember(person_id=old, cause="left"))], rules())
    assert (gone.state.facts["dissolved_cause"], gone.state.facts["head_person_id"]) == ("split", None)


@given(st.integers(1, 6), st.lists(CHANGES, min_size=1, max_size=6))
def test_whatever_is_changed_a_household_keeps_its_rules_or_nothing_is_written(
    size: int, changes: list[Change]
) -> None:
    before = family(size)
    edited = edit(before, [("", change) for change in changes], rules())
    assert before == family(size)  # the input is a value: never touched
    if edited.problems:
        assert all(problem.code and problem.message for problem in edited.problems)
        return
    after = edited.state
    heads = [item for item in after.members.values() if item.relationship == "head"]
    if after.facts["dissolved_on"] is None:
        assert [item.person_id for item in heads] == [after.facts["head_person_id"]]
        if heads[0].person_id not in before.members:
            assert age_on(heads[0].facts["birth_date"], TODAY) >= 15
    else:
        assert not after.members
    assert not (after.facts["at_risk"] and after.facts["poverty_level"])
    assert all(not (item.facts["pregnant"] and item.facts["sex"] == "male") for item in after.members.values())
    gone = {item.person_id for item in edited.left}
    assert set(after.members) == (set(before.members) | set(edited.added)) - gone
    assert len({item.person_ref for item in after.members.values()}) == len(after.members)


@given(st.integers(1, 6), st.lists(CHANGES, min_size=1, max_size=6))
def test_the_same_changes_always_make_the_same_household(size: int, changes: list[Change]) -> None:
    pathed = [(f"[{index}]", change) for index, change in enumerate(changes)]
    one, other = edit(family(size), pathed, rules()), edit(family(size), pathed, rules())
    assert (one.state, one.problems) == (other.state, other.problems)


@given(st.integers(2, 6), st.integers(0, 5))
def test_a_household_that_somebody_stays_in_always_has_a_next_head(size: int, leaving: int) -> None:
    state = family(size)
    gone = person_id(leaving % size)
    head = successor(state, gone, TODAY, 15)
    assert head in state.members
    assert head != gone
