"""A feed's lines are applied as sets where they stand by themselves. `test_feed_ways`: as one by one would have."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from services.registry.tests.building import VILLAGES, Registry, file_of, person
from services.registry.tests.test_life_events import dead, feed, tell
from shared.contracts.registry import HouseholdChanged, LifeEventRecorded


async def villagers(registry: Registry, prefix: str, households: int, first: int) -> list[str]:
    """Households of three, everybody with a number: the numbers, in order."""
    lines, numbers = [], []
    for index in range(households):
        for member in range(3):
            number = f"{first + index * 3 + member:09}"
            numbers.append(number)
            cells = {"national_id": number, "name_km": "", "name_en": f"Name {index}-{member}"}
            lines.append(person(f"{prefix}{index}", str(member + 1), birth_date=f"19{60 + member}-01-01", **cells))
    await registry.send(file_of(*lines))
    return numbers


async def test_many_deaths_are_one_change_a_day_and_each_is_published(registry: Registry) -> None:
    numbers = await villagers(registry, "V", 12, 1)
    await registry.service.outbox()
    before = await registry.count("register_change")
    members = numbers[1::3]
    lines = [dead(f"d{n}", number, f"2020-06-{10 + n % 3}") for n, number in enumerate(members)]
    result, _ = await feed(registry, lines)
    assert result == {"applied": 12}
    assert await registry.count("register_change") == before + 3
    events = await registry.service.outbox()
    assert len([event for event in events if isinstance(event, LifeEventRecorded)]) == 12
    assert {len(event.members) for event in events if isinstance(event, HouseholdChanged)} == {2}
    audits = await registry.rows("SELECT object_id FROM audit_entry WHERE action = 'life_event.record'")
    assert len({row.object_id for row in audits}) == 12
    (event,) = await registry.rows("SELECT id FROM life_event ORDER BY id LIMIT 1")
    url = f"/registry/v1/life-events/{event.id}/withdraw"
    headers = registry.officer() | {"If-Match": '"1"'}
    answer = await registry.http.post(url, json={"cause": "a mistake"}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert (await registry.rows("SELECT count(*) AS n FROM person WHERE NOT alive"))[0].n == 11


async def test_a_death_that_cannot_be_is_refused_by_itself(registry: Registry) -> None:
    numbers = await villagers(registry, "V", 4, 1)
    lines = [
        dead("good", numbers[1]),
        dead("future", numbers[4], "2020-07-02"),
        dead("unborn", numbers[7], "1950-01-01"),
        dead("twice", numbers[10]),
        dead("again", numbers[10], "2020-06-16"),
    ]
    result, rows = await feed(registry, lines)
    assert result == {"applied": 2, "refused": 3}
    assert {row["feed_id"]: row["code"] for row in rows} == {
        "good": "", "future": "date_in_future", "unborn": "before_birth", "twice": "", "again": "person_dead",
    }  # fmt: skip


async def test_a_feed_reaches_no_further_than_its_sender(registry: Registry) -> None:
    await registry.send(file_of(
        *(person("F", str(n), village_code=VILLAGES[3], national_id=f"00000000{n}") for n in (1, 2))
    ))  # fmt: skip
    headers = registry.officer("integration", areas=["01"])
    body = [dead("a", "000000002")]
    answer = await registry.http.post("/registry/v1/life-event-feeds/gdi", json=body, headers=headers)
    assert answer.status_code == 202
    await registry.service.run_jobs()
    assert (await registry.rows("SELECT state, code FROM feed_line"))[0] == ("refused", "unknown_person")


def born(feed_id: str, mother: str, on: str = "2020-06-15", **child: Any) -> dict[str, Any]:
    child = {"name_en": f"Child {feed_id}", "sex": "female", **child}
    document = {"type": "national_id", "number": mother}
    return {"feed_id": feed_id, "kind": "birth", "occurred_on": on, "mother": document, "child": child}


def married(feed_id: str, person: str, spouse: str, on: str = "2020-06-15") -> dict[str, Any]:
    one, other = ({"type": "national_id", "number": number} for number in (person, spouse))
    return {"feed_id": feed_id, "kind": "marriage", "occurred_on": on, "person": one, "spouse": other}


def certificate(number: str, **values: Any) -> dict[str, Any]:
    return {"identifiers": [{"type": "birth_certificate", "number": number, **values}]}


class Counted:
    """How many statements the service sends while this is open."""

    def __init__(self, registry: Registry) -> None:
        self._engine = registry.service.database.engine.sync_engine
        self.statements = 0

    def _count(self, *_: Any) -> None:
        self.statements += 1

    def __enter__(self) -> Counted:
        event.listen(self._engine, "before_cursor_execute", self._count)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._count)


async def test_many_births_are_one_change_a_day_and_no_more_statements_than_a_few(registry: Registry) -> None:
    mothers = (await villagers(registry, "V", 36, 1))[0::3]
    before = await registry.count("register_change")

    def lines(which: list[str], start: int) -> list[dict[str, Any]]:
        return [born(f"b{start + n}", number, f"2020-06-{10 + n % 2}") for n, number in enumerate(which)]

    with Counted(registry) as few:
        assert (await feed(registry, lines(mothers[:6], 0)))[0] == {"applied": 6}
    with Counted(registry) as many:
        assert (await feed(registry, lines(mothers[6:], 6)))[0] == {"applied": 30}
    assert many.statements == few.statements
    assert await registry.count("register_change") == before + 4
    assert (await registry.rows("SELECT count(*) AS n FROM person WHERE name_en LIKE 'Child%'"))[0].n == 36


async def test_many_marriages_are_one_change_a_day(registry: Registry) -> None:
    numbers = await villagers(registry, "V", 12, 1)
    before = await registry.count("register_change")
    couples = zip(numbers[1:18:3], numbers[18::3], strict=True)  # a member of the first six, a head of the others
    lines = [married(f"m{n}", person, spouse) for n, (person, spouse) in enumerate(couples)]
    assert (await feed(registry, lines))[0] == {"applied": 6}
    assert await registry.count("register_change") == before + 1
    (row,) = await registry.rows("SELECT detail FROM audit_entry WHERE action = 'life_event.record' LIMIT 1")
    assert (row.detail["version"], list(row.detail["others"].values())) == (2, [2])


async def test_a_certificate_of_two_births_is_the_first_ones_and_the_others_stay_a_set(registry: Registry) -> None:
    mothers = (await villagers(registry, "V", 7, 1))[0::3]
    await feed(registry, [born("first", mothers[0], **certificate("BC-00001"))])
    before = await registry.count("register_change")
    lines = [
        born("taken", mothers[1], **certificate("BC-00001")),
        born("one", mothers[2], **certificate("BC-00002")),
        born("other", mothers[3], **certificate("BC-00002")),
        *(born(f"plain{n}", mothers[n]) for n in (4, 5, 6)),
    ]
    _, rows = await feed(registry, lines)
    assert {row["feed_id"]: row["code"] for row in rows} == {
        "taken": "registered_identifier", "one": "", "other": "registered_identifier",
        "plain4": "", "plain5": "", "plain6": "",
    }  # fmt: skip
    assert await registry.count("register_change") == before + 2  # the three, and the one that went by itself


async def test_a_line_that_the_database_refuses_does_not_stop_the_others(registry: Registry) -> None:
    numbers = await villagers(registry, "V", 5, 1)
    ends_before = {"valid_from": "2020-06-15", "valid_until": "2020-06-14"}
    lines = [
        born("good", numbers[0]),
        born("backwards", numbers[3], **certificate("BC-00001", **ends_before)),
        born("unwritable", numbers[6], **certificate("BC-00002", issuer="\x00")),
        dead("dead", numbers[10]),
    ]
    result, rows = await feed(registry, lines)
    assert result == {"applied": 2, "refused": 2}
    assert {row["feed_id"]: row["code"] for row in rows} == {
        "good": "", "backwards": "ends_before_start", "unwritable": "invalid_line", "dead": "",
    }  # fmt: skip


async def test_a_feed_brings_births_and_marriages_of_its_own_area_only(registry: Registry) -> None:
    await registry.send(file_of(
        *(person(ref, "1", village_code=VILLAGES[at], national_id=f"00000000{n}", name_km="", name_en=f"Name {n}")
          for n, (ref, at) in enumerate((("F", 3), ("G", 0)))),
        person("G", "2", village_code=VILLAGES[0], national_id="000000005", birth_date="2001-01-01"),
    ))  # fmt: skip
    lines = [born("a", "000000000"), married("b", "000000005", "000000000")]
    for line in lines:  # each by itself: so that it is alone about its households
        answer = await registry.http.post(
            "/registry/v1/life-event-feeds/gdi", json=[line], headers=registry.officer("integration", areas=["01"])
        )
        assert answer.status_code == 202
        await registry.service.run_jobs()
    states = await registry.rows("SELECT state, code FROM feed_line ORDER BY feed_id")
    assert states == [("refused", "unknown_person")] * 2


async def test_a_child_who_dies_in_the_feed_that_brings_her_is_recorded_as_born_and_dead(registry: Registry) -> None:
    numbers = await villagers(registry, "V", 1, 1)
    death = {"kind": "death", "person": {"type": "birth_certificate", "number": "BC-00001"}}
    lines = [
        {**death, "feed_id": "before", "occurred_on": "2020-06-17"},
        born("born", numbers[0], "2020-06-15", **certificate("BC-00001")),
        {**death, "feed_id": "dead", "occurred_on": "2020-06-17"},
    ]
    _, rows = await feed(registry, lines)
    assert [(row["feed_id"], row["code"]) for row in rows] == [("before", "unknown_person"), ("born", ""), ("dead", "")]
    (child,) = await registry.rows("SELECT alive, died_on FROM person WHERE name_en LIKE 'Child%'")
    assert (child.alive, str(child.died_on)) == (False, "2020-06-17")


@pytest.mark.parametrize(
    ("second", "code"),
    [
        ({"name_en": "Chan", **certificate("BC-00002")}, ""),
        ({"name_en": "Bopha", **certificate("BC-00002")}, "already_born"),
        ({"name_en": "Chan", **certificate("BC-00001")}, "already_born"),
        ({"name_en": "Chan"}, "already_born"),
    ],
    ids=["another certificate and name", "the certificate issued again", "the same certificate", "no certificate"],
)
async def test_twins_of_a_feed_are_told_by_their_certificates(
    registry: Registry, second: dict[str, Any], code: str
) -> None:
    numbers = await villagers(registry, "V", 1, 1)
    first = born("first", numbers[0], **{"name_en": "Bopha", **certificate("BC-00001")})
    _, rows = await feed(registry, [first, born("second", numbers[0], **second)])
    assert [row["code"] for row in rows] == ["", code]


# --- what is recorded already --------------------------------------------------------------------------------------


async def people(registry: Registry, numbers: list[str]) -> list[str]:
    """Their ids."""
    rows = await registry.rows("SELECT id FROM person ORDER BY name_en")
    assert len(rows) == len(numbers)
    return [str(row.id) for row in rows]


async def test_a_birth_entered_by_hand_is_not_entered_again_even_if_the_child_has_died(registry: Registry) -> None:
    numbers = await villagers(registry, "V", 2, 1)
    ids = await people(registry, numbers)
    child = {"name_en": "Bopha", "sex": "female"}
    told = (await tell(registry, "birth", "2020-06-10", mother_person_id=ids[0], child=child)).json()
    assert (await tell(registry, "death", "2020-06-10", person_id=told["person_id"])).status_code == 201
    _, rows = await feed(registry, [born("a", numbers[0], "2020-06-10"), born("b", numbers[3], "2020-06-10")])
    assert {row["feed_id"]: row["code"] for row in rows} == {"a": "already_born", "b": ""}
    assert (await registry.rows("SELECT count(*) AS n FROM life_event WHERE kind = 'birth'"))[0].n == 2


async def test_a_birth_is_known_where_the_mother_has_moved_since_without_the_child(registry: Registry) -> None:
    numbers = await villagers(registry, "V", 2, 1)
    ids = await people(registry, numbers)
    child = {"name_en": "Bopha", "sex": "female"}
    await tell(registry, "birth", "2020-06-10", mother_person_id=ids[1], child=child)
    there = str(await registry.household_id("V1"))
    assert (await tell(registry, "move", "2020-06-20", person_id=ids[1], to_household_id=there)).status_code == 201
    _, rows = await feed(registry, [born("a", numbers[1], "2020-06-10")])
    assert rows[0]["code"] == "already_born"
    answer = await tell(registry, "birth", "2020-06-10", mother_person_id=ids[1], child=child, twin=True)
    assert answer.status_code == 201


async def test_a_birth_withdrawn_may_be_told_again(registry: Registry) -> None:
    numbers = await villagers(registry, "V", 1, 1)
    await feed(registry, [born("a", numbers[0])])
    (told,) = await registry.rows("SELECT id FROM life_event")
    headers = registry.officer() | {"If-Match": '"1"'}
    url = f"/registry/v1/life-events/{told.id}/withdraw"
    answer = await registry.http.post(url, json={"cause": "another day"}, headers=headers)
    assert answer.status_code == 200, answer.text
    _, rows = await feed(registry, [born("b", numbers[0])])
    assert rows[0]["code"] == ""


async def test_a_couple_married_by_hand_is_not_married_again_whoever_has_moved_since(registry: Registry) -> None:
    numbers = await villagers(registry, "V", 3, 1)
    ids = await people(registry, numbers)
    # One of the second household joins one of the first, who then goes to live in the third.
    married_on, moved_on = "2020-05-10", "2020-06-01"
    assert (await tell(registry, "marriage", married_on, person_id=ids[4], spouse_person_id=ids[1])).status_code == 201
    there = str(await registry.household_id("V2"))
    assert (await tell(registry, "move", moved_on, person_id=ids[1], to_household_id=there)).status_code == 201
    lines = [
        married("same", numbers[4], numbers[1], married_on),
        married("turned", numbers[1], numbers[4], "2020-06-20"),
    ]
    for line in lines:
        _, rows = await feed(registry, [line])
        assert rows[0]["code"] == "already_married"
    assert (await registry.rows("SELECT count(*) AS n FROM life_event WHERE kind = 'marriage'"))[0].n == 1
