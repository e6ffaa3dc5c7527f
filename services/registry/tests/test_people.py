"""Persons and their documents, consent, employers and their workers, changed place codes, remedies."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from services.registry.consents.errors import ConsentMissing
from services.registry.consents.require_consent import missing_consent, require_consent
from services.registry.tests.building import VILLAGES, Registry, file_of, person
from services.registry.tests.changing import codes, member, patch, registered, view
from shared.contracts.grievance import RemedyRequested
from shared.contracts.registry import HouseholdChanged, HouseholdRegistered, RemedyAnswered
from shared.contracts.remedies import FactCorrection
from shared.ids import uuid7

API = "/registry/v1"


async def post(registry: Registry, path: str, body: Any, *roles: str, **claims: Any) -> httpx.Response:
    headers = registry.service.token(*(roles or ("commune_officer",)), **claims)
    return await registry.http.post(f"{API}{path}", json=body, headers=headers)


# --- persons -------------------------------------------------------------------------------------------------------


async def test_a_person_shows_the_end_of_her_numbers_and_the_whole_for_a_reason_that_is_kept(
    registry: Registry,
) -> None:
    household = await registered(registry, members=[member(national_id="123456789", phone="012345678")])
    card = {"type": "disability_card", "number": "DC-4455", "issuer": "ministry", "valid_until": "2022-01-01"}
    head = household["head_person_id"]
    assert (await patch(registry, household, members=[{"person_id": head, "identifiers": [card]}])).is_success
    url = f"{API}/persons/{head}"
    seen = (await registry.http.get(url, headers=registry.officer())).json()
    assert {item["type"]: item["number"] for item in seen["identifiers"]} == {
        "national_id": "•••••••89",
        "disability_card": "•••••55",
    }
    assert (seen["phone"], seen["memberships"][0]["reference"]) == ("012345678", household["reference"])
    bare = await registry.http.get(f"{url}?numbers=true", headers=registry.officer())
    assert bare.json()["code"] == "reason_needed"
    whole = await registry.http.get(f"{url}?numbers=true&reason=bank form", headers=registry.officer())
    assert "123456789" in whole.text
    rows = await registry.rows("SELECT detail FROM audit_entry WHERE action = 'person.reveal_numbers'")
    assert [row.detail["reason"] for row in rows] == ["bank form"]
    assert (await registry.http.get(url, headers=registry.officer(areas=["12"]))).status_code == 403
    assert (await registry.http.get(url, headers=registry.officer("auditor"))).status_code == 403


async def test_a_number_is_unique_per_type_and_its_history_stays(registry: Registry) -> None:
    first = await registered(registry)
    second = await registered(registry, household_ref="H2", card_number="CARD-2")
    number = {"type": "social_security", "number": "SS-100"}
    for household, expected in ((first, 200), (second, 409)):
        body = {"members": [{"person_id": household["head_person_id"], "identifiers": [number]}]}
        answer = await patch(registry, household, **body)
        assert answer.status_code == expected
    assert codes(answer) == {("members[0].identifiers[0].number", "registered_identifier")}
    other_type = {"type": "birth_certificate", "number": "SS-100"}
    body = {"members": [{"person_id": second["head_person_id"], "identifiers": [other_type]}]}
    assert (await patch(registry, second, **body)).status_code == 200


async def test_a_document_that_ends_before_it_begins_or_cannot_be_kept_is_refused_by_name(registry: Registry) -> None:
    household = await registered(registry)
    before = await registry.everything()
    document = {"type": "birth_certificate", "number": "BC-0001", "valid_from": "2020-06-15"}
    for wrong, field, code in (
        ({"valid_until": "2020-06-14"}, "valid_until", "ends_before_start"),
        ({"issuer": "comm\0une"}, "issuer", "text_not_storable"),
    ):
        given = [{**document, **wrong}]
        body = {"members": [{"person_id": household["head_person_id"], "identifiers": given}]}
        answer = await patch(registry, household, **body)
        assert (answer.status_code, codes(answer)) == (422, {(f"members[0].identifiers[0].{field}", code)})
    assert await registry.everything() == before
    given = {"person_id": household["head_person_id"], "identifiers": [document | {"valid_until": "2020-06-15"}]}
    assert (await patch(registry, household, members=[given])).is_success, "valid for a day"


# --- consent -------------------------------------------------------------------------------------------------------


async def test_consent_is_given_for_a_purpose_and_withdrawn_and_refused_without(registry: Registry) -> None:
    household = await registered(registry)
    head = household["head_person_id"]
    given = {"purpose": "partner_sharing", "scope": "contact", "means": "thumbprint"}

    async def missing(purpose: str, scope: str) -> int:
        async with registry.service.database.session() as session:
            return len(await missing_consent(session, purpose, scope, [head]))

    assert await missing("social_protection", "all") == 0  # the law is its basis
    assert await missing("partner_sharing", "contact") == 1
    answer = await post(registry, f"/persons/{head}/consents", given)
    assert answer.status_code == 201, answer.text
    assert answer.json()["recorded_by"] == "officer-1"
    assert (await missing("partner_sharing", "contact"), await missing("partner_sharing", "health")) == (0, 1)
    assert (await post(registry, f"/persons/{head}/consents", given)).json()["code"] == "consent_given"
    path = f"/persons/{head}/consents/{answer.json()['id']}/withdraw"
    withdrawn = (await post(registry, path, None)).json()
    assert (withdrawn["withdrawn_by"], withdrawn["withdrawn_on"]) == ("officer-1", "2020-07-01")
    assert (await post(registry, path, None)).json()["code"] == "consent_withdrawn"
    assert await missing("partner_sharing", "contact") == 1
    async with registry.service.database.session() as session:
        with pytest.raises(ConsentMissing):
            await require_consent(session, "partner_sharing", "contact", [head])
    everything = {**given, "scope": "all"}
    assert (await post(registry, f"/persons/{head}/consents", everything)).status_code == 201
    assert await missing("partner_sharing", "health") == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"purpose": "marketing", "scope": "all", "means": "signed"}, "unknown_purpose"),
        ({"purpose": "research", "scope": "names", "means": "signed"}, "unknown_purpose"),
        ({"purpose": "research", "scope": "all", "means": "signed", "given_on": "2999-01-01"}, "invalid"),
    ],
)
async def test_a_consent_that_cannot_be_is_refused(registry: Registry, body: dict[str, str], code: str) -> None:
    head = (await registered(registry))["head_person_id"]
    answer = await post(registry, f"/persons/{head}/consents", body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await post(registry, f"/persons/{head}/consents", body, areas=("12",))).status_code == 403
    assert await registry.count("consent") == 0


# --- employers -----------------------------------------------------------------------------------------------------

FACTORY = {"name": "Golden Needle", "registration_number": "REG-1", "sector": "garment", "place_code": VILLAGES[3],
           "account_subject": "factory"}  # fmt: skip


async def factory(registry: Registry) -> str:
    answer = await post(registry, "/employers", FACTORY, "registry_officer")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_an_employer_reports_workers_known_ones_are_linked_and_new_ones_entered_alone(registry: Registry) -> None:
    household = await registered(registry, members=[member(), member("2", national_id="111111111")])
    employer = await factory(registry)
    await registry.service.outbox()
    facts = {"name_en": "Keo Mom", "sex": "female", "birth_date": "1999"}
    workers = [
        {"national_id": "111111111", "consent_means": "signed"},
        {"national_id": "222222222", "village_code": VILLAGES[3], "facts": facts, "consent_means": "electronic"},
    ]
    body = {"insured_from": "2020-06-01", "workers": workers}
    answer = await post(registry, f"/employers/{employer}/workers", body, "employer", subject="factory", areas=())
    assert answer.status_code == 200, answer.text
    assert {name: answer.json()[name] for name in ("linked", "entered", "unchanged")} == {
        "linked": 1, "entered": 1, "unchanged": 0,
    }  # fmt: skip
    events = await registry.service.outbox()
    (alone,) = [event for event in events if isinstance(event, HouseholdRegistered)]
    assert (alone.kind, alone.members[0].employer_sector, alone.members[0].insured) == ("individual", "garment", True)
    (linked,) = [event for event in events if isinstance(event, HouseholdChanged)]
    assert str(linked.household_id) == household["id"]
    assert [(item.insured, str(item.employer_id)) for item in linked.members if item.employer_id] == [(True, employer)]
    again = await post(registry, f"/employers/{employer}/workers", body, "employer", subject="factory")
    assert (again.json()["unchanged"], await registry.count("insured_worker")) == (2, 2)
    assert await registry.service.outbox() == []


async def test_without_consent_or_with_a_wrong_worker_nobody_is_registered(registry: Registry) -> None:
    await registered(registry, members=[member(national_id="111111111")])
    employer = await factory(registry)
    path = f"/employers/{employer}/workers"

    async def report(*workers: dict[str, Any]) -> httpx.Response:
        body = {"insured_from": "2020-06-01", "workers": list(workers)}
        return await post(registry, path, body, "employer", subject="factory")

    known = {"national_id": "111111111"}
    refused = await report(known)
    assert (refused.status_code, refused.json()["code"]) == (403, "consent_missing")
    wrong = await report(known, known, {"national_id": "12"}, {"national_id": "333333333"})
    assert codes(wrong) == {
        ("workers[1].national_id", "duplicate_national_id"),
        ("workers[2].national_id", "invalid_national_id"),
        ("workers[3].village_code", "required"),
        ("workers[3].facts", "required"),
    }
    assert await registry.count("insured_worker") == await registry.count("consent") == 0


async def test_an_employer_sees_and_ends_its_own_workers_only(registry: Registry) -> None:
    household = await registered(registry, members=[member(national_id="111111111")])
    employer = await factory(registry)
    body = {"insured_from": "2020-06-01", "workers": [{"national_id": "111111111", "consent_means": "signed"}]}
    await post(registry, f"/employers/{employer}/workers", body, "employer", subject="factory")
    await registry.service.outbox()
    other = await post(registry, f"/employers/{employer}/workers", body, "employer", subject="another")
    assert other.json()["code"] == "not_your_employer"
    headers = registry.service.token("employer", subject="factory")
    listed = (await registry.http.get(f"{API}/employers/{employer}/workers", headers=headers)).json()["items"]
    assert [item["person_id"] for item in listed] == [household["head_person_id"]]
    end = f"/employers/{employer}/workers/{household['head_person_id']}/end"
    answer = await post(registry, end, {"insured_until": "2020-06-30"}, "employer", subject="factory")
    assert answer.status_code == 204
    (event,) = await registry.service.outbox()
    assert isinstance(event, HouseholdChanged)
    assert (event.members[0].insured, event.members[0].employer_id) == (False, None)
    again = await post(registry, end, {"insured_until": "2020-06-30"}, "employer", subject="factory")
    assert codes(again) == {("person_id", "not_insured")}


async def test_an_employer_is_registered_once_and_its_number_is_sealed(registry: Registry) -> None:
    await factory(registry)
    answer = await post(registry, "/employers", FACTORY, "registry_officer")
    assert (answer.status_code, answer.json()["code"]) == (409, "employer_exists")
    assert "REG-1" not in str(await registry.rows("SELECT e::text FROM employer e"))


# --- place codes ---------------------------------------------------------------------------------------------------


async def codes_change(registry: Registry, **body: Any) -> httpx.Response:
    return await post(registry, "/places/code-changes", {"effective_on": "2020-07-01", **body}, "registry_officer")


def named(code: str) -> dict[str, str]:
    return {"code": code, "name_km": "ភូមិថ្មី", "name_en": "New village"}


async def place(registry: Registry, code: str) -> httpx.Response:
    return await registry.http.get(f"{API}/places/{code}", headers=registry.officer())


async def test_a_renamed_village_resolves_by_its_old_code_and_its_households_follow(registry: Registry) -> None:
    await registry.send(file_of(person("H1"), person("H2")))
    await registry.service.outbox()
    new_code = VILLAGES[0][:6] + "77"
    body = {"kind": "renamed", "old_codes": [VILLAGES[0]], "new_codes": [new_code], "new_places": [named(new_code)]}
    answer = await codes_change(registry, **body)
    assert answer.status_code == 202, answer.text
    jobs = await registry.service.run_jobs()
    assert jobs[-1]["result"] == {"households": 2, "to_be_placed": 0}
    events = await registry.service.outbox()
    assert {event.village_code for event in events if isinstance(event, HouseholdChanged)} == {new_code}
    old = (await place(registry, VILLAGES[0])).json()
    assert (old["closed_on"], old["became"]) == ("2020-07-01", [new_code])
    assert (await place(registry, new_code)).json()["location_class"] == old["location_class"]


async def test_merged_villages_keep_every_household_apart(registry: Registry) -> None:
    await registry.send(file_of(person("H1"), person("H1", village_code=VILLAGES[1], card_number="CARD-X")))
    body = {"kind": "merged", "old_codes": list(VILLAGES[:2]), "new_codes": [VILLAGES[0][:6] + "78"]}
    await codes_change(registry, **body, new_places=[named(body["new_codes"][0])])
    await registry.service.run_jobs()
    rows = await registry.rows("SELECT village_code, household_ref FROM household ORDER BY household_ref")
    assert {row.village_code for row in rows} == set(body["new_codes"])
    assert sorted(row.household_ref for row in rows) == ["01020102.H1", "H1"]


async def test_a_split_village_waits_for_an_officer_and_offers_the_choice(registry: Registry) -> None:
    await registry.send(file_of(person("H1")))
    new_codes = [VILLAGES[0][:6] + "81", VILLAGES[0][:6] + "82"]
    places = [named(code) for code in new_codes]
    await codes_change(registry, kind="split", old_codes=[VILLAGES[0]], new_codes=new_codes, new_places=places)
    jobs = await registry.service.run_jobs()
    assert jobs[-1]["result"] == {"households": 0, "to_be_placed": 1}
    assert (await place(registry, VILLAGES[0])).json()["became"] == new_codes
    household = await view(registry, str(await registry.household_id("H1")))
    assert (await patch(registry, household, village_code=new_codes[1])).status_code == 200
    item = {"purpose": "delist", "village_code": VILLAGES[0], "household_id": household["id"]}
    answer = await post(registry, "/applications", item)
    assert (answer.status_code, answer.json()["became"]) == (409, new_codes)


async def test_a_code_that_the_gazetteer_never_had_resolves_once_somebody_says_what_it_became(
    registry: Registry,
) -> None:
    assert (await place(registry, "01020199")).status_code == 404
    await codes_change(registry, kind="renamed", old_codes=["01020199"], new_codes=[VILLAGES[0]])
    found = (await place(registry, "01020199")).json()
    assert (found["code"], found["resolved_from"]) == (VILLAGES[0], "01020199")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "split", "old_codes": [VILLAGES[0]], "new_codes": [VILLAGES[1]]}, "wrong_shape"),
        ({"kind": "renamed", "old_codes": [VILLAGES[0]], "new_codes": [VILLAGES[0]]}, "wrong_codes"),
        ({"kind": "renamed", "old_codes": [VILLAGES[0]], "new_codes": ["01020188"]}, "unknown_place"),
        ({"kind": "renamed", "old_codes": [VILLAGES[0]], "new_codes": ["99999999"]}, "unknown_parent"),
    ],
)
async def test_codes_that_cannot_change_so_are_refused(registry: Registry, body: dict[str, Any], code: str) -> None:
    answer = await codes_change(registry, **body)
    assert (answer.status_code, code in {item for _, item in codes(answer)}) == (422, True)
    assert await registry.count("place_code_change") == 0


# --- remedies ------------------------------------------------------------------------------------------------------


def request(household: dict[str, Any], *corrections: FactCorrection, kind: str = "correct_registry") -> RemedyRequested:
    return RemedyRequested(
        version=1,
        remedy_id=uuid7(),
        case_id=uuid7(),
        case_reference="GR-1",
        kind=kind,  # type: ignore[arg-type]
        household_id=household["id"],
        corrections=corrections,
        requested_by="grievance-officer",
    )


async def test_a_correction_that_grievance_asks_for_is_made_once_and_answered(registry: Registry) -> None:
    household = await registered(registry)
    head = household["head_person_id"]
    asked = request(
        household,
        FactCorrection(person_id=head, field="birth_date", value="1955-05-05"),
        FactCorrection(person_id=head, field="disability", value="severe"),
    )
    await registry.service.outbox()
    await registry.service.deliver(asked, asked)
    await registry.service.deliver(asked, request(household, kind="redecide"))
    state, answer = await registry.service.outbox()
    assert isinstance(state, HouseholdChanged)
    assert (state.change, state.changed_by, str(state.members[0].birth_date)) == (
        "correction", "grievance-officer", "1955-05-05",
    )  # fmt: skip
    assert isinstance(answer, RemedyAnswered)
    assert (answer.outcome, answer.remedy_id, str(answer.result_id)) == ("done", asked.remedy_id, household["id"])


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("birth_date", "2999-01-01", "birth_date_in_future"),
        ("birth_date", "yesterday", "invalid_value"),
        ("pregnant", "maybe", "invalid_value"),
        ("at_risk", "true", "at_risk_with_card"),
    ],
)
async def test_a_correction_that_cannot_be_is_refused_with_its_code(
    registry: Registry, field: Any, value: str, code: str
) -> None:
    household = await registered(registry)
    await registry.service.outbox()
    fact = FactCorrection(person_id=household["head_person_id"], field=field, value=value)
    await registry.service.deliver(request(household, fact))
    (answer,) = await registry.service.outbox()
    assert isinstance(answer, RemedyAnswered)
    assert (answer.outcome, answer.reason_code) == ("refused", code)
    assert (await view(registry, household["id"]))["version"] == 1


async def test_what_an_officer_must_look_at_waits_for_her_and_is_answered_again(registry: Registry) -> None:
    household = await registered(registry)
    asked = request(household, FactCorrection(field="village_code", value=VILLAGES[1]))
    await registry.service.outbox()
    await registry.service.deliver(asked)
    (waiting,) = await registry.service.outbox()
    assert isinstance(waiting, RemedyAnswered)
    assert (waiting.outcome, waiting.version) == ("waiting", 2)
    headers = registry.officer("registry_officer")
    (item,) = (await registry.http.get(f"{API}/remedies", headers=headers)).json()["items"]
    outside = registry.officer("registry_officer", areas=["12"])
    assert (await registry.http.get(f"{API}/remedies", headers=outside)).json()["items"] == []
    url = f"{API}/remedies/{item['remedy_id']}/decision"
    body = {"outcome": "done", "changes": [{"op": "set_household", "village_code": VILLAGES[1]}]}
    match = {"If-Match": f'"{item["version"]}"'}
    assert (await registry.http.post(url, json=body, headers={**outside, **match})).status_code == 403
    assert (await registry.http.post(url, json={"outcome": "done"}, headers={**headers, **match})).status_code == 422
    done = await registry.http.post(url, json=body, headers={**headers, **match})
    assert done.status_code == 200, done.text
    state, answer = await registry.service.outbox()
    assert isinstance(state, HouseholdChanged)
    assert state.village_code == VILLAGES[1]
    assert isinstance(answer, RemedyAnswered)
    assert (answer.outcome, answer.version) == ("done", 3)
    again = await registry.http.post(url, json=body, headers={**headers, "If-Match": '"3"'})
    assert again.json()["code"] == "remedy_settled"


async def test_identity_numbers_are_nowhere_in_clear_after_all_of_this(registry: Registry) -> None:
    household = await registered(registry, members=[member(national_id="123456789", phone="0987654321")])
    card = {"type": "disability_card", "number": "DC-445566"}
    body = {"members": [{"person_id": household["head_person_id"], "identifiers": [card], "phone": "0987654322"}]}
    assert (await patch(registry, household, **body)).is_success
    tables = await registry.rows("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    async with registry.service.database.session() as session:
        for (table,) in tables:
            told = str((await session.execute(text(f"SELECT t::text FROM {table} t"))).all())
            for secret in ("123456789", "0987654321", "0987654322", "DC-445566"):
                assert secret not in told, table
                assert secret.encode().hex() not in told, table
