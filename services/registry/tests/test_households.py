"""Single households over HTTP: registering, reading by role and area, changing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.registry.tests.building import VILLAGES, Registry, file_of, person
from shared.contracts.registry import HouseholdChanged, HouseholdRegistered

URL = "/registry/v1/households"


def member(ref: str = "1", **values: Any) -> dict[str, Any]:
    head = {"person_ref": ref, "name_km": "សុខ", "name_en": "Sok Dara", "sex": "female", "birth_date": "1980-05-17"}
    return {**head, "relationship": "head" if ref == "1" else "child", **values}


def new(**values: Any) -> dict[str, Any]:
    card = {"card_number": "CARD-1", "card_valid_from": "2020-01-01", "card_valid_until": "2023-01-01"}
    return {
        "village_code": VILLAGES[0],
        "household_ref": "H1",
        "poverty_level": 1,
        **card,
        "members": [member()],
        **values,
    }


async def register(registry: Registry, body: dict[str, Any], **headers: str) -> httpx.Response:
    return await registry.http.post(URL, json=body, headers={**registry.officer(), **headers})


async def change(registry: Registry, identifier: str, body: dict[str, Any], version: int = 1) -> httpx.Response:
    headers = {**registry.officer(), "If-Match": f'"{version}"'}
    return await registry.http.patch(f"{URL}/{identifier}", json=body, headers=headers)


async def test_a_registered_household_is_published_and_can_be_read(registry: Registry) -> None:
    answer = await register(registry, new(members=[member(phone="012345678"), member("2", birth_date="2019")]))
    assert answer.status_code == 201, answer.text
    assert answer.headers["ETag"] == '"1"'
    (event,) = await registry.service.outbox()
    assert isinstance(event, HouseholdRegistered)
    assert (str(event.household_id), event.reference) == (answer.json()["id"], answer.json()["reference"])
    read = (await registry.http.get(answer.headers["Location"], headers=registry.officer())).json()
    assert [(item["person_ref"], item["name_en"], item["phone"]) for item in read["members"]] == [
        ("1", "Sok Dara", "012345678"),
        ("2", "Sok Dara", None),
    ]
    assert await registry.count("import_row") == await registry.count("import_household") == 0


async def test_the_same_request_again_is_the_first_answer_and_another_body_is_refused(registry: Registry) -> None:
    first = await register(registry, new(), **{"Idempotency-Key": "k1"})
    again = await register(registry, new(), **{"Idempotency-Key": "k1"})
    other = await register(registry, new(household_ref="H2"), **{"Idempotency-Key": "k1"})
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert await registry.count("household") == await registry.count("outbox") == 1


async def test_a_number_used_in_the_village_is_a_conflict(registry: Registry) -> None:
    await register(registry, new())
    answer = await register(registry, new(card_number="CARD-2"))
    assert (answer.status_code, answer.json()["code"]) == (409, "household_exists")


async def test_every_wrong_field_is_named_and_nothing_is_kept(registry: Registry) -> None:
    members = [member(relationship="child"), member("2", national_id="1"), member("2", birth_date="2999")]
    answer = await register(registry, new(members=members, card_valid_until="2019-01-01"))
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_household")
    assert {(error["field"], error["code"]) for error in answer.json()["errors"]} == {
        ("card_valid_until", "card_ends_before_start"),
        ("members[0].relationship", "no_head"),
        ("members[1].national_id", "invalid_national_id"),
        ("members[2].birth_date", "birth_date_in_future"),
        ("members[2].person_ref", "duplicate_person_ref"),
    }
    assert (
        await registry.count("import_row") == await registry.count("household") == await registry.count("outbox") == 0
    )


async def test_a_failing_commit_is_never_answered_with_201(registry: Registry) -> None:
    async with registry.service.commits_fail():
        answer = await register(registry, new())
    assert answer.status_code >= 500
    assert await registry.count("household") == await registry.count("outbox") == 0


async def test_an_officer_registers_and_changes_in_her_area_only(registry: Registry) -> None:
    elsewhere = registry.officer(areas=["12"])
    answer = await registry.http.post(URL, json=new(), headers=elsewhere)
    assert (answer.status_code, answer.json()["code"]) == (403, "outside_area")
    identifier = (await register(registry, new())).json()["id"]
    for request in (
        registry.http.get(f"{URL}/{identifier}", headers=elsewhere),
        registry.http.patch(f"{URL}/{identifier}", json={"at_risk": True}, headers={**elsewhere, "If-Match": '"1"'}),
    ):
        assert (await request).status_code == 403


@pytest.mark.parametrize("role", ["auditor", "payment_officer", "programme_officer"])
async def test_roles_that_read_do_not_write(registry: Registry, role: str) -> None:
    assert (await registry.http.post(URL, json=new(), headers=registry.officer(role))).status_code == 403


async def test_nobody_reads_without_a_token_or_with_the_admin_role_alone(registry: Registry) -> None:
    assert (await registry.http.get(URL)).status_code == 401
    assert (await registry.http.get(URL, headers=registry.officer("admin"))).status_code == 403


async def test_lists_are_of_the_area_paged_and_without_names(registry: Registry) -> None:
    refs = [(f"H{n}", VILLAGES[0] if n % 2 else VILLAGES[3]) for n in range(6)]
    await registry.send(file_of(*(person(ref, village_code=village) for ref, village in refs)))
    headers = registry.officer(areas=["0102"])
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await registry.http.get(f"{URL}?limit=2{cursor}", headers=headers)
        assert "Sok" not in page.text
        seen += [item["household_ref"] for item in page.json()["items"]]
        cursor = page.json()["next_cursor"] and f"&cursor={page.json()['next_cursor']}"
    assert sorted(seen) == ["H1", "H3", "H5"]
    everywhere = (await registry.http.get(f"{URL}?place=12", headers=registry.officer())).json()
    assert len(everywhere["items"]) == 3
    assert (await registry.http.get(f"{URL}?place=12", headers=headers)).json()["items"] == []
    found = await registry.http.get(
        f"{URL}?reference={everywhere['items'][0]['reference']}", headers=registry.officer()
    )
    assert [item["id"] for item in found.json()["items"]] == [everywhere["items"][0]["id"]]


async def test_names_are_shown_to_those_whose_work_needs_them_and_each_look_is_recorded(registry: Registry) -> None:
    body = new(members=[member(living_with_hiv=True, national_id="123456789")])
    url = f"{URL}/{(await register(registry, body)).json()['id']}"

    async def seen(role: str) -> tuple[str | None, bool | None, bool]:
        answer = (await registry.http.get(url, headers=registry.officer(role, subject=role))).json()
        assert "123456789" not in str(answer)
        return answer["members"][0]["name_en"], answer["members"][0]["living_with_hiv"], answer["names_shown"]

    assert await seen("commune_officer") == ("Sok Dara", True, True)
    assert await seen("grievance_officer") == ("Sok Dara", None, True)
    assert await seen("auditor") == (None, None, False)
    looks = await registry.rows("SELECT actor FROM audit_entry WHERE action = 'household.read_names' ORDER BY id")
    assert [row.actor for row in looks] == ["commune_officer", "grievance_officer"]


async def test_a_change_needs_the_version_that_was_read(registry: Registry) -> None:
    identifier = (await register(registry, new())).json()["id"]
    body = {"members": []}
    missing = await registry.http.patch(f"{URL}/{identifier}", json=body, headers=registry.officer())
    assert missing.status_code == 428
    assert (await change(registry, identifier, body)).status_code == 200
    stale = await change(registry, identifier, body)
    assert (stale.status_code, stale.json()["current_version"]) == (412, 2)


async def test_a_change_is_published_in_full_with_the_next_version(registry: Registry) -> None:
    identifier = (await register(registry, new(members=[member(), member("2")]))).json()["id"]
    await registry.service.outbox()
    read = (await registry.http.get(f"{URL}/{identifier}", headers=registry.officer())).json()
    first, second = (item["person_id"] for item in read["members"])
    poverty = {"level": 2, "card_valid_from": "2020-06-01", "card_valid_until": "2024-06-01"}
    members = [
        {"person_id": first, "relationship": "spouse", "disability": "severe"},
        {"person_id": second, "relationship": "head", "national_id": "123456789", "birth_date": "1979"},
    ]
    answer = await change(registry, identifier, {"poverty": poverty, "members": members})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    (event,) = await registry.service.outbox()
    assert isinstance(event, HouseholdChanged)
    assert (event.version, event.poverty_level, str(event.head_person_id)) == (2, 2, second)
    facts = {str(item.person_id): item for item in event.members}
    assert (facts[first].disability, facts[second].birth_date_precision) == ("severe", "year")


async def test_taking_the_card_away_frees_its_number_and_lets_the_household_be_at_risk(registry: Registry) -> None:
    identifier = (await register(registry, new())).json()["id"]
    refused = await change(registry, identifier, {"at_risk": True})
    assert refused.json()["errors"][0]["code"] == "at_risk_with_card"
    assert (
        await change(registry, identifier, {"poverty": None, "delisting_cause": "delisted_income", "at_risk": True})
    ).status_code == 200
    assert (await register(registry, new(household_ref="H2"))).status_code == 201


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"relationship": "child"}, "no_head"),
        ({"birth_date": "2999"}, "birth_date_in_future"),
        ({"name_km": "", "name_en": ""}, "name_required"),
        ({"sex": "male", "pregnant": True}, "pregnant_male"),
        ({"national_id": "12"}, "invalid_national_id"),
        ({"phone": "12"}, "invalid_phone"),
    ],
)
async def test_a_wrong_change_of_a_member_changes_nothing(registry: Registry, body: dict[str, Any], code: str) -> None:
    identifier = (await register(registry, new())).json()["id"]
    read = (await registry.http.get(f"{URL}/{identifier}", headers=registry.officer())).json()
    before = await registry.everything()
    answer = await change(registry, identifier, {"members": [{"person_id": read["head_person_id"], **body}]})
    assert (answer.status_code, [error["code"] for error in answer.json()["errors"]]) == (422, [code])
    assert await registry.everything() == before


async def test_a_number_of_somebody_else_and_a_person_of_another_household_are_refused(registry: Registry) -> None:
    await register(registry, new(members=[member(national_id="123456789")]))
    other = (await register(registry, new(household_ref="H2", card_number="CARD-2"))).json()["id"]
    heads = [row.head_person_id for row in await registry.rows("SELECT head_person_id FROM household ORDER BY id")]
    taken = await change(registry, other, {"members": [{"person_id": str(heads[1]), "national_id": "123456789"}]})
    assert (taken.status_code, taken.json()["code"]) == (409, "identifier_registered")
    stranger = await change(registry, other, {"members": [{"person_id": str(heads[0]), "name_en": "X"}]})
    assert stranger.json()["errors"][0]["code"] == "not_a_member"


async def test_a_file_sent_again_does_not_undo_an_officers_correction(registry: Registry) -> None:
    body = file_of(person())
    await registry.send(body)
    (row,) = await registry.rows("SELECT id, head_person_id FROM household")
    corrected = {"members": [{"person_id": str(row.head_person_id), "name_en": "Corrected"}]}
    assert (await change(registry, str(row.id), corrected)).status_code == 200
    assert (await registry.send(body))["unchanged"] == 1
    assert (await registry.rows("SELECT name_en FROM person"))[0].name_en == "Corrected"
