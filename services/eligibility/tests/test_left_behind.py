"""Left behind: counted by reason at each month's end, and lists for those who go there. Attacks are in
test_left_behind_figures.py."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.eligibility.left_behind.count_editions import queue_editions
from services.eligibility.left_behind.edition import TOTAL
from services.eligibility.programmes.file import ProgrammeFileError, parse_programme_file
from services.eligibility.tests.builders import COVID, PACKS, household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.test_enrolment_life import CODE, act, enrolments
from services.eligibility.tests.test_newcomers import newcomers
from shared.contracts.payments import PaymentExcluded, PaymentSettled
from shared.contracts.registry import HouseholdRegistered
from shared.ids import uuid7

EXPIRED = {"card_valid_until": household().effective_on}
REFUSED = "clause.poverty_level"
BLOCKED = f"/programmes/{CODE}/left-behind/blocked"


async def count(office: Office, day: date = date(2020, 8, 1)) -> None:
    """The day begins, and months that are over are counted."""
    office.service.clock.advance(day - office.service.clock.now().date())
    await queue_editions(office.service.context)
    await office.service.run_jobs()


def _cells(table: Any) -> dict[tuple[str, str], int | None]:
    return {(cell["reason"], cell["category"]): cell["count"] for cell in table["cells"]}


async def _blocked(office: Office) -> list[HouseholdRegistered]:
    """Without a card: 8 households in 0102, 9 in 0201, each an old woman and a small boy. With an expired one: 2, 6."""
    members = (member(70), member(4, sex="male"))
    states = [
        *(household(*members, poverty_level=None, village_code="01020304") for _ in range(8)),
        *(household(*members, poverty_level=None, village_code="02010101") for _ in range(9)),
        *(household(village_code="01020304", **EXPIRED) for _ in range(2)),
        *(household(village_code="02010101", **EXPIRED) for _ in range(6)),
    ]
    await office.service.deliver(*states)
    await office.publish()
    await office.enrol()
    return states


async def _answers(office: Office, **query: str) -> dict[str, Any]:
    """Every table that can be asked for: all that anybody is told."""
    extra = "".join(f"&{name}={value}" for name, value in query.items())
    return {
        f"{by} {place}": await office.get(f"{BLOCKED}?by={by}&place={place}{extra}")
        for by in ("place", "sex", "age", "disability")
        for place in ("", "01", "02", "0102", "0201")
    }


async def _get_cards(office: Office, states: list[HouseholdRegistered]) -> None:
    """These households get a card, and the platform looks for newcomers."""
    await office.service.deliver(*(state.model_copy(update={"poverty_level": 1, "version": 2}) for state in states))
    await newcomers(office)


async def _refused(office: Office) -> int:
    """How many stand refused at this moment."""
    return int((await office.get(f"/programmes/{CODE}/summary"))["not_qualified"])


async def test_eligible_and_not_enrolled_are_counted_by_reason_and_place(office: Office) -> None:
    ended = [household(village_code="01020304") for _ in range(8)]
    late = [household(village_code="02020304") for _ in range(12)]
    await office.service.deliver(*ended)
    await office.publish()
    await office.enrol()
    for enrolment in (await enrolments(office)).values():
        await act(office, enrolment, "end", cause="not_found", for_good=True)
    await office.service.deliver(*late)
    async with office.service.database.session() as session:
        await session.execute(
            text("INSERT INTO standing SELECT :code, household_id, household_id, 1, uuidv7(), 1, true, '{}', 1, "
                 "'2020-07-01', village_code FROM household_fact WHERE village_code = '02020304'"),
            {"code": CODE},
        )  # fmt: skip
    await count(office)
    cells = _cells(await office.get(f"/programmes/{CODE}/left-behind/not_enrolled"))
    assert cells == {
        ("ended.not_found", "01"): 10,
        ("ended.not_found", TOTAL): 10,
        ("never_enrolled", "02"): 10,
        ("never_enrolled", TOTAL): 10,
        (TOTAL, "01"): 10,
        (TOTAL, "02"): 10,
        (TOTAL, TOTAL): 20,
    }


async def test_those_kept_out_are_counted_by_the_clause_that_blocked_and_small_counts_are_not_listed(
    office: Office,
) -> None:
    await _blocked(office)
    await count(office)
    table = await office.get(BLOCKED)
    assert (table["period"], table["unit"]) == ("2020-07", "beneficiaries")
    cells = _cells(table)
    assert cells[REFUSED, "01"] == cells[REFUSED, "02"] == 10
    expired = {category for reason, category in cells if reason == "clause.card_valid.alone"}
    assert expired == {TOTAL}, "2 are too few, and 6 with the total of 8 would give them away"
    below = await office.get(f"{BLOCKED}?place=01")
    assert {reason for reason, _ in _cells(below)} == {REFUSED, TOTAL}
    assert await office.get(f"{BLOCKED}?place=01", roles=("commune_officer",), areas=("01",)) == below
    await office.get(BLOCKED, roles=("commune_officer",), areas=("01",), status=403)
    for by in ("place", "sex"):
        await office.get(f"{BLOCKED}?by={by}&place=02", roles=("commune_officer",), areas=("01",), status=403)
    await office.get(f"{BLOCKED}?place=010203", status=422)
    headers = office.service.token("auditor")
    answer = await office.service.http.get(f"/eligibility/v1{BLOCKED}/table.csv", headers=headers)
    assert "clause.poverty_level,01,10" in answer.text
    assert "clause.card_valid.alone,01" not in answer.text


async def test_by_sex_age_and_disability_there_is_a_table_of_the_country_of_each_province_and_district(
    office: Office,
) -> None:
    await _blocked(office)
    await count(office)
    for place, people in (("", 15), ("01", 10), ("02", 10), ("0102", 10), ("0201", 10)):
        by_sex = await office.get(f"{BLOCKED}?by=sex&place={place}")
        assert by_sex["unit"] == "people of their households"
        cells = _cells(by_sex)
        assert cells[REFUSED, "male"] == cells[REFUSED, "female"] == people, place
        ages = _cells(await office.get(f"{BLOCKED}?by=age&place={place}"))
        assert ages[REFUSED, "60+"] == ages[REFUSED, "0-5"] == people
        whole = _cells(await office.get(f"{BLOCKED}?by=disability&place={place}"))
        assert whole[REFUSED, "none"] == whole[REFUSED, TOTAL]
        assert (REFUSED, "with_disability") not in whole
    assert _cells(await office.get(f"{BLOCKED}?by=sex&place=01"))[REFUSED, TOTAL] == 15


async def test_a_split_with_a_small_category_is_not_shown_nor_can_the_other_places_be_taken_off(office: Office) -> None:
    """Two disabled people in one district: neither it nor its province nor the country is split."""
    await _blocked(office)
    await office.service.deliver(
        *(household(member(70, disability="severe"), poverty_level=None, village_code="01020304") for _ in range(2))
    )
    await office.enrol()
    await count(office)
    tables = {place: _cells(await office.get(f"{BLOCKED}?by=disability&place={place}")) for place in ("", "01", "02")}
    categories = {place: {name for reason, name in cells if reason == REFUSED} for place, cells in tables.items()}
    assert categories == {"": {TOTAL}, "01": {TOTAL}, "02": {TOTAL}}
    assert _cells(await office.get(f"{BLOCKED}?by=sex&place=01"))[REFUSED, "female"] == 10


async def test_what_is_answered_on_one_day_is_answered_on_the_next_though_households_changed(office: Office) -> None:
    """The attacker asks today; one household changes; she asks tomorrow, and again after the month's end."""
    states = await _blocked(office)
    await count(office)
    today = await _answers(office)
    assert await _refused(office) == 25
    await _get_cards(office, states[:1])
    await count(office, date(2020, 8, 2))
    assert await _refused(office) == 24
    assert await _answers(office) == today
    await count(office, date(2020, 9, 1))
    after = await _answers(office)
    assert {name: (table["period"], table["cells"]) for name, table in after.items()} == {
        name: ("2020-08", table["cells"]) for name, table in today.items()
    }
    await _get_cards(office, states[1:8])
    assert await _refused(office) == 17
    assert await _answers(office) == after
    await count(office, date(2020, 10, 1))
    later = await _answers(office)
    assert (REFUSED, "01") not in _cells(later["place "])
    assert _cells(later["place "])[REFUSED, TOTAL] == 10
    assert await _answers(office, period="2020-07") == today


