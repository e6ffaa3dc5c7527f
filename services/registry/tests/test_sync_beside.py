"""Two officers edit one household from one version: other facts stand beside each other, the same ones conflict."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.registry.households.changes import ChangePerson, PersonFacts, SetHousehold, SetPoverty
from services.registry.sync.three_way import clashes
from services.registry.tests.building import Registry, file_of, person
from services.registry.tests.test_sync import at_risk, change, new_person, registration, statuses, sync
from shared.ids import uuid7

HOUSEHOLD, WIFE, CHILD = UUID(int=1), UUID(int=2), UUID(int=3)


async def family(registry: Registry, ref: str = "F1") -> tuple[str, dict[str, UUID]]:
    """A registered family of three: its id and its people."""
    people = {"head": uuid7(), "spouse": uuid7(), "child": uuid7()}
    born = {"head": "1980-05-17", "spouse": "1982-01-02", "child": "2015-03-04"}
    members = [new_person(who, name, name_en=name, birth_date=born[name]) for name, who in people.items()]
    answer = await sync(registry, registration(ref, *members))
    return str(answer["results"][0]["household_id"]), people


def facts(who: UUID, **values: Any) -> dict[str, Any]:
    return {"op": "change_person", "person_id": str(who), "facts": values}


async def test_an_edit_from_an_old_version_is_applied_where_others_changed_other_facts(registry: Registry) -> None:
    household_id, people = await family(registry)
    office = await sync(registry, change(household_id, 1, None, facts(people["head"], name_en="From the office")))
    tablet = await sync(
        registry,
        change(
            household_id, 1, None, facts(people["head"], disability="mild"), facts(people["child"], phone="012345678")
        ),
        device="tablet-2",
    )
    assert (statuses(office), statuses(tablet)) == (["applied"], ["applied"])
    assert [answer["results"][0]["merged"] for answer in (office, tablet)] == [False, True]
    assert tablet["results"][0]["version"] == 3
    rows = await registry.rows("SELECT name_en, disability FROM person WHERE id = :id", id=people["head"])
    assert [tuple(row) for row in rows] == [("From the office", "mild")]


@pytest.mark.parametrize("same", ["name_en", "disability", "birth_date", "phone", "national_id"])
async def test_an_edit_of_a_fact_that_was_changed_since_conflicts(registry: Registry, same: str) -> None:
    household_id, people = await family(registry)
    values = {
        "name_en": ("One", "Other"),
        "disability": ("mild", "severe"),
        "birth_date": ("1980-05-18", "1980-05"),
        "phone": ("012345678", "012345679"),
        "national_id": ("123456789", "123456788"),
    }[same]
    first = change(household_id, 1, None, facts(people["head"], **{same: values[0]}))
    assert statuses(await sync(registry, first)) == ["applied"]
    await sync(registry, change(household_id, 2, None, at_risk()))
    (result,) = (await sync(registry, change(household_id, 1, None, facts(people["head"], **{same: values[1]}))))[
        "results"
    ]
    assert (result["status"], result["version"], result["code"]) == ("conflict", 3, "version_changed")


async def test_two_officers_who_enter_a_newborn_do_not_enter_her_twice(registry: Registry) -> None:
    household_id, _ = await family(registry)

    def newborn() -> dict[str, Any]:
        return new_person(relationship="child", name_en="Newborn", birth_date="2020-06-01")

    assert statuses(await sync(registry, change(household_id, 1, None, newborn()))) == ["applied"]
    assert statuses(await sync(registry, change(household_id, 1, None, newborn()), device="t2")) == ["conflict"]


async def test_an_edit_of_somebody_who_has_left_since_conflicts(registry: Registry) -> None:
    household_id, people = await family(registry)
    leaving = {"op": "remove_member", "person_id": str(people["spouse"]), "cause": "left"}
    assert statuses(await sync(registry, change(household_id, 1, None, leaving))) == ["applied"]
    for edit in (facts(people["spouse"], disability="mild"), facts(people["spouse"], name_en="Gone")):
        assert statuses(await sync(registry, change(household_id, 1, None, edit))) == ["conflict"]
    assert statuses(await sync(registry, change(household_id, 1, None, facts(people["child"], name_en="C")))) == [
        "applied"
    ]


async def test_what_stands_beside_each_other_is_still_held_to_all_rules(registry: Registry) -> None:
    household_id, people = await family(registry)
    await sync(registry, change(household_id, 1, None, at_risk()))
    bad = change(household_id, 1, None, facts(people["child"], birth_date="2030-01-01"))
    (result,) = (await sync(registry, bad))["results"]
    assert (result["status"], [error["code"] for error in result["errors"]]) == ("refused", ["birth_date_in_future"])


async def test_a_file_that_changed_the_household_since_is_seen_too(registry: Registry) -> None:
    await registry.send(file_of(person("H1")))
    household_id = await registry.household_id("H1")
    member = (await registry.rows("SELECT person_id FROM membership"))[0].person_id
    await registry.send(file_of(person("H1", disability="severe")))
    assert statuses(await sync(registry, change(household_id, 1, None, facts(member, disability="mild")))) == [
        "conflict"
    ]
    assert statuses(await sync(registry, change(household_id, 1, None, facts(member, name_en="Sok D")))) == ["applied"]


def test_what_an_edit_rests_on() -> None:
    name = ChangePerson(person_id=WIFE, facts=PersonFacts(name_en="A"))
    assert not clashes(HOUSEHOLD, [name], {("person", CHILD, "name_en"), ("household", HOUSEHOLD, "at_risk")})
    assert clashes(HOUSEHOLD, [name], {("person", WIFE, "name_en")})
    assert clashes(HOUSEHOLD, [name], {("person", WIFE, "alive")})
    assert clashes(HOUSEHOLD, [SetHousehold(at_risk=True)], {("household", HOUSEHOLD, "poverty_level")})
    assert not clashes(HOUSEHOLD, [SetHousehold(kind="family")], {("household", HOUSEHOLD, "poverty_level")})
    assert clashes(HOUSEHOLD, [SetPoverty(level=None)], {("number", HOUSEHOLD, "equity_card")})
    number = ChangePerson(person_id=WIFE, facts=PersonFacts(national_id="1"))  # type: ignore[arg-type]
    assert not clashes(HOUSEHOLD, [number], {("number", WIFE, "birth_certificate")})
    assert clashes(
        HOUSEHOLD, [ChangePerson(person_id=WIFE, relationship="head")], {("membership", CHILD, "relationship")}
    )


EDITS = {
    "risk": lambda people: at_risk(),
    "kind": lambda people: {"op": "set_household", "kind": "institution"},
    "head name": lambda people: facts(people["head"], name_en="H"),
    "head disability": lambda people: facts(people["head"], disability="mild"),
    "spouse name": lambda people: facts(people["spouse"], name_en="S"),
    "spouse school": lambda people: facts(people["spouse"], education_level="higher", civil_servant=True),
    "child phone": lambda people: facts(people["child"], phone="012345678"),
    "newborn": lambda people: new_person(relationship="child", name_en="N", birth_date="2019"),
}
STATE = (
    "SELECT g.version, g.at_risk, g.kind, m.person_ref, m.relationship, p.name_en, p.disability, p.education_level,"
    " p.civil_servant, p.phone_hash FROM household g JOIN membership m ON m.household_id = g.id"
    " JOIN person p ON p.id = m.person_id WHERE g.household_ref = :ref ORDER BY p.birth_date, p.name_en"
)
RUNS = itertools.count()


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(sorted(EDITS)), size=st.integers(2, len(EDITS)))
async def test_edits_of_different_facts_from_one_version_give_the_same_registry_in_any_order(
    registry: Registry, order: list[str], size: int
) -> None:
    chosen, states = order[:size], []
    for names in (chosen, sorted(chosen)):
        ref = f"P{next(RUNS)}"
        household_id, people = await family(registry, ref)
        for number, name in enumerate(names):
            edit = change(household_id, 1, None, EDITS[name](people))
            assert statuses(await sync(registry, edit, device=f"tablet-{number}")) == ["applied"], name
        states.append([tuple(row) for row in await registry.rows(STATE, ref=ref)])
    assert states[0] == states[1]
