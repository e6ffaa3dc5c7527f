"""Sending a file again, corrected, cut in the middle of loading, or while another is loaded (fault 20)."""

from __future__ import annotations

import asyncio
import itertools
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.registry.imports import repository
from services.registry.tests.building import VILLAGES, Registry, file_of, person
from shared.contracts.registry import HouseholdChanged, HouseholdRegistered, HouseholdState
from shared.worker import Worker

TABLES = ("household", "person", "membership", "identifier", "outbox")


async def sizes(registry: Registry) -> list[int]:
    return [await registry.count(table) for table in TABLES]


async def test_fault_20_the_same_file_twice_registers_nobody_twice_and_publishes_nothing_new(
    registry: Registry,
) -> None:
    body = file_of(person(national_id="111111111"), person(person_ref="2"), person("H2", phone="012345678"))
    first = await registry.send(body)
    before, rows = await sizes(registry), await registry.everything()
    again = await registry.send(body)
    assert (first["registered"], again["registered"], again["updated"], again["unchanged"]) == (2, 0, 0, 2)
    assert await sizes(registry) == before
    assert await registry.everything() == rows


async def test_fault_20_a_file_whose_bad_lines_were_corrected_adds_only_those(registry: Registry) -> None:
    await registry.send(file_of(person(), person("H2", sex="x")))
    again = await registry.send(file_of(person(), person("H2")))
    assert (again["registered"], again["unchanged"], await registry.count("household")) == (1, 1, 2)