async def test_exact_counts_of_an_area_at_this_moment_are_for_those_who_see_its_enrolments(office: Office) -> None:
    """Asked for today and tomorrow, they would tell a finance officer of one household."""
    await _blocked(office)
    path = f"/programmes/{CODE}/summary"
    await office.get(path, roles=("finance_officer",), areas=("01",), status=403)
    assert (await office.get(path, roles=("commune_officer",), areas=("01",)))["not_qualified"] == 10
    assert (await office.get(path, roles=("finance_officer",)))["not_qualified"] == 25


async def test_a_month_is_counted_once_when_it_is_over_and_the_database_refuses_to_change_it(office: Office) -> None:
    await _blocked(office)
    problem = await office.get(BLOCKED, status=404)
    assert problem["code"] == "not_counted_yet"
    await count(office, date(2020, 7, 31))
    await office.get(BLOCKED, status=404)
    await count(office)
    await queue_editions(office.service.context)
    jobs = [job for job in await office.service.run_jobs() if job["kind"] == "count_left_behind"]
    assert [job["result"] for job in jobs] == [{"period": "2020-07", "editions": 2}]
    await office.get(f"{BLOCKED}?period=2020-06", status=404)
    for change in ("UPDATE left_behind_cell SET figure = 5", "DELETE FROM left_behind_edition"):
        with pytest.raises(DBAPIError, match="append-only"):
            async with office.service.database.session() as session:
                await session.execute(text(change))
    async with office.service.database.session() as session:
        detail = await session.scalar(text("SELECT detail FROM audit_entry WHERE action = 'left_behind.count'"))
    assert detail == {"period": "2020-07", "editions": 2}


