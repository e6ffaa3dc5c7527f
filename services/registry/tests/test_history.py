"""Every change keeps who, when, why and the value before; the household as it was on any day, as known at any time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.registry.history.timeline import FactChange, timelines
from services.registry.tests.building import Registry
from services.registry.tests.changing import URL, member, patch, registered, view
from shared.contracts.registry import HouseholdChanged

NOON = datetime(2020, 7, 1, 12, tzinfo=UTC)


def life(value: Any, on: date, hours: int = 0) -> FactChange:
    return FactChange("level", None, value, "life_change", on, NOON + timedelta(hours=hours))


def fix(value: Any, on: date | None = None, hours: int = 0) -> FactChange:
    return FactChange("level", None, value, "correction", on, NOON + timedelta(hours=hours))


def value_on(changes: list[FactChange], day: date, known_at: datetime | None = None) -> Any:
    return timelines(changes, known_at)["level"].on(day)


def test_a_change_in_life_holds_from_its_day_and_a_correction_for_as_long_as_the_wrong_value_stood() -> None:
    changes = [life("b", date(2020, 3, 1)), fix("c")]
    assert value_on(changes, date(2020, 2, 29)) is None
    assert value_on(changes, date(2020, 3, 1)) == "c"
    assert value_on([fix("x")], date(1999, 1, 1)) == "x"


def test_a_late_change_in_life_takes_its_place_in_the_past_and_what_began_later_still_holds() -> None:
    changes = [life("may", date(2020, 5, 1)), life("march", date(2020, 3, 1), hours=1)]
    assert [value_on(changes, date(2020, month, 15)) for month in (2, 3, 4, 5, 7)] == [
        None, "march", "march", "may", "may",
    ]  # fmt: skip


def test_a_correction_from_a_day_on_ends_what_was_recorded_after_that_day() -> None:
    changes = [life("may", date(2020, 5, 1)), fix("april", date(2020, 4, 1), hours=1)]
    assert value_on(changes, date(2020, 6, 1)) == "april"
    assert value_on(changes, date(2020, 6, 1), known_at=NOON) == "may"


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 28), st.integers(0, 5)),
        min_size=1,
        max_size=8,
    )
)
def test_what_was_known_at_an_instant_never_depends_on_what_was_recorded_after_it(
    made: list[tuple[bool, int, int]],
) -> None:
    changes = [
        (life if is_life else fix)(f"v{index}", date(2020, 6, day), index)
        for index, (is_life, day, _) in enumerate(made)
    ]
    for index in range(len(changes)):
        known = changes[index].recorded_at
        for day in (date(2020, 5, 31), date(2020, 6, 10), date(2020, 6, 28)):
            assert value_on(changes, day, known) == value_on(changes[: index + 1], day)
    days = [change.effective_on for change in changes]
    line = timelines(changes)["level"]
    assert line.starts == sorted(set(line.starts))
    assert line.on(date(2020, 6, 28)) == line.latest or max(days) > date(2020, 6, 28)  # type: ignore[type-var]


async def test_every_change_keeps_who_when_why_and_the_value_before(registry: Registry) -> None:
    household = await registered(registry)
    head = household["head_person_id"]
    body = {
        "members": [{"person_id": head, "disability": "severe", "name_en": "Sok Dary"}],
        "reason": "seen at a visit",
    }
    assert (await patch(registry, household, **body)).status_code == 200
    answer = await registry.http.get(f"{URL}/{household['id']}/history", headers=registry.officer())
    latest, first = answer.json()["items"]
    assert (latest["kind"], latest["reason"], latest["recorded_by"]) == ("correction", "seen at a visit", "officer-1")
    assert {(fact["field"], fact["before"], fact["after"]) for fact in latest["facts"] if fact["person_id"]} == {
        ("disability", "none", "severe"),
        ("name_en", "Sok Dara", "Sok Dary"),
    }
    assert (first["kind"], [item["person_id"] for item in first["joined"]]) == ("registration", [head])
    auditor = await registry.http.get(f"{URL}/{household['id']}/history", headers=registry.officer("auditor"))
    assert "Sok" not in auditor.text
    outside = registry.officer(areas=["12"])
    assert (await registry.http.get(f"{URL}/{household['id']}/history", headers=outside)).status_code == 403


async def test_a_household_is_read_back_as_it_was_on_a_day_and_as_it_was_known(registry: Registry) -> None:
    household = await registered(registry, members=[member(), member("2", birth_date="2010-01-01")])
    before = registry.service.clock.now()
    registry.service.clock.advance(timedelta(days=1))
    child = household["members"][1]["person_id"]
    grown = {
        "members": [{"person_id": child, "disability": "mild"}],
        "kind": "life_change",
        "effective_on": "2020-06-10",
    }
    assert (await patch(registry, household, **grown)).status_code == 200
    household["version"] += 1
    fixed = {"members": [{"person_id": child, "birth_date": "2011-01-01"}]}
    assert (await patch(registry, household, **fixed)).status_code == 200

    async def seen(**query: str) -> tuple[str, str]:
        members = (await view(registry, household["id"], **query))["members"]
        return members[1]["disability"], members[1]["birth_date"]

    assert await seen(as_of="2020-06-09") == ("none", "2011-01-01")
    assert await seen(as_of="2020-06-10") == ("mild", "2011-01-01")
    assert await seen(as_of="2020-06-10", known_at=before.isoformat()) == ("none", "2010-01-01")
    assert await seen() == ("mild", "2011-01-01")


async def test_a_correction_and_a_change_in_life_are_told_apart_by_those_who_hear_of_them(registry: Registry) -> None:
    household = await registered(registry)
    await registry.service.outbox()
    head = household["head_person_id"]
    await patch(registry, household, members=[{"person_id": head, "disability": "mild"}])
    household["version"] += 1
    await patch(registry, household, kind="life_change", members=[{"person_id": head, "disability": "severe"}])
    first, second = await registry.service.outbox()
    assert isinstance(first, HouseholdChanged)
    assert isinstance(second, HouseholdChanged)
    assert (first.change, first.changed_by) == ("correction", "officer-1")
    assert (second.change, second.effective_on) == ("life_change", date(2020, 7, 1))


async def test_a_change_that_comes_late_does_not_undo_what_happened_since(registry: Registry) -> None:
    household = await registered(registry)
    head = household["head_person_id"]
    for value, day in (("severe", "2020-06-20"), ("mild", "2020-06-01")):
        body = {"kind": "life_change", "effective_on": day, "members": [{"person_id": head, "disability": value}]}
        assert (await patch(registry, household, **body)).status_code == 200
        household["version"] += 1
    now = await view(registry, household["id"])
    june = await view(registry, household["id"], as_of="2020-06-10")
    assert (now["members"][0]["disability"], june["members"][0]["disability"]) == ("severe", "mild")


async def test_members_who_joined_and_left_are_there_on_the_days_they_were(registry: Registry) -> None:
    household = await registered(registry, members=[member(), member("2")])
    second = household["members"][1]["person_id"]
    gone = {
        "kind": "life_change",
        "effective_on": "2020-06-15",
        "remove_members": [{"person_id": second, "cause": "left"}],
    }
    assert (await patch(registry, household, **gone)).status_code == 200
    assert len((await view(registry, household["id"], as_of="2020-06-14"))["members"]) == 2
    assert len((await view(registry, household["id"], as_of="2020-06-15"))["members"]) == 1
    assert len((await view(registry, household["id"]))["members"]) == 1


async def test_every_look_at_a_person_says_who_whom_and_why(registry: Registry) -> None:
    household = await registered(registry, members=[member(), member("2")])
    await view(registry, household["id"], reason="card renewal")
    rows = await registry.rows(
        "SELECT actor, object_id, detail FROM audit_entry WHERE action = 'person.look' AND detail ->> 'reason' <> ''"
    )
    assert {row.object_id for row in rows} == {item["person_id"] for item in household["members"]}
    assert {(row.actor, row.detail["reason"], row.detail["via"]) for row in rows} == {
        ("officer-1", "card renewal", "household")
    }