@pytest.mark.parametrize("lanes", [1, 2])
async def test_fault_20_loading_stopped_in_the_middle_goes_on_and_loses_and_repeats_nothing(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, lanes: int
) -> None:
    monkeypatch.setitem(vars(registry.service.context.settings), "import_chunk_households", 2)
    monkeypatch.setitem(vars(registry.service.context.settings), "import_lanes", lanes)
    load, calls = repository.load_households, 0

    async def killed_in_the_third_chunk(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            await load(*arguments)
            raise asyncio.CancelledError  # what a worker that is stopped sees: nothing of this chunk is committed
        return await load(*arguments)

    headers = {**registry.officer(), "Content-Type": "text/csv"}
    body = file_of(*(person(f"H{n}") for n in range(9)))
    answer = await registry.http.post("/registry/v1/household-imports", content=body.encode(), headers=headers)
    monkeypatch.setattr(repository, "load_households", killed_in_the_third_chunk)
    with pytest.raises(asyncio.CancelledError):
        await Worker(registry.service.context, owner="killed").run_one()
    loaded = await registry.count("household")  # whole chunks, with their events; of two lanes, one may lag behind
    assert (loaded == 4) if lanes == 1 else (loaded in (0, 2, 4, 6))
    registry.service.clock.advance(timedelta(minutes=5))  # the dead worker's lease runs out
    await registry.service.run_jobs()
    done = await registry.read(answer.json()["import_id"])
    assert (done["state"], done["registered"]) == ("finished", 9)
    events = await registry.service.outbox()
    assert len({event.key for event in events}) == len(events) == 9
    assert [await registry.count(table) for table in ("import_row", "import_household")] == [0, 0]


async def test_a_chunk_whose_job_another_worker_took_over_meanwhile_is_not_committed(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = repository.load_households

    async def taken_over(*arguments: Any) -> Any:
        loaded = await load(*arguments)
        async with registry.service.database.session() as session:
            await session.execute(text("UPDATE job SET lease_owner = 'another' WHERE state = 'running'"))
        return loaded

    headers = {**registry.officer(), "Content-Type": "text/csv"}
    body = file_of(person(), person("H2")).encode()
    await registry.http.post("/registry/v1/household-imports", content=body, headers=headers)
    monkeypatch.setattr(repository, "load_households", taken_over)
    await Worker(registry.service.context, owner="slow").run_one()
    assert (await registry.count("household"), await registry.service.outbox()) == (0, [])


async def test_a_changed_household_is_updated_by_its_number_and_published_in_full(registry: Registry) -> None:
    await registry.send(file_of(person(), person(person_ref="2"), person(person_ref="3", birth_date="2019")))
    (registered,) = await registry.service.outbox()
    registry.service.clock.advance(timedelta(days=30))
    changed = {"poverty_level": "2", "card_number": "NEW-1"}
    lines = [
        person(relationship="spouse", **changed),
        person(person_ref="2", relationship="head", national_id="222222222", **changed),
        person(person_ref="4", sex="male", **changed),
    ]
    done = await registry.send(file_of(*lines))
    assert (done["updated"], done["registered"]) == (1, 0)
    (event,) = await registry.service.outbox()
    assert isinstance(registered, HouseholdRegistered)
    assert isinstance(event, HouseholdChanged)
    assert (event.household_id, event.version, event.poverty_level) == (registered.household_id, 2, 2)
    assert event.effective_on == date(2020, 7, 31)
    old, new = ({member.person_id: member for member in state.members} for state in (registered, event))
    assert len(set(old) & set(new)) == 2
    assert new[event.head_person_id].relationship == "head"  # type: ignore[index]
    left = await registry.rows("SELECT valid_until FROM membership WHERE person_ref = '3'")
    assert [row.valid_until for row in left] == [date(2020, 7, 30)]
    assert (
        await registry.rows("SELECT count(*) AS n FROM identifier WHERE type = 'equity_card' AND withdrawn_at IS NULL")
    )[0].n == 1


async def test_a_member_who_left_and_is_listed_again_is_the_same_person(registry: Registry) -> None:
    both = file_of(person(), person(person_ref="2"))
    await registry.send(both)
    (first,) = await registry.service.outbox()
    await registry.send(file_of(person()))
    await registry.send(both)
    last = (await registry.service.outbox())[-1]
    assert isinstance(first, HouseholdState)
    assert isinstance(last, HouseholdState)
    assert {member.person_id for member in last.members} == {member.person_id for member in first.members}
    assert last.version == 3


async def test_an_empty_cell_takes_no_number_away(registry: Registry) -> None:
    await registry.send(file_of(person(national_id="111111111", phone="012345678")))
    await registry.send(file_of(person(name_en="Another")))
    assert (await registry.rows("SELECT count(*) AS n FROM identifier WHERE type = 'national_id'"))[0].n == 1
    assert (await registry.rows("SELECT phone_cipher FROM person"))[0].phone_cipher is not None


async def test_two_imports_of_the_same_number_at_once_register_it_once(registry: Registry) -> None:
    headers = {**registry.officer(), "Content-Type": "text/csv"}
    for ref in ("H1", "H2"):
        body = file_of(person(ref, national_id="111111111")).encode()
        await registry.http.post("/registry/v1/household-imports", content=body, headers=headers)
    workers = [Worker(registry.service.context, owner=f"w{n}") for n in range(2)]
    await asyncio.gather(*(worker.run_one() for worker in workers))
    for _ in range(2):  # the one that met the other's number in the middle is run again
        registry.service.clock.advance(timedelta(minutes=5))
        async with registry.service.database.session() as session:
            await session.execute(text("UPDATE job SET run_at = now() WHERE state = 'queued'"))
        await workers[0].run_one()
    imports = await registry.rows("SELECT state, registered, rejected_households FROM household_import")
    assert sorted(tuple(row) for row in imports) == [("finished", 0, 1), ("finished", 1, 0)]
    assert await registry.count("identifier") == 2  # one national id, one card


@pytest.mark.parametrize(
    ("taken", "code"),
    [({"national_id": "111111111"}, "registered_national_id"), ({"card_number": "CARD-1"}, "registered_card_number")],
)
@pytest.mark.parametrize(("chunk", "loads"), [(5000, 2), (1, 3)])  # the chunk again without it; nothing left of it
async def test_a_number_registered_after_the_checks_refuses_its_household_and_no_other(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, taken: dict[str, str], code: str, chunk: int, loads: int
) -> None:
    monkeypatch.setitem(vars(registry.service.context.settings), "import_chunk_households", chunk)
    monkeypatch.setitem(vars(registry.service.context.settings), "import_lanes", 1)
    load, calls = repository.load_households, 0

    async def after_another_import(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:  # the file was found good; before it is loaded, a whole other one is
            monkeypatch.setattr(repository, "load_households", load)
            await registry.send(file_of(person("OTHER", village_code=VILLAGES[1], **taken)))
            monkeypatch.setattr(repository, "load_households", after_another_import)
        return await load(*arguments)

    headers = {**registry.officer(), "Content-Type": "text/csv"}
    body = file_of(person(), person("H2", **taken), person("H3")).encode()
    answer = await registry.http.post("/registry/v1/household-imports", content=body, headers=headers)
    monkeypatch.setattr(repository, "load_households", after_another_import)
    await registry.service.run_jobs()
    done = await registry.read(answer.json()["import_id"])
    assert (done["registered"], done["rejected_households"]) == (2, 1)
    assert {reason for _, _, reason in await registry.rejections(done["import_id"])} == {code}
    refs = await registry.rows("SELECT household_ref FROM household ORDER BY 1")
    assert [row.household_ref for row in refs] == ["H1", "H3", "OTHER"]
    assert (calls, len({event.key for event in await registry.service.outbox()})) == (loads, 3)


BAD = st.sampled_from(
    [{"sex": "x"}, {"birth_date": "2999"}, {"village_code": "99999999"}, {"household_ref": ""}, {"national_id": "1"}]
)
HOUSEHOLDS = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(VILLAGES), st.none() | st.tuples(st.integers(0, 3), BAD)),
    min_size=1,
    max_size=8,
)


FILES = itertools.count()


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(households=HOUSEHOLDS)
async def test_whatever_lines_are_bad_accepted_and_rejected_are_all_and_loading_twice_changes_nothing(
    registry: Registry, households: list[tuple[int, str, Any]]
) -> None:
    prefix = f"F{next(FILES)}"  # every example is a file of its own households
    lines: list[dict[str, str]] = []
    clean: set[str] = set()
    for number, (size, village, bad) in enumerate(households):
        ref = f"{prefix}-{number}"
        members = [person(ref, str(n + 1), village_code=village) for n in range(size)]
        if bad is None:
            clean.add(ref)
        else:
            members[bad[0] % size] |= bad[1]
        lines += members
    done = await registry.send(file_of(*lines))
    loaded = await registry.rows(
        "SELECT g.household_ref, count(*) AS members FROM household g JOIN membership m ON m.household_id = g.id"
        " WHERE g.household_ref LIKE :prefix GROUP BY 1",
        prefix=f"{prefix}-%",
    )
    assert done["registered"] == len(loaded)
    assert done["households"] == done["registered"] + done["rejected_households"]
    assert done["rows"] == len(lines) == done["rejected_rows"] + sum(row.members for row in loaded)
    assert {row.household_ref for row in loaded} <= clean
    sizes_by_ref = {f"{prefix}-{n}": size for n, (size, _, _) in enumerate(households)}
    assert all(row.members == sizes_by_ref[row.household_ref] for row in loaded)
    reported = {line for line, _, _ in await registry.rejections(done["import_id"])}
    assert (done["rejected_rows"] == 0) == (not reported)
    before = await registry.everything()
    again = await registry.send(file_of(*lines))
    assert (again["registered"], again["updated"], again["unchanged"]) == (0, 0, done["registered"])
    assert await registry.everything() == before
