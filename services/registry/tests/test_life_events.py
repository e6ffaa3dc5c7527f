"""Life events: told by officers, late and out of order, taken back; the register follows and everybody hears of it."""

from __future__ import annotations

from datetime import date
from typing import Any

import httpx
import pytest

from services.registry.tests.building import VILLAGES, Registry
from services.registry.tests.changing import codes, member, patch, registered, view
from shared.contracts.registry import (
    HouseholdChanged,
    HouseholdDissolved,
    HouseholdRegistered,
    LifeEventRecorded,
    LifeEventWithdrawn,
)

URL = "/registry/v1/life-events"
SPOUSE = {"relationship": "spouse", "sex": "male", "name_en": "Chan Vuthy", "birth_date": "1978-02-03"}


async def tell(registry: Registry, kind: str, on: str = "2020-06-15", **body: Any) -> httpx.Response:
    json = {"kind": kind, "occurred_on": on, **body}
    return await registry.http.post(URL, json=json, headers=registry.officer())


async def told(registry: Registry, kind: str, on: str = "2020-06-15", **body: Any) -> dict[str, Any]:
    answer = await tell(registry, kind, on, **body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def take_back(registry: Registry, event_id: str, version: int = 1) -> httpx.Response:
    headers = {**registry.officer(), "If-Match": f'"{version}"'}
    return await registry.http.post(f"{URL}/{event_id}/withdraw", json={"cause": "another person"}, headers=headers)


async def family(registry: Registry, ref: str = "H1", **values: Any) -> dict[str, Any]:
    members = [member(), member("2", **SPOUSE), member("3", birth_date="2012-05-05")]
    return await registered(registry, household_ref=ref, card_number=f"CARD-{ref}", members=members, **values)


def ids(household: dict[str, Any]) -> list[str]:
    return [str(item["person_id"]) for item in household["members"]]


async def test_a_birth_brings_a_child_ends_the_pregnancy_and_is_published(registry: Registry) -> None:
    household = await family(registry)
    mother = ids(household)[0]
    await told(registry, "pregnancy", "2020-01-10", person_id=mother, expected_delivery_on="2020-06-20")
    await registry.service.outbox()
    recorded = await told(registry, "birth", mother_person_id=mother, child={"name_en": "Bopha", "sex": "female"})
    state, event = await registry.service.outbox()
    assert isinstance(state, HouseholdChanged)
    assert isinstance(event, LifeEventRecorded)
    assert (event.kind, str(event.mother_person_id), event.living_members) == ("birth", mother, 4)
    assert str(event.person_id) == recorded["person_id"] not in ids(household)
    newborn = next(item for item in state.members if item.person_id == event.person_id)
    assert (newborn.birth_date, newborn.relationship) == (date(2020, 6, 15), "child")
    assert not any(item.pregnant for item in state.members)
    assert (state.change, state.effective_on) == ("life_change", date(2020, 6, 15))


async def test_a_household_whose_representative_lives_elsewhere_goes_on_living(registry: Registry) -> None:
    household, elsewhere = await family(registry), await family(registry, "H2")
    answer = await patch(registry, household, representative_person_id=ids(elsewhere)[0])
    assert answer.status_code == 200, answer.text
    born = await tell(registry, "birth", mother_person_id=ids(household)[0], child={"name_en": "Bo", "sex": "male"})
    assert born.status_code == 201, born.text
    after = await view(registry, household["id"])
    assert (len(after["members"]), after["representative_person_id"]) == (4, ids(elsewhere)[0])


async def test_the_same_birth_told_twice_is_refused_and_a_twin_is_not(registry: Registry) -> None:
    mother = ids(await family(registry))[0]
    body = {"mother_person_id": mother, "child": {"name_en": "Bopha", "sex": "female"}}
    await told(registry, "birth", **body)
    assert ("occurred_on", "already_born") in codes(await tell(registry, "birth", **body))
    assert (await tell(registry, "birth", **body, twin=True)).status_code == 201


async def test_when_the_head_dies_the_spouse_follows_and_the_dead_is_no_member(registry: Registry) -> None:
    household = await family(registry)
    head, spouse, child = ids(household)
    await registry.service.outbox()
    await told(registry, "death", person_id=head)
    state, event = await registry.service.outbox()
    assert isinstance(state, HouseholdChanged)
    assert {str(item.person_id) for item in state.members} == {spouse, child}
    assert str(state.head_person_id) == spouse
    assert isinstance(event, LifeEventRecorded)
    assert event.living_members == 2
    again = await tell(registry, "death", person_id=head)
    assert codes(again) == {("person_id", "person_dead")}
    june = await view(registry, household["id"], as_of="2020-06-14")
    assert (len(june["members"]), june["head_person_id"]) == (3, head)


async def test_a_child_becomes_head_only_when_nobody_else_is_left(registry: Registry) -> None:
    household = await registered(registry, members=[member(), member("2", birth_date="2012-05-05")])
    head, child = ids(household)
    await told(registry, "death", person_id=head)
    assert (await view(registry, household["id"]))["head_person_id"] == child


async def test_the_last_death_dissolves_the_household(registry: Registry) -> None:
    household = await registered(registry)
    await registry.service.outbox()
    await told(registry, "death", person_id=ids(household)[0])
    dissolved, event = await registry.service.outbox()
    assert isinstance(dissolved, HouseholdDissolved)
    assert (dissolved.cause, dissolved.effective_on, dissolved.version) == ("deceased", date(2020, 6, 15), 2)
    assert isinstance(event, LifeEventRecorded)
    assert event.living_members == 0


@pytest.mark.parametrize("who", [0, 1], ids=["the head", "another"])
async def test_a_death_withdrawn_leaves_everything_as_it_was(registry: Registry, who: int) -> None:
    household = await family(registry)
    recorded = await told(registry, "death", person_id=ids(household)[who])
    await registry.service.outbox()
    answer = await take_back(registry, recorded["ids"][0])
    assert answer.status_code == 200, answer.text
    after = await view(registry, household["id"])
    assert after["members"] == household["members"]
    assert after["head_person_id"] == household["head_person_id"]
    state, event = await registry.service.outbox()
    assert isinstance(state, HouseholdChanged)
    assert state.change == "correction"
    assert isinstance(event, LifeEventWithdrawn)
    assert (await take_back(registry, recorded["ids"][0], 2)).json()["code"] == "life_event_withdrawn"


async def test_a_death_that_dissolved_the_household_withdrawn_opens_it_again(registry: Registry) -> None:
    household = await registered(registry)
    recorded = await told(registry, "death", person_id=ids(household)[0])
    assert (await take_back(registry, recorded["ids"][0])).status_code == 200
    after = await view(registry, household["id"])
    assert (after["dissolved_on"], after["head_person_id"]) == (None, household["head_person_id"])


async def test_a_move_changes_both_households_and_can_be_taken_back(registry: Registry) -> None:
    here = await family(registry)
    there = await family(registry, "H2")
    child = ids(here)[2]
    await registry.service.outbox()
    recorded = await told(registry, "move", person_id=child, to_household_id=there["id"], relationship="other")
    *states, event = await registry.service.outbox()
    assert {str(state.household_id): len(state.members) for state in states if isinstance(state, HouseholdChanged)} == {
        here["id"]: 2,
        there["id"]: 4,
    }
    assert isinstance(event, LifeEventRecorded)
    assert (str(event.previous_household_id), str(event.household_id)) == (here["id"], there["id"])
    assert (await take_back(registry, recorded["ids"][0])).status_code == 200
    assert ids(await view(registry, here["id"])) == ids(here)
    assert ids(await view(registry, there["id"])) == ids(there)


async def test_a_move_that_arrives_late_takes_its_place_in_the_past(registry: Registry) -> None:
    first, second, third = [await family(registry, ref) for ref in ("H1", "H2", "H3")]
    child = ids(first)[2]
    await told(registry, "move", "2020-05-10", person_id=child, to_household_id=third["id"])
    await told(registry, "move", "2020-03-10", person_id=child, to_household_id=second["id"])

    async def lived(day: str) -> list[str]:
        views = {ref: await view(registry, item["id"], as_of=day) for ref, item in
                 (("H1", first), ("H2", second), ("H3", third))}  # fmt: skip
        return [ref for ref, item in views.items() if child in ids(item)]

    assert [await lived(day) for day in ("2020-03-09", "2020-03-10", "2020-05-09", "2020-05-10", "2020-07-01")] == [
        ["H1"], ["H2"], ["H2"], ["H3"], ["H3"],
    ]  # fmt: skip


async def test_the_last_who_moves_away_dissolves_the_household_she_leaves(registry: Registry) -> None:
    alone = await registered(registry)
    there = await family(registry, "H2")
    await registry.service.outbox()
    await told(registry, "move", person_id=ids(alone)[0], to_household_id=there["id"])
    dissolved = next(item for item in await registry.service.outbox() if isinstance(item, HouseholdDissolved))
    assert (dissolved.cause, str(dissolved.successor_household_id)) == ("split", there["id"])


async def test_a_member_may_found_a_household_and_the_whole_household_may_move(registry: Registry) -> None:
    household = await family(registry)
    spouse = ids(household)[1]
    await registry.service.outbox()
    place = {"village_code": VILLAGES[1], "household_ref": "N1"}
    founded = await told(registry, "move", person_id=spouse, to_new_household=place)
    events = await registry.service.outbox()
    new = next(item for item in events if isinstance(item, HouseholdRegistered))
    assert (new.village_code, str(new.head_person_id), new.version) == (VILLAGES[1], spouse, 1)
    assert founded["household_id"] == str(new.household_id)
    whole = {"village_code": VILLAGES[3], "household_ref": "N2"}
    recorded = await told(registry, "move", person_id=ids(household)[0], household_to_village=whole)
    after = await view(registry, household["id"])
    assert (after["village_code"], after["location_class"]) == (VILLAGES[3], "urban_phnom_penh")
    assert len(recorded["ids"]) == 2


async def test_a_marriage_brings_a_person_into_the_household_of_the_other(registry: Registry) -> None:
    here, there = await family(registry), await registered(registry, household_ref="H2", card_number="CARD-2")
    groom = ids(here)[1]
    await told(registry, "marriage", person_id=groom, spouse_person_id=ids(there)[0])
    after = await view(registry, there["id"])
    assert [(item["person_id"], item["relationship"]) for item in after["members"]][1] == (groom, "spouse")


async def test_a_pregnancy_that_arrives_after_the_birth_does_not_make_her_pregnant_again(registry: Registry) -> None:
    household = await family(registry)
    mother = ids(household)[0]
    await told(registry, "birth", "2020-06-01", mother_person_id=mother, child={"name_en": "Bo", "sex": "male"})
    await told(registry, "pregnancy", "2020-02-01", person_id=mother, expected_delivery_on="2020-06-10")
    assert (await view(registry, household["id"]))["members"][0]["pregnant"] is False
    march = await view(registry, household["id"], as_of="2020-03-01")
    assert march["members"][0]["pregnant"] is True
    assert (await view(registry, household["id"], as_of="2020-06-02"))["members"][0]["pregnant"] is False


async def test_a_pregnancy_and_its_end_can_be_taken_back(registry: Registry) -> None:
    household = await family(registry)
    mother = ids(household)[0]
    await told(registry, "pregnancy", person_id=mother, expected_delivery_on="2020-12-10")
    ended = await told(registry, "pregnancy_ended", "2020-06-20", person_id=mother)
    assert (await take_back(registry, ended["ids"][0])).status_code == 200
    after = (await view(registry, household["id"]))["members"][0]
    assert (after["pregnant"], after["expected_delivery_on"]) == (True, "2020-12-10")


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        ("death", {"on": "2999-01-01", "person": 0}, ("occurred_on", "date_in_future")),
        ("death", {"on": "1970-01-01", "person": 0}, ("occurred_on", "before_birth")),
        ("pregnancy", {"person": 1}, ("facts.pregnant", "pregnant_male")),
        (
            "pregnancy",
            {"person": 0, "expected_delivery_on": "2029-01-01"},
            ("expected_delivery_on", "not_expected_then"),
        ),
        ("pregnancy_ended", {"person": 0}, ("person_id", "not_known_pregnant")),
    ],
)
async def test_what_cannot_have_happened_is_refused_and_changes_nothing(
    registry: Registry, kind: str, body: dict[str, Any], error: tuple[str, str]
) -> None:
    household = await family(registry)
    before = await registry.everything()
    values = {name: value for name, value in body.items() if name not in {"on", "person"}}
    person_id = ids(household)[body["person"]]
    answer = await tell(registry, kind, body.get("on", "2020-06-15"), person_id=person_id, **values)
    assert answer.status_code == 422
    assert [code for _, code in codes(answer)] == [error[1]]
    assert await registry.everything() == before
    assert await registry.count("life_event") == 0


