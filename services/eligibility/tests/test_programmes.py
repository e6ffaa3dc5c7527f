"""Programme files: accepted, refused with precise errors, versioned; another country by configuration alone."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import jsonschema
import orjson
import pytest

from services.eligibility.facts.household import Household, Member, view_on
from services.eligibility.programmes.compiled import compile_programme, compile_source
from services.eligibility.programmes.file import ProgrammeFileError, load_document, parse_programme_file, read_source
from services.eligibility.programmes.periods import first_day, period_dates
from services.eligibility.tests.builders import COVID, PACKS, household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.invented import ZUBROWKA
from shared.contracts.eligibility import CycleClosed, EntitlementGranted, ProgrammePublished
from shared.ids import uuid7


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
    line = (
        _changed("household.card_valid", "household.cart_valid")
        .decode()
        .splitlines()
        .index("    when: household.cart_valid")
    )
    assert f"file line {line + 1}, column 11" in error["message"]
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
    owners = ("household", "members", "person", "event", "reference")
    names = {fact["name"] for owner in owners for fact in vocabulary[owner]}
    assert {"household.card_valid", "household.size", "m.age", "m.disability"} <= names
    assert {"person.insured", "event.ordinal", "reference.ymd", "household.shocks"} <= names
    assert all(fact["names"]["km"] and fact["names"]["en"] for owner in owners for fact in vocabulary[owner])
    assert vocabulary["units"]["event"] == ["household", "members", "reference", "person", "event"]
    assert vocabulary["limits"]["characters"] == 2_000


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("unit: household", "unit: event"), "go together"),
        (("frequency: monthly", "frequency: once"), "dates: give them"),
        (("frequency: monthly", "frequency: none"), "frequency none with covers"),
        (("reference_date: first_day_of_period", "reference_date: event_date"), "event_date goes with unit event"),
        (("by: [household.location_class]", "by: [person.disability]"), "unknown where the unit is household"),
        (("arrears: none", "arrears: {months: 40}"), "less than or equal to 36"),
        (("arrears: none", "exclusivity: [{programme: KH-X, effect: skip_payments}]"), "needs `payments`"),
        (("arrears: none", "capacity: {ranking: [{by: household.size}]}"), "a quota or a budget_per_period"),
        (("arrears: none", "capacity: {quota: 5, ranking: [{by: household.village_code}]}"), "an order needs"),
        (("arrears: none", "duration: {months: household.size - 3}"), "can be negative"),
        (("arrears: none", "suspensions: [{id: x, when: household.size, reason: {km: x, en: x}}]"), "must be bool"),
        (("arrears: none", "conditions: {pregnant: {kind: visit}}"), "a fact of the vocabulary"),
        (("arrears: none", "blackouts: [{first: 2020-02-02, last: 2020-02-01, reason: {km: x, en: x}}]"), "before"),
        (("arrears: none", "capacity: {budget_per_period: '0.5', ranking: [{by: household.size}]}"), "finer than"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused_with_what_to_do(change: tuple[str, str], expected: str) -> None:
    with pytest.raises(ProgrammeFileError) as refused:
        compile_source(_changed(*change))
    assert any(expected in error.message for error in refused.value.errors), refused.value.errors
    assert all("file line" in error.message for error in refused.value.errors)


def test_person_and_event_facts_exist_only_where_the_unit_has_them() -> None:
    source = _changed("when: household.card_valid", "when: household.card_valid && person.age > 5")
    with pytest.raises(ProgrammeFileError) as refused:
        compile_source(source)
    (error,) = refused.value.errors
    assert (error.field, error.code) == ("eligibility[1].when", "unknown_name")
    assert "known: household, members, reference" in error.message


def test_a_dated_clause_and_a_dated_line_hold_only_on_their_dates() -> None:
    source = _changed(
        "    when: household.card_valid\n", "    when: household.card_valid\n    valid_until: 2021-12-31\n"
    )
    source = _changed("rate: per_member\n", "rate: per_member\n        valid_from: 2022-01-01\n", source)
    programme = compile_source(source)
    expired = Household(
        uuid7(), 1, "HH", "01020304", "rural", 1, None, date(2020, 12, 31), False, (Member(date(1990, 1, 1), "female"),)
    )
    for day, qualifies, amounts in (
        (date(2021, 12, 1), False, [80_000, 0, 0]),
        (date(2022, 1, 1), True, [80_000, 24_000, 0]),
    ):
        judged = programme.judge(view_on(expired, day), day)
        assert judged.qualifies is qualifies
        assert [line.amount for line in judged.benefits["monthly_transfer"]] == amounts


async def test_the_schema_of_a_programme_file_is_published_and_the_pack_conforms_to_it(office: Office) -> None:
    schema = await office.get("/programme-schema")
    validator = jsonschema.Draft202012Validator(schema)
    for path in (PACKS / "kh").glob("KH-*.yaml"):
        document = orjson.loads(orjson.dumps(read_source(path.read_bytes())[0], option=orjson.OPT_NON_STR_KEYS))
        assert not [error.message for error in validator.iter_errors(document)], path.name
    assert [*validator.iter_errors({"format": "samaki.programme/1", "surprise": 1})]


async def test_publishing_tells_the_words_of_clauses_and_components_in_both_languages(office: Office) -> None:
    await office.publish()
    (event,) = [event for event in await office.service.outbox() if isinstance(event, ProgrammePublished)]
    assert (event.programme_code, event.unit, event.currency) == ("KH-CTP-COVID", "household", "KHR")
    assert [clause.code for clause in event.clauses] == ["poverty_level", "card_valid", "has_members"]
    assert {item.code for item in event.components} >= {"monthly_transfer", "base", "per_member"}
    assert all(item.km and item.en for item in (*event.clauses, *event.components))


async def test_an_unconfirmed_rate_waits_for_a_second_officer_who_saw_the_same_amounts(office: Office) -> None:
    family_package = (PACKS / "kh" / "KH-FP.yaml").read_bytes()
    await office.publish(family_package)
    (told,) = [event for event in await office.service.outbox() if isinstance(event, ProgrammePublished)]
    assert told.unconfirmed == ("disability", "old_age")
    rates = {rate["rate"]: rate for rate in await office.get("/programmes/KH-FP/versions/1/rates")}
    assert [name for name, rate in rates.items() if rate["open"]] == ["disability", "old_age"]
    assert rates["old_age"]["periods"][0]["table"] == "20000"

    async def confirm(rate: str, subject: str, *, status: int, fingerprint: str | None = None) -> Any:
        body = {"fingerprint": fingerprint or rates[rate]["fingerprint"], "source": "Sub-decree of 2024"}
        headers = office.service.token("programme_officer", subject=subject)
        path = f"/eligibility/v1/programmes/KH-FP/versions/1/rates/{rate}:confirm"
        answer = await office.service.http.post(path, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else {}

    assert (await confirm("old_age", "officer-1", status=403))["code"] == "confirmed_by_author"
    assert (await confirm("old_age", "officer-2", status=409, fingerprint="0" * 64))["code"] == "rate_differs"
    await confirm("old_age", "officer-2", status=204)
    assert (await confirm("old_age", "officer-2", status=409))["code"] == "rate_not_open"
    assert (await confirm("hiv", "officer-2", status=409))["code"] == "rate_not_open"
    (again,) = [event for event in await office.service.outbox() if isinstance(event, ProgrammePublished)]
    assert (again.unconfirmed, again.version) == (("disability",), 2)

    await office.publish(family_package)  # the same amounts need no new confirmation, other ones do
    rates = {rate["rate"]: rate for rate in await office.get("/programmes/KH-FP/versions/2/rates")}
    assert [name for name, rate in rates.items() if rate["open"]] == ["disability"]
    head, tail = family_package.rsplit(b"table: 20000", 1)
    await office.publish(head + b"table: 21000" + tail)
    rates = {rate["rate"]: rate for rate in await office.get("/programmes/KH-FP/versions/3/rates")}
    assert [name for name, rate in rates.items() if rate["open"]] == ["disability", "old_age"]
