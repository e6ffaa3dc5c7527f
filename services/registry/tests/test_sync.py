"""Tablets: each operation applied exactly once, conflicts shown with both versions, no change ever missed."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.registry.sync.cursor import START, Cursor
from services.registry.sync.errors import BadCursor
from services.registry.tests.building import VILLAGES, Registry, file_of, person
from shared.contracts.registry import HouseholdRegistered, HouseholdState
from shared.ids import uuid7
from shared.testing import wait_for

URL = "/registry/v1/sync"
Operation = dict[str, Any]


async def sync(
    registry: Registry, *operations: Operation, areas: tuple[str, ...] = ("*",), **body: Any
) -> dict[str, Any]:
    asked = {"device": "tablet-1", "operations": list(operations)} | body
    answer = await registry.http.post(URL, json=asked, headers=registry.officer(areas=areas))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def new_person(person_id: UUID | None = None, relationship: str = "head", **facts: Any) -> dict[str, Any]:
    said = {"name_en": "Sok Dara", "sex": "female", "birth_date": "1980-05-17"} | facts
    return {"op": "add_person", "person_id": str(person_id or uuid7()), "relationship": relationship, "facts": said}


def registration(ref: str, *people: dict[str, Any], village: str = VILLAGES[0]) -> Operation:
    return {
        "op_id": str(uuid7()),
        "household_id": str(uuid7()),
        "register_at": {"village_code": village, "household_ref": ref},
        "changes": list(people or [new_person()]),
    }


def change(
    household_id: Any, base: int | None = None, follows: str | None = None, *changes: dict[str, Any]
) -> Operation:
    operation = {"op_id": str(uuid7()), "household_id": str(household_id), "changes": list(changes)}
    return operation | ({"follows": follows} if follows else {"base_version": base})


def at_risk(value: bool = True) -> dict[str, Any]:
    return {"op": "set_household", "at_risk": value}


def statuses(answer: dict[str, Any]) -> list[str]:
    return [result["status"] for result in answer["results"]]


async def changes_since(registry: Registry, cursor: str | None, areas: tuple[str, ...] = ("*",)) -> dict[str, Any]:
    return await sync(registry, cursor=cursor, areas=areas)


async def everything_is_told(registry: Registry) -> None:
    """Wait until every transaction that wrote households before the last of these has ended (other tests' too)."""

    async def told() -> bool:
        (row,) = await registry.rows(
            "SELECT coalesce(max(written_in) <= settled_sync_place(), true) AS told FROM household"
        )
        return bool(row.told)

    await wait_for(told, deadline_s=60, what="older writers end")


async def test_a_household_registered_and_edited_without_a_network_arrives_in_one_batch(registry: Registry) -> None:
    head = uuid7()
    first = registration("T1", new_person(head), new_person(relationship="child", birth_date="2015-01-01"))
    second = change(first["household_id"], None, first["op_id"], at_risk())
    third = change(
        first["household_id"], None, second["op_id"],
        {"op": "change_person", "person_id": str(head), "facts": {"disability": "mild"}},
    )  # fmt: skip
    answer = await sync(registry, third, second, first)  # in whatever order
    assert statuses(answer) == ["applied"] * 3
    assert [result["version"] for result in answer["results"]] == [3, 2, 1]
    events = await registry.service.outbox()
    assert isinstance(events[0], HouseholdRegistered)
    assert isinstance(events[-1], HouseholdState)
    assert (events[-1].version, events[-1].at_risk, events[-1].head_person_id) == (3, True, head)
    sources = await registry.rows("SELECT source, source_id FROM register_change ORDER BY seq")
    assert {row.source for row in sources} == {"tablet"}


async def test_a_batch_whose_answer_was_lost_is_sent_again_and_changes_nothing(registry: Registry) -> None:
    first = registration("T1")
    operations = [first, change(first["household_id"], None, first["op_id"], at_risk())]
    sent = await sync(registry, *operations)
    before = await registry.everything()
    again = await sync(registry, *operations, operations[0])
    assert statuses(again) == ["already_applied"] * 3
    assert [result["version"] for result in again["results"][:2]] == [result["version"] for result in sent["results"]]
    assert await registry.everything() == before


async def test_a_batch_that_fails_to_commit_is_not_answered_and_may_be_sent_again(registry: Registry) -> None:
    operation = registration("T1")
    async with registry.service.commits_fail():
        asked = {"device": "tablet-1", "operations": [operation]}
        answer = await registry.http.post(URL, json=asked, headers=registry.officer())
    assert answer.status_code >= 500
    assert await registry.count("sync_operation") == await registry.count("household") == 0
    assert statuses(await sync(registry, operation)) == ["applied"]


async def test_a_batch_cut_off_in_the_middle_goes_on_where_it_stopped(registry: Registry) -> None:
    operations = [registration(f"T{n}") for n in range(6)]
    await sync(registry, *operations[:4])
    assert statuses(await sync(registry, *operations)) == ["already_applied"] * 4 + ["applied"] * 2
    assert await registry.count("household") == 6


async def test_a_conflict_shows_both_versions_and_changes_nothing(registry: Registry) -> None:
    await registry.send(file_of(person("H1")))
    household_id = await registry.household_id("H1")
    member = (await registry.rows("SELECT person_id FROM membership"))[0].person_id

    def rename(name: str) -> dict[str, Any]:
        return {"op": "change_person", "person_id": str(member), "facts": {"name_en": name, "phone": "012345678"}}

    assert statuses(await sync(registry, change(household_id, 1, None, rename("From the office")))) == ["applied"]
    late = change(household_id, 1, None, rename("From the tablet"))
    (result,) = (await sync(registry, late))["results"]
    assert (result["status"], result["base_version"], result["version"]) == ("conflict", 1, 2)
    assert result["current"]["members"][0]["name_en"] == "From the office"
    assert result["yours"]["changes"][0]["facts"]["name_en"] == "From the tablet"
    assert "012345678" not in str(result["yours"])
    again = late | {"op_id": str(uuid7()), "base_version": 2}
    assert statuses(await sync(registry, again)) == ["applied"]


async def test_a_bad_operation_is_refused_with_its_reason_and_stops_nobody_elses(registry: Registry) -> None:
    bad_village = registration("T1", village="99999999")
    two_heads = registration("T2", new_person(), new_person())
    child_head = registration("T3", new_person(birth_date="2015-01-01"))
    nonsense: Operation = {"op_id": str(uuid7()), "household_id": "x", "changes": []}
    orphan = change(uuid7(), None, str(uuid7()), at_risk())
    unknown = change(uuid7(), 1, None, at_risk())
    good = registration("T4")
    answer = await sync(registry, bad_village, two_heads, child_head, nonsense, orphan, unknown, good)
    assert statuses(answer) == ["refused"] * 6 + ["applied"]
    codes = [result["code"] for result in answer["results"][:6]]
    assert codes[3:] == ["invalid_operation", "predecessor_missing", "household_not_found"]
    errors = [{error["code"] for error in result["errors"]} for result in answer["results"][:3]]
    assert errors[0] == {"unknown_village"}
    assert "second_head" in errors[1]
    assert "head_too_young" in errors[2]
    assert [row.household_ref for row in await registry.rows("SELECT household_ref FROM household")] == ["T4"]


async def test_an_operation_with_a_text_that_cannot_be_kept_is_refused_alone(registry: Registry) -> None:
    bad = [registration("T1", new_person(name_en="A\0")), registration("T2", new_person()), registration("T3")]
    bad[1]["reason"] = "a\ud800"
    asked = json.dumps({"device": "tablet-1", "operations": bad})  # in ASCII, so that the escapes travel
    headers = registry.officer() | {"content-type": "application/json"}
    answer = (await registry.http.post(URL, content=asked, headers=headers)).json()
    assert statuses(answer) == ["refused", "refused", "applied"]
    errors = [[error["code"] for error in result["errors"]] for result in answer["results"][:2]]
    assert errors == [["text_not_storable"]] * 2
    assert answer["results"][1]["errors"][0]["field"] == "reason"


async def test_a_document_that_ends_before_it_begins_is_refused_from_a_tablet_too(registry: Registry) -> None:
    backwards = {"type": "birth_certificate", "number": "BC-1", "valid_from": "2020-01-02", "valid_until": "2020-01-01"}
    person = new_person()
    person["facts"]["identifiers"] = [backwards]
    answer = await sync(registry, registration("T1", person), registration("T2"))
    assert statuses(answer) == ["refused", "applied"]
    assert [error["code"] for error in answer["results"][0]["errors"]] == ["ends_before_start"]


async def test_an_op_id_used_for_something_else_is_refused(registry: Registry) -> None:
    operation = registration("T1")
    await sync(registry, operation)
    (result,) = (await sync(registry, operation | {"reason": "other"}))["results"]
    assert (result["status"], result["code"]) == ("refused", "op_id_reused")


async def test_nothing_outside_the_area_is_written_or_told(registry: Registry) -> None:
    await registry.send(file_of(person("FAR", village_code=VILLAGES[3]), person("NEAR")))
    far = await registry.household_id("FAR")
    await everything_is_told(registry)
    answer = await sync(
        registry, change(far, 1, None, at_risk()), registration("T", village=VILLAGES[3]), areas=("01",)
    )
    assert [result["code"] for result in answer["results"]] == ["outside_area"] * 2
    assert [entry["household"]["household_ref"] for entry in answer["changes"]] == ["NEAR"]
    auditor = await registry.http.post(URL, json={"device": "t"}, headers=registry.officer("auditor"))
    assert auditor.status_code == 403


async def test_sizes_are_bounded(registry: Registry) -> None:
    for body in (
        {"operations": [{}] * 201},
        {"limit": 501},
        {"device": "no spaces"},
        {"operations": [], "cursor": "x" * 300},
    ):
        answer = await registry.http.post(URL, json={"device": "t"} | body, headers=registry.officer())
        assert answer.status_code == 422
    answer = await registry.http.post(URL, json={"device": "t", "cursor": "!"}, headers=registry.officer())
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


# --- changes since a cursor ----------------------------------------------------------------------------------------


async def test_changes_come_once_page_by_page_with_names_and_recorded_looks(registry: Registry) -> None:
    await registry.send(file_of(*(person(f"H{n}", phone="012345678") for n in range(7))))
    await everything_is_told(registry)
    cursor, seen = None, []
    while True:
        page = await sync(registry, cursor=cursor, limit=3)
        seen += [entry["household"]["household_ref"] for entry in page["changes"]]
        cursor = page["next_cursor"]
        if not page["more"]:
            break
    assert sorted(seen) == [f"H{n}" for n in range(7)]
    assert page["changes"][0]["household"]["members"][0]["phone"] == "012345678"
    looks = await registry.rows("SELECT count(*) AS n FROM audit_entry WHERE action = 'person.look'")
    assert looks[0].n == 7
    assert (await changes_since(registry, cursor))["changes"] == []


async def test_a_household_that_leaves_the_area_or_is_merged_is_told_as_gone(registry: Registry) -> None:
    await registry.send(file_of(person("H1"), person("H2"), person("H3")))
    await everything_is_told(registry)
    cursor = (await changes_since(registry, None, ("01",)))["next_cursor"]
    ids = {ref: await registry.household_id(ref) for ref in ("H1", "H2", "H3")}
    move = change(ids["H1"], 1, None, {"op": "set_household", "village_code": VILLAGES[3]})
    assert statuses(await sync(registry, move)) == ["applied"]
    merge = {"kind": "household", "retired_id": str(ids["H2"]), "surviving_id": str(ids["H3"]), "reason": "twice"}
    done = await registry.http.post("/registry/v1/merges", json=merge, headers=registry.officer())
    assert done.status_code == 201, done.text
    await everything_is_told(registry)
    told = {entry["household_id"]: entry for entry in (await changes_since(registry, cursor, ("01",)))["changes"]}
    assert {household: entry["what"] for household, entry in told.items()} == {
        str(ids["H1"]): "left_area",
        str(ids["H2"]): "dissolved",
        str(ids["H3"]): "changed",
    }
    assert told[str(ids["H1"])]["household"] is None
    assert told[str(ids["H2"])]["successor_household_id"] == str(ids["H3"])


async def test_a_change_that_began_first_and_commits_last_is_not_missed(registry: Registry) -> None:
    await registry.send(file_of(person("SLOW"), person("FAST")))
    await everything_is_told(registry)
    cursor = (await changes_since(registry, None))["next_cursor"]
    begin = text("SELECT set_config('samaki.change', (SELECT id::text FROM register_change LIMIT 1), true)")
    touch = text("UPDATE household SET version = version + 1 WHERE household_ref = :ref")
    seen: list[str] = []

    async def look() -> None:
        nonlocal cursor
        answer = await changes_since(registry, cursor)
        seen.extend(entry["household"]["household_ref"] for entry in answer["changes"])
        cursor = answer["next_cursor"]

    async with registry.service.database.session() as slow:
        await slow.execute(begin)
        await slow.execute(touch, {"ref": "SLOW"})  # it has the lower place, and is still at work
        async with registry.service.database.session() as fast:
            await fast.execute(begin)
            await fast.execute(touch, {"ref": "FAST"})
        await look()  # a cursor over ids or times would stand behind FAST now, and pass SLOW over
        assert seen == []

    async def both() -> bool:
        await look()
        return len(seen) == 2

    await wait_for(both, 20, "both changes")
    assert seen == ["SLOW", "FAST"]


async def test_a_long_transaction_that_writes_no_household_delays_nobody(registry: Registry) -> None:
    async with registry.service.database.session() as elsewhere:
        await elsewhere.execute(text("CREATE TABLE elsewhere (n int)"))  # it has a transaction id, the lowest open one
        await registry.send(file_of(person("H1")))
        settled, last = (
            (await registry.rows("SELECT settled_sync_place() AS n"))[0].n,
            (await registry.rows("SELECT max(written_in) AS n FROM household"))[0].n,
        )
        assert settled >= last
        told = (await changes_since(registry, None))["changes"]
        assert [entry["household"]["household_ref"] for entry in told] == ["H1"]


async def test_a_writer_who_takes_part_of_his_work_back_holds_his_place_no_longer(registry: Registry) -> None:
    await registry.send(file_of(person("H1")))
    begin = text("SELECT set_config('samaki.change', (SELECT id::text FROM register_change LIMIT 1), true)")
    touch = text("UPDATE household SET version = version + 1")
    place = text("SELECT written_in FROM household")
    async with registry.service.database.session() as session:
        await session.execute(begin)
        nested = await session.begin_nested()
        await session.execute(touch)
        first = await session.scalar(place)
        await nested.rollback()
        await session.execute(touch)
        second = await session.scalar(place)
        assert second > first  # the place given back may have been passed: it is never used again
        assert (await registry.rows("SELECT settled_sync_place() AS n"))[0].n < second
    await everything_is_told(registry)


@pytest.mark.parametrize(
    "bad", ["", "x", "W10=", "WzEsICJ4Il0=", "Wy0xLCAiMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIl0="]
)
def test_only_our_own_cursors_are_read(bad: str) -> None:
    with pytest.raises(BadCursor):
        Cursor.decode(bad)


@given(st.integers(0, (1 << 63) - 1), st.uuids())
def test_a_cursor_comes_back_as_it_was(written_in: int, household_id: UUID) -> None:
    cursor = Cursor(written_in, household_id)
    assert Cursor.decode(cursor.encode()) == cursor
    assert Cursor.decode(None) == START


# --- in any order, split and repeated ------------------------------------------------------------------------------

STATE = (
    "SELECT right(g.household_ref, 1) AS ref, g.version, g.at_risk, m.person_ref, m.relationship, m.valid_from,"
    " m.valid_until, p.name_en, p.disability, p.birth_date FROM household g JOIN membership m ON m.household_id = g.id"
    " JOIN person p ON p.id = m.person_id WHERE g.household_ref LIKE :prefix ORDER BY 1, m.person_ref, p.name_en"
)
STEPS = st.sampled_from(["risk", "no_risk", "disability", "rename", "child", "leave"])
RUNS = itertools.count()


def chain(ref: str, steps: list[str]) -> list[Operation]:
    """What one family's tablet did: a registration, then edits that build on each other."""
    head, other = uuid7(), uuid7()
    operations = [registration(ref, new_person(head), new_person(other, "spouse", name_en="Spouse"))]
    for number, step in enumerate(steps):
        facts: dict[str, Any] = {
            "risk": at_risk(),
            "no_risk": at_risk(False),
            "disability": {"op": "change_person", "person_id": str(head), "facts": {"disability": "severe"}},
            "rename": {"op": "change_person", "person_id": str(head), "facts": {"name_en": f"Name {'abcdef'[number]}"}},
            "child": new_person(relationship="child", name_en=f"Child {'abcdef'[number]}", birth_date="2018"),
            "leave": {"op": "remove_member", "person_id": str(other), "cause": "left"},
        }[step]
        operations.append(change(operations[0]["household_id"], None, operations[-1]["op_id"], facts))
    return operations


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(families=st.lists(st.lists(STEPS, max_size=4), min_size=1, max_size=3), seed=st.integers(0, 1 << 30))
async def test_operations_in_any_order_split_and_repeated_give_the_same_registry(
    registry: Registry, families: list[list[str]], seed: int
) -> None:
    families = [
        [step for n, step in enumerate(steps) if step != "leave" or "leave" not in steps[:n]] for steps in families
    ]
    run, shuffled = next(RUNS), random.Random(seed)
    prefix = f"R{run}-"
    straight = [operation for n, steps in enumerate(families) for operation in chain(f"{prefix}A{n}", steps)]
    assert set(statuses(await sync(registry, *straight))) == {"applied"}
    expected = [tuple(row) for row in await registry.rows(STATE, prefix=f"{prefix}A%")]

    pending = [operation for n, steps in enumerate(families) for operation in chain(f"{prefix}B{n}", steps)]
    everything, answers = list(pending), 0
    while pending:
        shuffled.shuffle(pending)
        size = shuffled.randint(1, len(pending))
        batch = pending[:size] + shuffled.sample(everything, shuffled.randint(0, 2) % (len(everything) + 1))
        answer = await sync(registry, *batch, device=f"tablet-{shuffled.randint(1, 2)}")
        done = {result["op_id"] for result in answer["results"] if result["status"] in {"applied", "already_applied"}}
        refused = [result for result in answer["results"] if result["status"] not in {"applied", "already_applied"}]
        assert {result["code"] for result in refused} <= {"predecessor_missing"}
        pending = [operation for operation in pending if operation["op_id"] not in done]
        answers += 1
        assert answers < 200
    assert [tuple(row) for row in await registry.rows(STATE, prefix=f"{prefix}B%")] == expected
