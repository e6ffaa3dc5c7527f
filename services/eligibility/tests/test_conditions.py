"""Conditions: reported singly and in files; late, repeated, contradicting; withdrawn, waived; merged records."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import text

from services.eligibility.conditions import record_files
from services.eligibility.conditions.report import working_days_between
from services.eligibility.tests.builders import born, household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.test_packs import at, granted, mother, pack
from services.eligibility.tests.visits import KINDS, put_kinds, report, send, send_file
from shared.contracts.registry import IdentityMerged, IdentityRestored
from shared.ids import uuid7


async def _ready(office: Office, *states: Any, on: date = date(2023, 9, 25)) -> None:
    await office.service.deliver(*states)
    await put_kinds(office)
    at(office, on)


async def _post(office: Office, path: str, body: Any, *roles: str, status: int, **headers: str) -> Any:
    token = office.service.token(*(roles or ("programme_officer",)), subject="boss") | headers
    answer = await office.service.http.post(f"/eligibility/v1{path}", json=body, headers=token)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"kind": "astrology"}, "kind", "kind_unknown"),
        ({"kind": "school_attendance", "value": 90}, "kind", "role_not_allowed"),
        ({"place_code": "020304"}, "place_code", "outside_area"),
        ({"person_id": str(uuid7())}, "person_id", "person_unknown"),
        ({"occurred_on": "2023-09-26"}, "occurred_on", "in_future"),
        ({"occurred_on": "2021-01-01"}, "occurred_on", "too_late"),
        ({"occurred_on": "1980-01-01"}, "occurred_on", "before_birth"),
        ({"babies": 1}, "babies", "babies_not_expected"),
        ({"kind": "delivery"}, "babies", "babies_missing"),
        ({"value": 3}, "value", "value_not_expected"),
        ({"until": "2023-09-22"}, "until", "until_not_expected"),
        ({"kind": "vaccination"}, "person_id", "age_does_not_fit"),
    ],
)
async def test_a_report_that_cannot_be_is_refused_with_the_field_and_changes_nothing(
    office: Office, change: dict[str, Any], field: str, code: str
) -> None:
    state = mother()
    await _ready(office, state)
    body = report(state.members[0].person_id, "antenatal", date(2023, 9, 20)) | change
    problem = await send(office, body, status=422, areas=("0102",))
    assert problem["code"] == "report_refused"
    assert [(error["field"], error["code"]) for error in problem["errors"]] == [(field, code)]
    async with office.service.database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM condition_event")) == 0


async def test_a_man_has_no_antenatal_visit(office: Office) -> None:
    state = household(member(30, sex="male"))
    await _ready(office, state)
    problem = await send(office, report(state.members[0].person_id, "antenatal", date(2023, 9, 1)), status=422)
    assert problem["reason_code"] == "sex_does_not_fit"


async def test_the_same_report_twice_is_known_and_a_contradicting_one_is_refused(office: Office) -> None:
    state = mother()
    await _ready(office, state)
    body = report(state.members[0].person_id, "delivery", date(2023, 9, 1), babies=1)
    first = await send(office, body)
    again = await send(office, body, status=200)
    assert (first["outcome"], again["outcome"], again["event"]["id"]) == ("recorded", "duplicate", first["event"]["id"])
    problem = await send(office, body | {"babies": 2}, status=422)
    assert problem["reason_code"] == "contradicts_report"


async def test_a_withdrawn_report_makes_place_for_the_right_one(office: Office) -> None:
    state = mother()
    await _ready(office, state)
    body = report(state.members[0].person_id, "delivery", date(2023, 9, 1), babies=1)
    event = (await send(office, body))["event"]
    path, cause = f"/condition-events/{event['id']}:withdraw", {"cause": "miscounted"}
    assert (await _post(office, path, cause, "health_worker", status=403, **{"If-Match": '"1"'}))["code"] == "forbidden"
    await _post(office, path, cause, status=428)
    await _post(office, path, cause, status=412, **{"If-Match": '"7"'})
    await _post(office, path, cause, status=204, **{"If-Match": '"1"'})
    assert (await send(office, body | {"babies": 2}))["outcome"] == "recorded"
    events = await office.get(f"/persons/{state.members[0].person_id}/condition-events")
    assert [(item["state"], item["babies"]) for item in events["items"]] == [("withdrawn", 1), ("accepted", 2)]


async def test_an_event_that_a_closed_cycle_granted_is_never_granted_again_nor_withdrawn(office: Office) -> None:
    state = mother()
    await _ready(office, state)
    await office.publish(pack("KH-CTP-PWYC"))
    event = (await send(office, report(state.members[0].person_id, "antenatal", date(2023, 9, 1))))["event"]
    september = await office.compute(await office.open("KH-CTP-PWYC", "2023-09"))
    october_before = await office.compute(await office.open("KH-CTP-PWYC", "2023-10"))
    assert (september["count"], october_before["count"]) == (1, 1)  # as arrears, while September is open
    await office.close(september)
    assert (await office.compute(october_before["id"]))["count"] == 0
    path = f"/condition-events/{event['id']}:withdraw"
    problem = await _post(office, path, {"cause": "mistake"}, status=409, **{"If-Match": '"1"'})
    assert problem["code"] == "event_settled"


async def test_a_file_answers_every_line_and_sending_it_again_changes_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_files, "CHUNK", 3)
    states = [mother() for _ in range(5)]
    await _ready(office, *states)
    rows = [orjson.dumps(report(state.members[0].person_id, "antenatal", date(2023, 9, 2))) for state in states]
    rows.insert(2, b'{"kind": "antenatal"')
    rows.insert(4, orjson.dumps(report(uuid7(), "antenatal", date(2023, 9, 2))))
    rows.append(rows[0])
    told = await send_file(office, b"\n".join(rows))
    assert told["outcomes"] == {"recorded": 5, "duplicate": 1, "refused": 2}
    headers = office.service.token("health_worker", subject="health_worker-1")
    path = f"/eligibility/v1/condition-files/{told['id']}/lines?outcome=refused"
    lines = (await office.service.http.get(path, headers=headers)).json()["items"]
    assert [(line["line"], line["code"]) for line in lines] == [(3, "json_invalid"), (5, "person_unknown")]
    again = await send_file(office, b"\n".join(rows))
    assert again["outcomes"] == {"duplicate": 6, "refused": 2}
    stranger = office.service.token("health_worker", subject="somebody-else")
    assert (await office.service.http.get(path, headers=stranger)).status_code == 404


async def test_a_csv_file_of_a_spreadsheet_is_read_with_its_header(office: Office) -> None:
    state = household(member(0, birth_date=born(10, date(2023, 9, 1))))
    await _ready(office, state)
    pupil = state.members[0].person_id
    rows = (
        "\ufeffperson_id,kind,occurred_on,value,facility_code,place_code\r\n"
        f"{pupil},school_attendance,2023-08-31,81,SCHOOL-7,010203\r\n"
        f"{pupil},school_attendance,2023-07-31,many,SCHOOL-7,010203\r\n"
        f"{pupil},school_attendance\r\n"
    )
    told = await send_file(office, rows.encode(), media="text/csv", role="school_officer")
    assert told["outcomes"] == {"recorded": 1, "refused": 2}
    events = await office.get(f"/persons/{pupil}/condition-events")
    assert [(item["occurred_on"], item["value"]) for item in events["items"]] == [("2023-08-01", 81)]


@pytest.mark.parametrize(
    ("body", "media", "status", "code"),
    [
        (b"", "text/csv", 422, "condition_file_unreadable"),
        (b"person_id,name\nx,y", "text/csv", 422, "condition_file_unreadable"),
        (b"\xff\xfe{}", "application/x-ndjson", 422, "condition_file_unreadable"),
        (b"x" * 5_000, "application/x-ndjson", 422, "condition_file_unreadable"),
        (b"{}", "application/json", 400, "bad_request"),
    ],
)
async def test_what_is_no_file_of_reports_is_refused_whole(
    office: Office, body: bytes, media: str, status: int, code: str
) -> None:
    headers = office.service.token("health_worker") | {"content-type": media}
    answer = await office.service.http.post("/eligibility/v1/condition-files", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_waiver_or_a_gap_of_the_service_counts_as_attendance_until_it_is_withdrawn(office: Office) -> None:
    on = date(2024, 4, 1)
    here, there = (
        household(
            member(0, birth_date=born(10, on), education_level="primary"), card_valid_until=None, village_code=village
        )
        for village in ("01020304", "05010101")
    )
    await _ready(office, here, there, on=on)
    await office.publish(pack("KH-FP"))
    pupil = here.members[0].person_id
    waiver = {
        "kind": "school_attendance",
        "valid_from": "2024-01-01",
        "valid_until": "2024-06-30",
        "reason_code": "school_closed",
    }
    await _post(office, "/condition-waivers", waiver | {"person_id": str(uuid7())}, status=404)
    await _post(office, "/condition-waivers", waiver | {"person_id": str(pupil)}, "health_worker", status=403)
    made = await _post(office, "/condition-waivers", waiver | {"person_id": str(pupil)}, status=201)
    await _post(office, "/service-gaps", waiver | {"place_code": "0501"}, status=201)
    result = await office.enrol("KH-FP", "2024-04-01")
    assert result["newly_enrolled"] == 2
    cycle_id = await office.open("KH-FP", "2024-04")
    assert (await office.compute(cycle_id))["count"] == 2
    await _post(office, f"/condition-waivers/{made['id']}:withdraw", None, status=204)
    assert (await office.compute(cycle_id))["count"] == 1


async def test_events_of_a_merged_record_count_for_the_survivor_once_and_come_back_with_it(office: Office) -> None:
    """The same visit told under two records of one woman is one visit after the merge."""
    first, second = mother(), mother()
    await _ready(office, first, second)
    await office.publish(pack("KH-CTP-PWYC"))
    kept, retired = first.members[0].person_id, second.members[0].person_id
    for person, day in ((kept, 1), (retired, 1), (retired, 8)):
        await send(office, report(person, "antenatal", date(2023, 9, day)))
    merge = {"kind": "person", "retired_id": retired, "surviving_id": kept, "merge_id": uuid7()}
    cycle_id = await office.open("KH-CTP-PWYC", "2023-09")
    assert (await office.compute(cycle_id))["amount"] == "240000.00"
    await office.service.deliver(IdentityMerged(version=1, **merge))
    merged = await office.compute(cycle_id)
    assert (merged["count"], merged["amount"]) == (1, "160000.00")
    events = await office.get(f"/persons/{kept}/condition-events")
    assert len(events["items"]) == 3
    await office.service.deliver(IdentityRestored(version=2, **merge))
    assert (await office.compute(cycle_id))["amount"] == "240000.00"


async def test_an_employer_reports_only_for_the_enterprise_that_she_is_registered_for(office: Office) -> None:
    factory = uuid7()
    state = household(member(30, employer_id=factory, employer_sector="garment"))
    await _ready(office, state)
    body = report(
        state.members[0].person_id,
        "contract_suspension",
        date(2023, 10, 9),
        until="2023-10-22",
        employer_id=str(factory),
    )
    problem = await send(office, body, role="employer", status=422)
    assert problem["reason_code"] == "not_your_employer"
    account = {"subject": "employer-1", "employer_id": str(factory)}
    answer = await office.service.http.put(
        "/eligibility/v1/employer-accounts", json=account, headers=office.service.token("employer")
    )
    assert answer.status_code == 403
    headers = office.service.token("programme_officer")
    await office.service.http.put("/eligibility/v1/employer-accounts", json=account, headers=headers)
    assert (await send(office, body, role="employer"))["outcome"] == "pending"


def test_notice_counts_working_days_without_week_ends_and_holidays() -> None:
    friday, holiday = date(2023, 9, 22), date(2023, 9, 27)
    assert working_days_between(friday, date(2023, 9, 25), ()) == 0
    assert working_days_between(friday, date(2023, 10, 2), ()) == 5
    assert working_days_between(friday, date(2023, 10, 2), {holiday}) == 4
    assert working_days_between(friday, friday, ()) == 0
    assert working_days_between(friday, date(2023, 1, 1), ()) == 0


async def test_kinds_are_configuration_with_errors_at_their_line(office: Office) -> None:
    headers = office.service.token("programme_officer")
    bad = KINDS.replace(b"reported_by: [health_worker]", b"reported_by: [astrologer]", 1)
    answer = await office.service.http.put("/eligibility/v1/condition-kinds", content=bad, headers=headers)
    assert answer.status_code == 422
    error = answer.json()["errors"][0]
    assert error["field"] == "kinds[0].reported_by[0]"
    line = bad.decode().splitlines().index("    reported_by: [astrologer]") + 1
    assert f"file line {line}, column" in error["message"]
    await put_kinds(office)
    listed = await office.get("/condition-kinds")
    assert [kind["code"] for kind in listed][:2] == ["after_delivery", "antenatal"]


async def test_two_components_of_one_person_in_a_month_are_lines_of_one_entitlement(office: Office) -> None:
    """Payments knows a payment by beneficiary and component: two of them for one month would be one."""
    state = mother()
    await _ready(office, state)
    await office.publish(pack("KH-CTP-PWYC"))
    her: UUID = state.members[0].person_id
    await send(office, report(her, "delivery", date(2023, 9, 3), babies=2))
    for day in (4, 11):
        await send(office, report(her, "postnatal", date(2023, 9, day)))
    await office.service.outbox()
    await office.close(await office.compute(await office.open("KH-CTP-PWYC", "2023-09")))
    (one,) = await granted(office)
    assert [(line.component, line.quantity, line.amount) for line in one.lines] == [
        ("delivery", 2, 800_000),
        ("postnatal", 2, 160_000),
    ]


async def test_a_cycle_sees_the_events_that_were_known_when_its_computation_began_and_no_others(office: Office) -> None:
    """What is told while the ranges are computed belongs to all of them or to none: to the next cycle."""
    state = mother()
    her = state.members[0].person_id
    await office.service.deliver(state)
    await put_kinds(office)
    await office.publish(pack("KH-CTP-PWYC"))
    at(office, date(2023, 8, 20))
    await send(office, report(her, "antenatal", date(2023, 8, 1)))
    at(office, date(2023, 8, 25))
    await send(office, report(her, "antenatal", date(2023, 8, 15)))
    cycle_id = await office.open("KH-CTP-PWYC", "2023-08")
    at(office, date(2023, 8, 21))
    assert Decimal((await office.compute(cycle_id))["amount"]) == 80_000
    at(office, date(2023, 8, 26))
    assert Decimal((await office.compute(cycle_id))["amount"]) == 160_000