async def test_a_job_that_died_half_way_counts_what_is_missing_and_nothing_twice(office: Office) -> None:
    await _blocked(office)
    await count(office)
    today = await _answers(office)
    async with office.service.database.session() as session:
        await session.execute(text("UPDATE job SET state = 'queued' WHERE kind = 'count_left_behind'"))
    jobs = [job for job in await office.service.run_jobs() if job["kind"] == "count_left_behind"]
    assert [job["result"]["editions"] for job in jobs] == [0]
    assert await _answers(office) == today


async def test_of_persons_each_counts_by_herself_and_her_household_protects_her(office: Office) -> None:
    """Six disabled persons of two households are two households: too few."""
    source = (
        (PACKS / "kh" / "KH-DIS.yaml").read_bytes().replace(b"person.employment != 'full_time'", b"person.age >= 90")
    )
    many = [household(member(30, disability="severe"), village_code="01020304") for _ in range(8)]
    two = [household(*(member(30, disability="severe") for _ in range(3)), village_code="02020304") for _ in range(2)]
    await office.service.deliver(*many)
    await office.publish(source)
    await office.enrol("KH-DIS")
    await count(office)
    path = "/programmes/KH-DIS/left-behind/blocked?by=sex&place=01"
    table = await office.get(path)
    assert table["unit"] == "beneficiaries"
    assert {count for (_, category), count in _cells(table).items() if category == "female"} == {10}
    await office.service.deliver(*two)
    await office.enrol("KH-DIS")
    await count(office, date(2020, 9, 1))
    cells = _cells(await office.get("/programmes/KH-DIS/left-behind/blocked"))
    assert "02" not in {category for _, category in cells}


async def test_granted_and_not_paid_are_counted_by_what_payments_told(office: Office) -> None:
    await office.service.deliver(*(household() for _ in range(16)))
    await office.publish()
    await office.enrol()
    closed = await office.close(await office.compute(await office.open()))
    items = (await office.get(f"/cycles/{closed['id']}/entitlements?limit=100"))["items"]
    common = {"attempt": 1, "rail": "bank", "currency": "KHR", "period": "2020-07", "programme_code": CODE}
    events: list[Any] = []
    for n, item in enumerate(items[:11]):
        values = common | {
            "version": 2, "payment_id": uuid7(), "entitlement_id": item["id"], "cycle_id": closed["id"],
            "beneficiary_id": item["beneficiary_id"], "beneficiary_reference": item["beneficiary_reference"],
            "village_code": item["village_code"], "component": item["component"], "amount": Decimal(item["amount"]),
        }  # fmt: skip
        if n < 6:
            events.append(PaymentExcluded(reason_code="no_account", reason="No account.", **values))
        else:
            events.append(PaymentSettled(settled_on="2020-07-25", **values))
    await office.service.deliver(*events)
    older = events[-1].model_copy(update={"version": 1})
    await office.service.deliver(
        PaymentExcluded(reason_code="hold", reason="Held.", **older.model_dump(exclude={"settled_on"}))
    )
    await office.service.deliver(_refund(older))
    await count(office)
    path = f"/programmes/{CODE}/left-behind/not_paid"
    cells = _cells(await office.get(f"{path}?cycle_id={closed['id']}"))
    assert (cells["excluded.no_account", "01"], cells["no_payment_yet", "01"], cells[TOTAL, TOTAL]) == (5, 5, 10)
    assert (await office.get(path, status=422))["errors"][0]["code"] == "cycle_needed"
    async with office.service.database.session() as session:
        codes = (await session.scalars(text("SELECT DISTINCT programme_code FROM payment_state"))).all()
    assert codes == [CODE], "a refund of contributions is no payment of a benefit"


def _refund(payment: PaymentSettled) -> PaymentSettled:
    own = uuid7()
    return payment.model_copy(update={"payment_id": uuid7(), "cycle_id": own, "programme_code": "REFUND"})


def test_no_programme_is_called_like_refunds() -> None:
    with pytest.raises(ProgrammeFileError, match="1 errors"):
        parse_programme_file(COVID.replace(b"code: KH-CTP-COVID\n", b"code: REFUND\n"))


async def test_outreach_lists_are_for_those_who_go_there_in_their_area_and_each_reading_is_on_record(
    office: Office,
) -> None:
    here, there = household(village_code="01020304"), household(village_code="02020304")
    await office.service.deliver(here, there)
    await office.publish()
    await office.enrol()
    for enrolment in (await enrolments(office)).values():
        await act(office, enrolment, "end", cause="not_found", for_good=True)
    path = f"/programmes/{CODE}/left-behind/not_enrolled/people"
    page = await office.get(path, roles=("commune_officer",), areas=("0102",))
    assert [item["beneficiary_id"] for item in page["items"]] == [str(here.household_id)]
    await office.get(path, roles=("auditor",), status=403)
    async with office.service.database.session() as session:
        detail = await session.scalar(text("SELECT detail FROM audit_entry WHERE action = 'left_behind.list'"))
    assert (detail["kind"], detail["count"]) == ("not_enrolled", 1)
