"""Merging people and households on the real register, telling the others, and taking it back."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.registry.tests.building import VILLAGES, Registry, file_of, person
from shared.contracts.registry import HouseholdChanged, HouseholdDissolved, IdentityMerged, IdentityRestored

REGISTER = (
    "SELECT g.household_ref, g.head_person_id, g.dissolved_on, g.successor_household_id, m.person_id, m.person_ref,"
    " m.relationship, m.valid_from, m.valid_until, p.merged_into, p.name_en,"
    " (SELECT array_agg(i.type || encode(i.hash, 'hex') ORDER BY i.type) FROM identifier i"
    "  WHERE i.owner_id = p.id AND i.withdrawn_at IS NULL) AS numbers"
    " FROM household g JOIN membership m ON m.household_id = g.id AND NOT m.void JOIN person p ON p.id = m.person_id"
    " ORDER BY g.id, p.id, m.valid_from"
)


async def people(registry: Registry) -> dict[str, UUID]:
    """Present members by household_ref/person_ref."""
    rows = await registry.rows(
        "SELECT g.household_ref || '/' || m.person_ref AS ref, m.person_id FROM membership m"
        " JOIN household g ON g.id = m.household_id WHERE m.valid_until IS NULL"
    )
    return {row.ref: UUID(str(row.person_id)) for row in rows}


async def merge(registry: Registry, kind: str, retired: Any, surviving: Any, **extra: Any) -> Any:
    claims = {name: extra.pop(name) for name in ("person_id",) if name in extra}
    areas = extra.pop("areas", ("*",))
    body = {"kind": kind, "retired_id": str(retired), "surviving_id": str(surviving), "reason": "one family"} | extra
    headers = registry.service.token("commune_officer", areas=areas, **claims)
    return await registry.http.post("/registry/v1/merges", json=body, headers=headers)


async def undo(registry: Registry, done: Any, version: int = 1) -> Any:
    headers = {**registry.officer(), "If-Match": f'"{version}"'}
    url = f"/registry/v1/merges/{done.json()['id']}/undo"
    return await registry.http.post(url, json={"reason": "two people after all"}, headers=headers)


async def test_two_records_of_a_person_become_one_and_everybody_is_told(registry: Registry) -> None:
    await registry.send(
        file_of(person("H1"), person("H1", "2", national_id="111111111"), person("H2"), person("H2", "2"))
    )
    await registry.service.outbox()
    known = await people(registry)
    done = await merge(registry, "person", known["H1/2"], known["H2/2"])
    assert done.status_code == 201, done.text
    changed, merged = await registry.service.outbox()
    assert isinstance(changed, HouseholdChanged)
    assert isinstance(merged, IdentityMerged)
    assert known["H1/2"] not in {member.person_id for member in changed.members}
    assert (changed.change, changed.version) == ("correction", 2)
    assert (merged.kind, merged.retired_id, merged.surviving_id) == ("person", known["H1/2"], known["H2/2"])
    (number,) = await registry.rows(
        "SELECT owner_id FROM identifier WHERE type = 'national_id' AND withdrawn_at IS NULL"
    )
    assert number.owner_id == known["H2/2"]  # her number finds the surviving record
    found = await registry.http.get(f"/registry/v1/identities/{known['H1/2']}", headers=registry.officer())
    assert found.json()["surviving_id"] == str(known["H2/2"])
    history = await registry.rows("SELECT count(*) AS n FROM fact_change WHERE subject_id = :id", id=known["H1/2"])
    assert history[0].n == 1


async def test_two_records_of_a_household_become_one_with_all_its_people(registry: Registry) -> None:
    await registry.send(
        file_of(
            person("H1"),
            person("H1", "2"),
            person("H1", "3"),
            person("H2", village_code=VILLAGES[1]),
            person("H2", "2", village_code=VILLAGES[1]),
        )
    )
    await registry.service.outbox()
    known = await people(registry)
    retired, surviving = await registry.household_id("H1"), await registry.household_id("H2")
    same = [[str(known["H1/1"]), str(known["H2/1"])], [str(known["H1/2"]), str(known["H2/2"])]]
    done = await merge(registry, "household", retired, surviving, same_people=same)
    assert done.status_code == 201, done.text
    events = await registry.service.outbox()
    (dissolved,) = (event for event in events if isinstance(event, HouseholdDissolved))
    assert (dissolved.household_id, dissolved.cause, dissolved.successor_household_id) == (retired, "merged", surviving)
    (changed,) = (event for event in events if isinstance(event, HouseholdChanged))
    assert {member.person_id for member in changed.members} == {known["H2/1"], known["H2/2"], known["H1/3"]}
    told = {(event.kind, event.retired_id) for event in events if isinstance(event, IdentityMerged)}
    assert told == {("household", retired), ("person", known["H1/1"]), ("person", known["H1/2"])}
    again = await registry.send(file_of(person("H1")))
    assert await registry.rejections(again["import_id"]) == {(2, "household_ref", "household_dissolved")}


async def test_cyclic_and_repeated_merges_are_refused(registry: Registry) -> None:
    await registry.send(file_of(person("H1"), *(person("H1", str(n)) for n in (2, 3, 4))))
    known = await people(registry)
    a, b, c = known["H1/2"], known["H1/3"], known["H1/4"]
    assert (await merge(registry, "person", a, b)).status_code == 201
    assert (await merge(registry, "person", b, c)).status_code == 201
    for retired, surviving in ((c, a), (b, a), (a, c), (c, b)):
        answer = await merge(registry, "person", retired, surviving)
        assert (answer.status_code, answer.json()["code"]) == (409, "already_retired")
    found = await registry.http.get(f"/registry/v1/identities/{a}", headers=registry.officer())
    assert found.json()["surviving_id"] == str(c)  # along the whole line


async def test_merges_are_undone_newest_first_and_once(registry: Registry) -> None:
    await registry.send(file_of(person("H1"), *(person("H1", str(n)) for n in (2, 3, 4))))
    known = await people(registry)
    before = await registry.rows(REGISTER)
    first = await merge(registry, "person", known["H1/2"], known["H1/3"])
    second = await merge(registry, "person", known["H1/3"], known["H1/4"])
    await registry.service.outbox()
    early = await undo(registry, first)
    assert (early.status_code, early.json()["code"]) == (409, "undo_newer_first")
    assert (await undo(registry, second)).status_code == 200
    assert (await undo(registry, first)).status_code == 200
    assert (await undo(registry, first, 2)).json()["code"] == "already_undone"
    assert await registry.rows(REGISTER) == before
    restored = [event for event in await registry.service.outbox() if isinstance(event, IdentityRestored)]
    assert [(event.retired_id, event.version) for event in restored] == [(known["H1/3"], 2), (known["H1/2"], 2)]


async def test_a_merge_whose_memberships_changed_since_is_not_undone_blindly(registry: Registry) -> None:
    await registry.send(file_of(person("H1"), person("H1", "2"), person("H2")))
    known = await people(registry)
    retired, surviving = await registry.household_id("H1"), await registry.household_id("H2")
    done = await merge(registry, "household", retired, surviving)
    moved = known["H1/2"]
    changes = {"members": [{"person_id": str(moved), "relationship": "child"}]}
    headers = {**registry.officer(), "If-Match": '"2"'}
    answer = await registry.http.patch(f"/registry/v1/households/{surviving}", json=changes, headers=headers)
    assert answer.status_code == 200, answer.text
    refused = await undo(registry, done)
    assert (refused.status_code, refused.json()["code"]) == (409, "changed_since_merge")


async def test_nobody_merges_outside_her_area_or_her_own_record(registry: Registry) -> None:
    await registry.send(file_of(person("H1"), person("H1", "2"), person("H2", village_code=VILLAGES[3])))
    known = await people(registry)
    before = await registry.everything()
    outside = await merge(registry, "person", known["H1/2"], known["H2/1"], areas=("01",))
    assert (outside.status_code, outside.json()["code"]) == (403, "outside_area")
    own = await merge(registry, "person", known["H1/2"], known["H2/1"], person_id=str(known["H1/1"]))
    assert (own.status_code, own.json()["code"]) == (403, "own_record")
    auditor = await registry.http.post("/registry/v1/merges", json={}, headers=registry.officer("auditor"))
    assert auditor.status_code == 403
    assert await registry.everything() == before


SIZES = st.tuples(st.integers(1, 4), st.integers(1, 4))
FILES = itertools.count()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=SIZES, households=st.booleans(), data=st.data())
async def test_merge_then_unmerge_is_the_identity(
    registry: Registry, sizes: tuple[int, int], households: bool, data: st.DataObject
) -> None:
    left, right = (f"P{next(FILES)}" for _ in range(2))
    lines = [
        person(ref, str(n), national_id=f"{next(FILES) + 100_000_000}" if data.draw(st.booleans()) else "")
        for ref, size in ((left, sizes[0]), (right, sizes[1]))
        for n in range(1, size + 1)
    ]
    await registry.send(file_of(*lines))
    known = {ref: found for ref, found in (await people(registry)).items() if ref.split("/")[0] in (left, right)}
    before = await registry.rows(REGISTER)
    if households:
        twins = data.draw(st.integers(0, min(sizes)))
        same = [[str(known[f"{left}/{n}"]), str(known[f"{right}/{n}"])] for n in range(1, twins + 1)]
        ids = [await registry.household_id(ref) for ref in (left, right)]
        done = await merge(registry, "household", *ids, same_people=same)
    else:
        retired, surviving = data.draw(st.permutations(sorted(known)))[:2]
        done = await merge(registry, "person", known[retired], known[surviving])
        if done.status_code == 409:
            assert done.json()["code"] == "head_of_others"
            assert await registry.rows(REGISTER) == before
            return
    assert done.status_code == 201, done.text
    assert await registry.rows(REGISTER) != before
    undone = await undo(registry, done)
    assert undone.status_code == 200, undone.text
    assert await registry.rows(REGISTER) == before


@pytest.mark.parametrize("version", [0, 2])
async def test_an_undo_names_the_version_it_saw(registry: Registry, version: int) -> None:
    await registry.send(file_of(person("H1"), person("H1", "2"), person("H1", "3")))
    known = await people(registry)
    done = await merge(registry, "person", known["H1/2"], known["H1/3"])
    assert (await undo(registry, done, version)).status_code == 412
