"""A sealed case is invisible: through every endpoint, event, log, export, count and table, unless the seal is open."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from sqlalchemy import text

from services.grievance.app import SERVICE
from services.grievance.statistics.quarters import over_at, quarter_of
from services.grievance.statistics.suppress import LEAST, suppress
from services.grievance.tests.building import STORY, VILLAGE, Officer, complaint, run_schedule, start
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

EVERY_OTHER_ROLE = (
    "commune_officer registry_officer programme_officer payment_officer payment_approver finance_officer "
    "grievance_officer auditor integration admin public_client health_worker school_officer employer case_supervisor "
    "panel_member data_protection_officer operations_officer"
)
"""One caller with all roles at once but the one: the most powerful stranger there can be."""
CONFIGURED = {"/grievance/v1/categories": ("gender_based_violence",)}
"""That there is such a category stands in the form in which everybody complains."""


@pytest.fixture
async def grievance(make_service: MakeService) -> TestService:
    return await start(make_service)


def sealed_officer(grievance: TestService, **more: Any) -> Officer:
    return Officer(grievance, role="sealed_case_officer", subject="sealed-1", **more)


async def hand_in(grievance: TestService, **changes: Any) -> dict[str, Any]:
    """A sealed complaint by the web, and the case as the sealed officer sees it."""
    body = complaint(category="gender_based_violence", channel="web", **changes)
    answer = await Officer(grievance, role="public_client", subject="web").post("/cases", body)
    assert answer.status_code == 201, answer.text
    opened: dict[str, Any] = answer.json()
    return opened


def secrets(opened: dict[str, Any], official: str) -> list[str]:
    return [opened["id"], opened["reference"], official, "gender_based_violence", "grandmother Sokha"]


def requests(schema: dict[str, Any], known: dict[str, str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """One request for every operation of the OpenAPI document, path parameters filled with the sealed case's ids."""
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            filled = re.sub(r"\{(\w+)\}", lambda match: known.get(match.group(1), str(uuid4())), path)
            yield method.upper(), filled, operation


async def test_a_sealed_case_is_invisible_through_every_endpoint_there_is(
    grievance: TestService, caplog: pytest.LogCaptureFixture
) -> None:
    official = str(uuid4())
    opened = await hand_in(grievance, subject_type="official", subject_id=official)
    schema = (await grievance.http.get("/grievance/openapi.json")).json()
    known = {"case_id": opened["id"], "code": "00000-00000-00000-00000", "subject": "somebody"}
    stranger = grievance.token(*EVERY_OTHER_ROLE.split(), subject="stranger")
    queries: dict[str, Any] = {
        "/grievance/v1/statistics": {"since": "2020-01-01", "until": "2020-12-31"},
        "/grievance/v1/sealed-statistics": {"quarter": "2020-Q2"},
    }
    seen = 0
    for method, path, operation in requests(schema, known):
        headers = stranger | {"If-Match": '"1"', "Content-Type": "application/json"}
        for body in _bodies(method, opened["id"], official):
            answer = await grievance.http.request(
                method, path, headers=headers, json=body, params=queries.get(path, {"subject_id": official})
            )
            seen += 1
            assert answer.status_code < 500, f"{method} {path}: {answer.text}"
            shown = answer.text.replace(f"/cases/{opened['id']}", "")  # a problem's `instance` is the caller's own path
            hidden = [secret for secret in secrets(opened, official) if secret not in CONFIGURED.get(path, ())]
            for secret in hidden:
                asked = body is not None and secret in str(body)
                assert asked or secret not in shown, f"{method} {path} shows {secret}: {answer.text}"
            if "{case_id}" in str(operation.get("operationId", "")) or "case_id" in path:
                assert answer.status_code in {404, 422}, f"{method} {path} answers {answer.status_code}"
        if opened["id"] in path:
            missing = await grievance.http.request(
                method, path.replace(opened["id"], str(uuid4())), headers=headers, json=_bodies(method, "", "")[0]
            )
            hidden = await grievance.http.request(method, path, headers=headers, json=_bodies(method, "", "")[0])
            assert _plain(missing) == _plain(hidden), f"{method} {path}: sealed is told from missing"
    assert seen > 50, "the OpenAPI document names the operations"
    assert not [record for record in caplog.records if any(s in str(record.msg) for s in secrets(opened, official))]


def _bodies(method: str, case_id: str, official: str) -> list[Any]:
    if method in {"GET", "DELETE"}:
        return [None]
    several = {
        "into": case_id,
        "note": "x",
        "text": "x",
        "outcome": "upheld",
        "institution": "nssf",
        "answer": "handled",
    }
    return [{}, {"into": case_id}, {"note": "x", "outcome": "upheld"}, {"text": "x"}, {"priority": "low"}, several]


