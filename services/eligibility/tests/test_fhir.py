"""FHIR R4 bundles: what is read, what is ignored, what is refused and where. The parser is pure; one test goes in."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.eligibility.conditions.fhir import MAX_ENTRIES, Entry, FhirError, Place, read_bundle
from services.eligibility.conditions.write_kinds import read_kinds_file
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.test_packs import at, mother
from services.eligibility.tests.visits import KINDS, put_kinds
from shared.ids import uuid7

SYSTEM = "urn:samaki:condition-kind"
BY_CODE = {kind.code: kind for kind in read_kinds_file(KINDS).kinds}
HER = UUID("01890000-0000-7000-8000-000000000001")


def coded(code: str) -> dict[str, Any]:
    """A CodeableConcept."""
    return {"coding": [{"system": SYSTEM, "code": code}]}


def visit(**change: Any) -> dict[str, Any]:
    """An antenatal encounter."""
    resource = {
        "resourceType": "Encounter",
        "status": "finished",
        "type": [coded("antenatal")],
        "subject": {"reference": f"Patient/{HER}"},
        "period": {"start": "2023-08-01T09:00:00+07:00"},
    }
    return resource | change


def birth(**change: Any) -> dict[str, Any]:
    """A delivery."""
    resource = {
        "resourceType": "Procedure",
        "status": "completed",
        "code": coded("delivery"),
        "subject": {"reference": f"urn:uuid:{HER}"},
        "performedDateTime": "2023-08-01",
    }
    return resource | change


def babies(count: int) -> dict[str, Any]:
    """The observation that counts the babies born."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": coded("babies_born"),
        "subject": {"identifier": {"system": "urn:samaki:person", "value": str(HER)}},
        "effectiveDateTime": "2023-08-01T03:00:00Z",
        "valueInteger": count,
    }


def bundle(*resources: Any, **change: Any) -> dict[str, Any]:
    """A transaction."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": resource, "request": {"method": "POST", "url": "x"}} for resource in resources],
    } | change


def read(document: Any) -> list[Entry]:
    """Read as in Cambodia: seven hours ahead of UTC."""
    return read_bundle(document, BY_CODE, Place("HC-1", "010203"), ZoneInfo("Asia/Phnom_Penh"))


def test_a_visit_is_read_with_its_person_and_local_day() -> None:
    (entry,) = read(bundle(visit(period={"start": "2023-07-31T18:30:00Z"})))  # 01:30 of 1 August in Phnom Penh
    assert entry.report is not None
    assert (entry.report.kind, entry.report.person_id, entry.report.occurred_on) == ("antenatal", HER, date(2023, 8, 1))


def test_twins_are_counted_by_the_observation_beside_the_delivery() -> None:
    entries = read(bundle(birth(), babies(2)))
    assert entries[0].report is not None
    assert (entries[0].report.babies, entries[1].report, entries[1].refusal) == (2, None, None)
    assert [entry.report.babies for entry in read(bundle(birth())) if entry.report] == [1]


def test_a_vaccination_names_its_patient() -> None:
    shot = {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": coded("vaccination"),
        "patient": {"reference": f"Patient/{HER}"},
        "occurrenceDateTime": "2023-08-02",
    }
    (entry,) = read(bundle(shot))
    assert entry.report is not None
    assert entry.report.occurred_on == date(2023, 8, 2)


def test_what_is_no_condition_here_is_ignored() -> None:
    other = {"resourceType": "Patient", "name": [{"family": "ignored"}]}
    entries = read(bundle(other, visit(type=[coded("checkup")])))
    assert [(entry.report, entry.refusal) for entry in entries] == [(None, None), (None, None)]


@pytest.mark.parametrize(
    ("resource", "field", "code"),
    [
        (visit(status="planned"), "entry[0].resource.status", "not_finished"),
        (visit(subject={"display": "somebody"}), "entry[0].resource.subject", "person_missing"),
        (visit(subject={"reference": "Patient/17"}), "entry[0].resource.subject.reference", "person_id_invalid"),
        (visit(period={"start": "2023-08"}), "entry[0].resource.period.start", "date_invalid"),
        (visit(period={"start": "2023-02-30"}), "entry[0].resource.period.start", "date_invalid"),
        (visit(period=None), "entry[0].resource.period.start", "date_invalid"),
        (visit(modifierExtension=[{}]), "entry[0].resource.modifierExtension", "modifier_unknown"),
    ],
)
def test_a_resource_that_cannot_be_read_is_named_with_its_path(resource: Any, field: str, code: str) -> None:
    bad, good = read(bundle(resource, visit()))
    assert bad.refusal is not None
    assert (bad.refusal.field, bad.refusal.code) == (field, code)
    assert good.report is not None


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ([], "not_a_bundle"),
        ({"resourceType": "Encounter"}, "not_a_bundle"),
        (bundle(visit(), type="searchset"), "bundle_type"),
        (bundle(), "bundle_size"),
        (bundle(*[visit()] * (MAX_ENTRIES + 1)), "bundle_size"),
        (bundle(entry=[{"fullUrl": "x"}]), "resource_missing"),
        (bundle(entry=[{"resource": visit(), "request": {"method": "DELETE"}}]), "method"),
    ],
)
def test_what_is_no_bundle_of_reports_is_refused_whole(document: Any, code: str) -> None:
    with pytest.raises(FhirError) as refused:
        read(document)
    assert refused.value.refusal.code == code


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([SYSTEM, "antenatal", str(HER)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*visit(), "coding", "code"]), inner),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(change=st.dictionaries(st.sampled_from([*visit(), *birth(), "valueInteger"]), JSON, max_size=4))
def test_whatever_stands_in_a_resource_is_answered_and_never_breaks_the_reader(change: dict[str, Any]) -> None:
    for resource in (visit(**change), birth(**change), babies(1) | change):
        (entry,) = read(bundle(resource))
        assert entry.report is None or entry.refusal is None


async def test_a_bundle_is_recorded_entry_by_entry(office: Office) -> None:
    state = mother()
    her = str(state.members[0].person_id)
    await office.service.deliver(state)
    await put_kinds(office)
    at(office, date(2023, 8, 20))
    document = bundle(
        visit(subject={"reference": f"Patient/{her}"}),
        visit(subject={"reference": f"Patient/{uuid7()}"}),
        {"resourceType": "Patient"},
        visit(id="v\0", subject={"reference": f"Patient/{her}"}),
    )
    headers = office.service.token("health_worker") | {"content-type": "application/fhir+json"}
    path = "/eligibility/v1/fhir?facility_code=HC-1&place_code=010203"
    for outcome in ("recorded", "duplicate"):
        answer = await office.service.http.post(path, json=document, headers=headers)
        assert answer.status_code == 200, answer.text
        assert [(item["outcome"], item["code"]) for item in answer.json()] == [
            (outcome, None),
            ("refused", "person_unknown"),
            ("ignored", None),
            ("refused", "text_not_storable"),
        ]
        assert answer.json()[-1]["field"] == "entry[3].resource.id"
    answer = await office.service.http.post(path, content=b"{", headers=headers)
    assert answer.status_code == 400