async def test_an_officer_tells_of_her_area_only(registry: Registry) -> None:
    household = await family(registry)
    body = {"kind": "death", "occurred_on": "2020-06-15", "person_id": ids(household)[0]}
    elsewhere = registry.officer(areas=["12"])
    answer = await registry.http.post(URL, json=body, headers=elsewhere)
    assert codes(answer) == {("person_id", "unknown_person")}
    assert (await registry.http.post(URL, json=body, headers=registry.officer("auditor"))).status_code == 403
    await told(registry, "death", person_id=ids(household)[0])
    assert (await registry.http.get(URL, headers=elsewhere)).json()["items"] == []
    assert len((await registry.http.get(URL, headers=registry.officer())).json()["items"]) == 1


# --- civil registration --------------------------------------------------------------------------------------------

FEED = "/registry/v1/life-event-feeds/gdi"


async def feed(registry: Registry, body: bytes | list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    headers = registry.officer("integration", subject="civil")
    if isinstance(body, bytes):
        answer = await registry.http.post(FEED, content=body, headers=headers)
    else:
        answer = await registry.http.post(FEED, json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    jobs = await registry.service.run_jobs()
    lines = await registry.http.get(f"{FEED}/batches/{answer.json()['batch_id']}", headers=headers)
    return jobs[-1]["result"], lines.json()["items"]


def dead(feed_id: str, number: str, on: str = "2020-06-15") -> dict[str, Any]:
    return {"feed_id": feed_id, "kind": "death", "occurred_on": on, "person": {"type": "national_id", "number": number}}


async def test_a_feed_matches_people_by_their_numbers_and_is_applied_once(registry: Registry) -> None:
    household = await registered(registry, members=[member(national_id="123456789"), member("2", **SPOUSE)])
    lines = [dead("a", "123456789"), dead("b", "999999999"), {"feed_id": "c", "kind": "death"}]
    result, rows = await feed(registry, lines)
    assert result == {"applied": 1, "refused": 2}
    assert [(row["feed_id"], row["state"], row["code"]) for row in rows] == [
        ("a", "applied", ""),
        ("b", "refused", "unknown_person"),
        ("c", "refused", "invalid_line"),
    ]
    version = (await view(registry, household["id"]))["version"]
    again, _ = await feed(registry, lines)
    assert again == {"applied": 1, "refused": 2}
    assert (await view(registry, household["id"]))["version"] == version
    assert await registry.count("life_event") == 1


async def test_a_birth_of_the_feed_brings_its_certificate(registry: Registry) -> None:
    household = await registered(registry, members=[member(national_id="123456789")])
    certificate = {"type": "birth_certificate", "number": "BC-2020-77", "issuer": "commune"}
    child = {"name_en": "Bopha", "sex": "female", "identifiers": [certificate]}
    mother = {"type": "national_id", "number": "123456789"}
    body = {"feed_id": "x", "kind": "birth", "occurred_on": "2020-06-01", "mother": mother, "child": child}
    await feed(registry, [body])
    assert len((await view(registry, household["id"]))["members"]) == 2
    _, rows = await feed(registry, [{**body, "feed_id": "y"}])
    assert rows[0]["code"] == "already_born"
    _, rows = await feed(registry, [{**body, "occurred_on": "2020-06-02"}])
    assert rows[0]["code"] == "feed_id_reused"


async def test_a_feed_leaves_no_number_or_name_behind_and_refuses_what_is_no_feed(registry: Registry) -> None:
    await registered(registry, members=[member(national_id="123456789")])
    await feed(registry, b'{"feed_id":"a","kind":"death","occurred_on":"2020-06-15",'
               b'"person":{"type":"national_id","number":"999999999"}}\n\n')  # fmt: skip
    assert (await registry.rows("SELECT count(*) AS n FROM feed_line WHERE content_cipher IS NOT NULL"))[0].n == 0
    headers = registry.officer("integration")
    for body in (b"not json\n", b"", b'{"kind": "death"}'):
        answer = await registry.http.post(FEED, content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_feed")
    assert await registry.count("feed_batch") == 1