def _plain(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, re.sub(r'"instance":"[^"]*"', "", answer.text)


async def test_a_sealed_case_is_handled_from_beginning_to_end_without_an_event_a_message_or_a_log_line(
    grievance: TestService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    opened = await hand_in(grievance, contact={"kind": "phone", "value": "+855 12 999 888"})
    assert (opened["category"], opened["route"], opened["place_code"]) == ("sealed", "sealed", None)
    officer = sealed_officer(grievance)
    case = (await officer.get(f"/cases/{opened['id']}")).json()
    assert case["category"] == "gender_based_violence"
    assert case["description"] == STORY
    await officer.post(f"/cases/{case['id']}/notes", {"text": "She is safe with her sister."})
    case = await officer.act(case, "assign", {})
    case = await officer.act(case, "refer", {"institution": "police", "note": "by her wish"})
    case = await officer.act(case, "return", {"answer": "handled", "note": "done"})
    case = await officer.act(case, "resolve", {"outcome": "upheld", "note": "Protected."})
    case = await officer.act(case, "close")
    case = await officer.act(case, "reopen", {"note": "again"})
    for schedule in SERVICE.schedules:
        await schedule.handler(grievance.context)

    assert await grievance.outbox() == []
    for secret in (opened["id"], opened["reference"], "gender_based_violence"):
        assert not [r for r in caplog.records if secret in str(r.msg)], secret
        assert secret not in generate_latest().decode()
    async with grievance.database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM notification")) == 0
        assert await session.scalar(text("SELECT count(*) FROM audit_entry WHERE object_id = :id"), opened) == 0
        assert await session.scalar(text("SELECT count(*) FROM sealed_audit_entry")) == 0, "it is behind the seal"
        await session.execute(text("SELECT set_config('samaki.seal', 'open', true)"))
        assert await session.scalar(text("SELECT count(*) FROM sealed_audit_entry")) >= 8
        assert await session.scalar(text("SELECT count(*) FROM notification")) == 0, "not even behind the seal"


async def test_every_table_is_searched_without_the_seal_and_holds_nothing_of_a_sealed_case(
    grievance: TestService,
) -> None:
    official = str(uuid4())
    opened = await hand_in(grievance, subject_type="official", subject_id=official)
    officer = sealed_officer(grievance)
    await officer.post(f"/cases/{opened['id']}/notes", {"text": "note"})
    async with grievance.database.session() as session:
        names = (
            await session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"))
        ).all()
        for name in names:
            quoted = '"' + name + '"'
            dump = str((await session.execute(text(f"SELECT * FROM {quoted}"))).all())  # names from the catalogue
            for secret in secrets(opened, official):
                assert secret not in dump, f"{name} shows {secret}"


async def test_it_is_the_database_that_hides_and_the_search_finds_a_case_when_it_does_not(
    grievance: TestService,
) -> None:
    """The other tests here can fail: with row security switched off, the same list shows the case."""
    opened = await hand_in(grievance)
    switch = "ALTER TABLE grievance_case {} ROW LEVEL SECURITY"
    try:
        async with grievance.database.session() as session:
            await session.execute(text(switch.format("DISABLE")))
        assert opened["reference"] in (await Officer(grievance).get("/cases")).text
    finally:
        async with grievance.database.session() as session:
            await session.execute(text(switch.format("ENABLE")))
    assert opened["reference"] not in (await Officer(grievance).get("/cases")).text


async def test_every_table_that_hangs_on_a_case_is_behind_the_seal(grievance: TestService) -> None:
    """Whoever adds a table with a case in it puts it behind the seal; holds and appeals never are of a sealed one."""
    async with grievance.database.session() as session:
        rows = await session.execute(
            text(
                "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS sealed FROM pg_class c"
                " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('case_id', 'attachment_id')"
                " WHERE c.relkind = 'r' AND c.relnamespace = CAST(current_schema() AS regnamespace)"
            )
        )
        found = {row.relname: row.sealed for row in rows}
    assert {name for name, sealed in found.items() if not sealed} == {"hold", "appeal"}
    assert {"case_step", "case_note", "attachment", "attachment_chunk", "notification", "remedy"} <= set(found)


async def test_the_words_of_a_sealed_case_cannot_be_read_with_the_key_of_the_others(grievance: TestService) -> None:
    opened = await hand_in(grievance)
    desk = grievance.context.resources
    async with grievance.database.session() as session:
        await session.execute(text("SELECT set_config('samaki.seal', 'open', true)"))
        words = await session.scalar(
            text("SELECT description_encrypted FROM grievance_case WHERE id = :id"), {"id": opened["id"]}
        )
    context = f"case.description:{opened['id']}"
    assert desk.sealed_cipher.decrypt(words, context) == STORY
    with pytest.raises(ValueError, match="not encrypted with this key"):
        desk.cipher.decrypt(words, context)


async def test_without_a_key_of_its_own_a_sealed_complaint_is_refused_and_never_taken_unsealed(
    make_service: MakeService,
) -> None:
    grievance = await start(make_service, sealed_key=None)
    answer = await Officer(grievance).post("/cases", complaint(category="conduct"))
    assert (answer.status_code, answer.json()["code"]) == (503, "sealing_not_configured")
    assert (await Officer(grievance).get("/cases")).json()["items"] == []


async def test_a_sealed_officer_sees_her_area_only_and_none_of_her_household_and_no_other_case(
    grievance: TestService,
) -> None:
    me = uuid4()
    here = await hand_in(grievance, complainant_person_id=str(me))
    plain = await Officer(grievance).open()
    for officer in (
        sealed_officer(grievance, areas=("21",)),
        sealed_officer(grievance, person_id=me),
        Officer(grievance, role="sealed_case_officer", subject=str(me)),
    ):
        answer = await officer.get(f"/cases/{here['id']}")
        assert (answer.status_code, answer.json()["code"]) == (404, "case_not_found"), "not even that it is there"
        assert (await officer.get("/sealed-cases")).json()["items"] == []
    mine = sealed_officer(grievance, areas=(VILLAGE[:2],))
    assert [case["id"] for case in (await mine.get("/sealed-cases")).json()["items"]] == [here["id"]]
    assert (await mine.get(f"/cases/{plain['id']}")).status_code == 404
    assert (await mine.get("/cases")).status_code == 403


async def test_the_holder_of_the_receipt_follows_her_sealed_case_and_reads_no_words_there(
    grievance: TestService,
) -> None:
    opened = await hand_in(grievance)
    officer = sealed_officer(grievance)
    case = (await officer.get(f"/cases/{opened['id']}")).json()
    case = await officer.act(await officer.act(case, "assign", {}), "resolve", {"outcome": "upheld", "note": "x"})
    shown = (await Officer(grievance, role="public_client").get(f"/receipts/{opened['receipt_code']}")).json()
    assert (shown["state"], shown["notes"]) == ("resolved", [])
    assert "category" not in shown


async def test_a_case_that_turns_out_to_be_about_violence_is_sealed_at_triage(grievance: TestService) -> None:
    officer = Officer(grievance)
    opened = await officer.open(category="registry", contact={"kind": "email", "value": "a@example.org"})
    await officer.post(f"/cases/{opened['id']}/notes", {"text": "He beats her."})
    await grievance.outbox()
    answer = await officer.post(f"/cases/{opened['id']}:triage", {"category": "gender_based_violence"}, version=1)
    assert answer.status_code == 200, answer.text
    assert (await officer.get(f"/cases/{opened['id']}")).status_code == 404
    (told,) = await grievance.outbox()
    assert (told.TYPE, told.cause) == ("samaki.grievance.case.closed.v1", "transferred")  # type: ignore[attr-defined]
    case = (await sealed_officer(grievance).get(f"/cases/{opened['id']}")).json()
    assert (case["sealed"], case["description"], case["assigned_to"]) == (True, STORY, None)
    assert [note["text"] for note in case["notes"]] == ["He beats her."]


async def test_a_hold_and_a_remedy_cannot_name_a_sealed_case(grievance: TestService) -> None:
    opened = await hand_in(grievance)
    hold = {"payment_id": str(uuid4()), "reason": "suspected_fraud", "until": "2020-07-10", "case_id": opened["id"]}
    both = Officer(grievance, role="grievance_officer sealed_case_officer", subject="both")
    assert (await both.post("/holds", hold | {"place_code": VILLAGE})).status_code == 404
    case = await both.act((await both.get(f"/cases/{opened['id']}")).json(), "assign", {})
    remedy = {"kind": "reissue_payment", "payment_id": str(uuid4())}
    answer = await both.post(f"/cases/{case['id']}/remedies", remedy, version=case["version"])
    assert (answer.status_code, answer.json()["code"]) == (409, "remedy_not_possible")
    assert await grievance.outbox() == []


async def test_counts_of_sealed_cases_under_five_are_left_out_and_ordinary_counts_know_none(
    grievance: TestService,
) -> None:
    for place, number in ((VILLAGE, 6), ("12010101", 4), ("21010101", 1)):
        for _ in range(number):
            await hand_in(grievance, place_code=place)
    await Officer(grievance).open()
    await run_schedule(grievance, "flag_patterns")
    await run_schedule(grievance, "freeze_sealed_counts")
    auditor = Officer(grievance, role="auditor", subject="auditor")
    early = await auditor.get("/sealed-statistics", quarter="2020-Q3")
    assert (early.status_code, early.json()["errors"][0]["code"]) == (422, "not_counted")
    grievance.clock.advance(timedelta(days=100))
    await asyncio.gather(*(run_schedule(grievance, "freeze_sealed_counts") for _ in range(2)))
    auditor = Officer(grievance, role="auditor", subject="auditor")
    shown = (await auditor.get("/sealed-statistics", quarter="2020-Q3")).json()
    assert shown["cells"] == [{"province_code": "08", "category": "gender_based_violence", "cases": 6}]
    assert shown["total"] == 6, "the total is of what is shown: nothing to subtract"
    plain = (await auditor.get("/statistics", since="2020-07-01", until="2020-10-09")).json()
    assert sum(row["cases"] for row in plain) == 1
    area = Officer(grievance, role="grievance_officer", areas=("08",))
    assert (await area.get("/sealed-statistics", quarter="2020-Q3")).status_code == 403


async def test_a_published_count_never_moves_so_that_two_dates_cannot_be_subtracted(grievance: TestService) -> None:
    """One case moves to another province, one to another category, one is sealed late: the old quarter stays."""
    opened = [await hand_in(grievance) for _ in range(7)]
    plain = await Officer(grievance).open(category="registry")
    grievance.clock.advance(timedelta(days=100))
    await run_schedule(grievance, "freeze_sealed_counts")
    auditor = Officer(grievance, role="auditor", subject="auditor")
    before = (await auditor.get("/sealed-statistics", quarter="2020-Q3")).json()
    assert before["total"] == 7
    sealed = sealed_officer(grievance)
    await sealed.act(opened[0], "triage", {"place_code": "12010101"})
    await sealed.act(opened[1], "triage", {"category": "conduct"})
    late = await Officer(grievance).post(
        f"/cases/{plain['id']}:triage", {"category": "gender_based_violence"}, version=1
    )
    assert late.status_code == 200, late.text
    for _ in range(5):
        await hand_in(grievance)
    await run_schedule(grievance, "freeze_sealed_counts")
    assert (await auditor.get("/sealed-statistics", quarter="2020-Q3")).json() == before
    with pytest.raises(Exception, match="append-only"):
        async with grievance.database.session() as session:
            await session.execute(text("UPDATE sealed_quarter_cell SET cases = cases - 1"))
    grievance.clock.advance(timedelta(days=100))
    await run_schedule(grievance, "freeze_sealed_counts")
    auditor = Officer(grievance, role="auditor", subject="auditor")
    after = (await auditor.get("/sealed-statistics", quarter="2020-Q4")).json()
    assert after["total"] == 6, "a case counts in the quarter in which it was sealed, also when it was opened before"


@given(st.dates(min_value=date(2019, 1, 1), max_value=date(2031, 12, 31)), st.integers(1, 12))
def test_quarters_are_whole_follow_each_other_and_are_over(day: date, many: int) -> None:
    found = over_at(day, many)
    assert len(found) == many
    assert found[-1].after <= day < found[-1].next.after
    for one, other in pairwise(found):
        assert (one.after, one.next, other.previous) == (other.first, other, one)
    assert all(quarter_of(quarter.first) == quarter for quarter in found)


tables = st.dictionaries(
    st.tuples(st.sampled_from(["01", "02", "08", ""]), st.sampled_from(["conduct", "gbv"])), st.integers(0, 12)
)


@given(tables, st.integers(0, LEAST - 1), st.integers(0, LEAST - 1))
def test_no_count_under_five_changes_anything_that_is_published(
    counts: dict[tuple[str, str], int], one: int, other: int
) -> None:
    """Not recoverable by subtraction: two worlds that differ in small counts only publish the very same table."""
    small = {key for key, count in counts.items() if count < LEAST}
    worlds = [counts | dict.fromkeys(small, value) for value in (one, other)]
    published = [suppress(world) for world in worlds]
    assert published[0] == published[1]
    shown = published[0]
    assert all(count >= LEAST for count in (*shown.cells.values(), *shown.rows.values(), *shown.columns.values()))
    assert shown.total == sum(shown.cells.values())
