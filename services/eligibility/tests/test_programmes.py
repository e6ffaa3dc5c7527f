"""Programme files: accepted, refused with precise errors, versioned; another country by configuration alone."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from services.eligibility.programmes.compiled import compile_programme
from services.eligibility.programmes.file import ProgrammeFileError, load_document, parse_programme_file
from services.eligibility.programmes.periods import first_day, period_dates
from services.eligibility.tests.builders import COVID, household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.invented import ZUBROWKA
from shared.contracts.eligibility import CycleClosed, EntitlementGranted


def _changed(old: str, new: str, source: bytes = COVID) -> bytes:
    text = source.decode()
    assert old in text
    return text.replace(old, new).encode()


@pytest.mark.parametrize(
    ("old", "new", "field", "code"),
    [
        ("when: household.card_valid", "when: household.cart_valid", "eligibility[1].when", "unknown_fact"),
        (
            "quantity: household.size",
            "quantity: household.size - 1",
            "benefits[0].formula[1].quantity",
            "may_be_negative",
        ),
        ("quantity: household.size", "quantity: household.at_risk", "benefits[0].formula[1].quantity", "type_mismatch"),
        (
            "quantity: household.size",
            "quantity: household.size * 1000",
            "benefits[0].formula[1].quantity",
            "out_of_bounds",
        ),
        ("when: household.card_valid", "when: household.size", "eligibility[1].when", "type_mismatch"),
        ("vulnerable: member.age <= 5", "vulnerable: member.aged <= 5", "predicates.vulnerable", "unknown_fact"),
        ("rural: 80000}", "rural: 80000.5}", "rates.base.periods[0].table", "value_error"),
        ("rural: 80000}", "rural: '80000.5'}", "", "value_error"),
        ("rural: 80000}", "rural: -1}", "rates.base.periods[0].table", "value_error"),
        ("rate: per_member\n", "rate: per_head\n", "", "value_error"),
        ("unit: household", "unit: village", "unit", "literal_error"),
        ("currency: KHR", "currency: riel", "currency", "string_pattern_mismatch"),
        ("arrears: none", "arrears: all", "arrears", "literal_error"),
        ("valid_until: 2023-12-31\nref", "valid_until: 2019-12-31\nref", "", "value_error"),
        ("by: [household.location_class]", "by: [household.colour]", "rates.base", "value_error"),
        ("frequency: monthly", "frequency: monthly\nsurprise: 1", "surprise", "extra_forbidden"),
        ("frequency: monthly", "frequency: monthly\nfrequency: monthly", "", "yaml_invalid"),
        ("funding_line: KH-CTP-COVID", "funding_line: &a KH\nother: *a", "", "yaml_invalid"),
    ],
)
def test_a_faulty_file_is_refused_with_the_path_and_a_code(old: str, new: str, field: str, code: str) -> None:
    with pytest.raises(ProgrammeFileError) as refused:
        compile_programme(parse_programme_file(_changed(old, new)))
    assert (field, code) in [(error.field, error.code) for error in refused.value.errors]


@pytest.mark.parametrize("source", [b"\xff\xfe", b"- 1", b"", b"a: [", b"[" * 5000, b"x" * 300_000])
def test_what_is_no_programme_file_is_refused(source: bytes) -> None:
    with pytest.raises(ProgrammeFileError):
        parse_programme_file(source)


def test_a_file_survives_being_stored() -> None:
    for source in (COVID, ZUBROWKA):
        file = parse_programme_file(source)
        stored = file.model_dump(mode="json")
        again = load_document(stored)
        assert again.model_dump(mode="json") == stored
        for day in (date(2021, 1, 15), date(2021, 2, 15)):
            assert {name: table.on(day) for name, table in again.rates.items()} == {
                name: table.on(day) for name, table in file.rates.items()
            }


def test_window_and_reference_date_follow_the_file_over_the_turn_of_the_year() -> None:
    dates = period_dates(parse_programme_file(COVID), "2020-12")
    assert (dates.reference_date, dates.window_from, dates.window_until) == (
        date(2020, 12, 1),
        date(2020, 12, 25),
        date(2021, 1, 24),
    )
    zubrowka = period_dates(parse_programme_file(ZUBROWKA), "2021-01")
    assert (zubrowka.reference_date, zubrowka.window_until) == (date(2021, 1, 31), date(2021, 2, 28))


@pytest.mark.parametrize("period", ["2020-13", "2020-7", "20-07", "2020-07-01", ""])
def test_a_malformed_period_is_refused(period: str) -> None:
    with pytest.raises(ValueError, match="2020-07"):
        first_day(period)


async def test_the_answer_to_a_faulty_file_names_path_code_and_column_and_stores_nothing(office: Office) -> None:
    problem = await office.post("/programmes", _changed("household.card_valid", "household.cart_valid"), status=422)
    assert problem["code"] == "programme_invalid"
    (error,) = problem["errors"]
    assert (error["field"], error["code"]) == ("eligibility[1].when", "unknown_fact")
    assert "column 11" in error["message"]
    assert (await office.get("/programmes"))["items"] == []


async def test_versions_are_numbered_and_published_once(office: Office) -> None:
    assert [await office.publish(), await office.publish()] == [1, 2]
    problem = await office.post("/programmes/KH-CTP-COVID/versions/2:publish", status=409)
    assert problem["code"] == "version_already_published"
    problem = await office.post("/programmes/KH-CTP-COVID/versions/3:publish", status=404)
    assert problem["code"] == "programme_unknown"
    programme = await office.get("/programmes/KH-CTP-COVID")
    assert [version["version"] for version in programme["versions"]] == [2, 1]
    assert programme["document"]["code"] == "KH-CTP-COVID"
    (listed,) = (await office.get("/programmes"))["items"]
    assert (listed["published_version"], listed["names"]["en"][:13]) == (2, "Cash transfer")


async def test_only_a_national_programme_officer_writes_programmes(office: Office) -> None:
    for headers, code in (
        (office.service.token("payment_officer"), "forbidden"),
        (office.service.token("programme_officer", areas=("01",)), "outside_area"),
    ):
        answer = await office.service.http.post("/eligibility/v1/programmes", content=COVID, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, code)


async def test_a_draft_governs_nothing(office: Office) -> None:
    await office.post("/programmes", COVID, status=201)
    problem = await office.post("/cycles", {"programme_code": "KH-CTP-COVID", "period": "2020-07"}, status=422)
    assert problem["code"] == "no_version_in_force"
    problem = await office.post("/programmes/KH-CTP-COVID:enrol", {"effective_on": "2020-07-01"}, status=422)
    assert problem["code"] == "no_version_in_force"


async def test_fault_19_a_rule_change_never_changes_a_closed_month(office: Office) -> None:
    """A rule change silently changed a past month."""
    await office.service.deliver(household())
    await office.publish()
    await office.enrol()
    july = await office.close(await office.compute(await office.open(period="2020-07")))
    draft = await office.post("/programmes", _changed("rural: 80000}", "rural: 90000}"), status=201)
    problem = await office.post(f"/programmes/KH-CTP-COVID/versions/{draft['version']}:publish", status=409)
    assert (problem["code"], problem["closed_periods"]) == ("version_rewrites_the_past", ["2020-07"])

    since_august = _changed("rural: 80000}", "rural: 90000}").replace(
        b"\nvalid_from: 2020-06-01", b"\nvalid_from: 2020-08-01"
    )
    assert await office.publish(since_august) == 3
    august = await office.compute(await office.open(period="2020-08"))
    assert Decimal(august["amount"]) - Decimal(july["amount"]) == 10_000
    assert (august["programme_version"], july["programme_version"]) == (3, 1)
    assert await office.get(f"/cycles/{july['id']}") == july


async def test_a_month_opened_before_a_correction_is_computed_with_the_corrected_version(office: Office) -> None:
    await office.service.deliver(household())
    await office.publish()
    await office.enrol()
    cycle_id = await office.open()
    first = await office.compute(cycle_id)
    await office.publish(_changed("rural: 80000}", "rural: 90000}"))
    second = await office.compute(cycle_id)
    assert (first["programme_version"], second["programme_version"]) == (1, 2)
    assert Decimal(second["amount"]) - Decimal(first["amount"]) == 10_000


async def test_another_country_is_configuration_alone(office: Office) -> None:
    head = member(40, relationship="head")
    pupils = [member(0, birth_date=date(2015, 1, 31)), member(0, birth_date=date(2010, 5, 5))]
    facts = {"poverty_level": None, "card_valid_from": None, "card_valid_until": None}
    rich = household(head, *pupils, location_class="valley", **facts)
    risky = household(head, *pupils, location_class="mountain", at_risk=True, **facts)
    childless = household(head, location_class="valley", **facts)
    led_by_a_man = household(member(40, relationship="head", sex="male"), *pupils, location_class="valley", **facts)
    await office.service.deliver(rich, risky, childless, led_by_a_man)
    await office.publish(ZUBROWKA)
    await office.enrol("ZU-SCHOOL-MILK", "2021-01-31")
    summary = await office.get("/programmes/ZU-SCHOOL-MILK/summary")
    assert summary["failed_clauses"] == {"has_pupils": 1, "led_by_a_woman": 1}
    await office.service.outbox()

    await office.close(await office.compute(await office.open("ZU-SCHOOL-MILK", "2021-01")))
    *granted, closed = await office.service.outbox()
    assert isinstance(closed, CycleClosed)
    by_household = {
        (event.beneficiary_id, event.component): event.amount
        for event in granted
        if isinstance(event, EntitlementGranted)
    }
    assert by_household == {
        (rich.household_id, "milk"): Decimal("14.00"),
        (risky.household_id, "milk"): Decimal("14.00"),
        (risky.household_id, "heating"): Decimal("51.00"),
    }
    assert [(total.component, total.count, total.amount) for total in closed.totals] == [
        ("heating", 1, Decimal("51.00")),
        ("milk", 2, Decimal("28.00")),
    ]
    february = await office.compute(await office.open("ZU-SCHOOL-MILK", "2021-02"))
    assert Decimal(february["amount"]) == Decimal("51.00") + 2 * Decimal("14.80")


async def test_the_vocabulary_lists_every_fact_with_its_meaning(office: Office) -> None:
    vocabulary = await office.get("/vocabulary")
    names = {fact["name"] for fact in vocabulary["household"] + vocabulary["members"]}
    assert {"household.card_valid", "household.size", "m.age", "m.disability"} <= names
    assert all(fact["names"]["km"] and fact["names"]["en"] for fact in vocabulary["members"])
