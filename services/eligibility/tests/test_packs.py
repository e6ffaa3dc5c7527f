"""The Cambodian pack, programme by programme, through the real SQL: what the sources publish must come out."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.eligibility.conditions.write_kinds import read_kinds_file
from services.eligibility.programmes.compiled import compile_source
from services.eligibility.programmes.periods import period_dates
from services.eligibility.tests.builders import COVID, PACKS, born, household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.visits import KINDS, put_kinds, report, send, send_file
from shared.contracts.eligibility import DecisionMade, EntitlementGranted
from shared.contracts.registry import HouseholdRegistered, Shock
from shared.ids import uuid7

PACK = sorted((PACKS / "kh").glob("KH-*.yaml"))


def pack(code: str) -> bytes:
    """The file of a programme."""
    return (PACKS / "kh" / f"{code}.yaml").read_bytes()


def at(office: Office, day: date) -> None:
    """Let it be noon of this day."""
    clock = office.service.clock
    clock.advance(datetime(day.year, day.month, day.day, 5, tzinfo=UTC) - clock.now())


def mother(**facts: Any) -> HouseholdRegistered:
    """A household of a woman of 25, with a card from 2018 on."""
    person = member(25, relationship="head", **facts)
    return household(
        person,
        member(40),
        card_valid_from=date(2018, 1, 1),
        card_valid_until=None,
        effective_on=date(2018, 1, 1),
    )


async def granted(office: Office) -> list[EntitlementGranted]:
    """The entitlements published since the last look."""
    return [event for event in await office.service.outbox() if isinstance(event, EntitlementGranted)]


@pytest.mark.parametrize("path", PACK, ids=lambda path: path.stem)
def test_every_programme_of_the_pack_compiles_and_is_named_as_its_file(path: Path) -> None:
    programme = compile_source(path.read_bytes())
    assert programme.file.code == path.stem
    assert programme.missing_rates(programme.file.valid_from) == []


def test_the_pack_is_whole() -> None:
    assert {path.stem for path in PACK} == {
        "KH-CTP-COVID",
        "KH-CTP-COVID-EXIT",
        "KH-CTP-PWYC",
        "KH-DIS",
        "KH-FLOOD-22",
        "KH-FP",
        "KH-HEF",
        "KH-INFL-22",
        "KH-NSSF-BIRTH",
        "KH-WS-SUSP-20",
        "KH-WS-SUSP-23",
    }
    kinds = {kind.code for kind in read_kinds_file(KINDS).kinds}
    for path in PACK:
        file = compile_source(path.read_bytes()).file
        assert {*file.events, *(test.kind for test in file.conditions.values())} <= kinds


async def test_nssf_births_of_2018_come_to_26_213_600_000_riel_exactly(office: Office) -> None:
    """65,054 women, 470 twin and 5 triplet births at 400,000 riel a baby, reported in one file, computed in SQL."""
    women = [uuid7() for _ in range(65_054)]
    people = iter(women)
    states = []
    for start in range(0, len(women), 50):  # fifty workers a dormitory
        count = min(50, len(women) - start)
        workers = [
            member(25, person_id=next(people), insured=True, employer_id=uuid7(), employer_sector="garment")
            for _ in range(count)
        ]
        states.append(household(*workers, effective_on=date(2018, 1, 1), kind="institution"))
    at(office, date(2019, 1, 10))
    await office.service.deliver(*states)
    await put_kinds(office)
    babies = [2] * 470 + [3] * 5
    rows = [
        report(person, "delivery", date(2018, 1 + i % 12, 1 + i % 28), babies=babies[i] if i < len(babies) else 1)
        for i, person in enumerate(women)
    ]
    told = await send_file(office, b"\n".join(orjson.dumps(row) for row in rows))
    assert told["outcomes"] == {"recorded": 65_054}
    await office.publish(pack("KH-NSSF-BIRTH"))
    cycle = await office.compute(await office.open("KH-NSSF-BIRTH", "2018-12"))
    assert (cycle["count"], Decimal(cycle["amount"])) == (65_054, Decimal("26213600000"))


async def test_pwyc_pays_each_visit_at_the_rate_of_its_own_date_on_both_sides_of_2023_08_01(office: Office) -> None:
    """Visits of July and August, told late and out of order."""
    state = mother()
    her = state.members[0].person_id
    await office.service.deliver(state)
    await put_kinds(office)
    await office.publish(pack("KH-CTP-PWYC"))
    at(office, date(2023, 8, 20))
    for day in (date(2023, 8, 1), date(2023, 7, 31), date(2023, 5, 2), date(2023, 8, 15)):
        await send(office, report(her, "antenatal", day))
    await office.service.outbox()
    await office.close(await office.compute(await office.open("KH-CTP-PWYC", "2023-08")))
    (one,) = await granted(office)
    assert one.amount == 40_000 * 2 + 80_000 * 2
    assert [(line.quantity, line.rate, line.kind, line.for_period) for line in one.lines] == [
        (2, Decimal("80000.00"), "benefit", None),
        (1, Decimal("40000.00"), "arrears", "2023-05"),
        (1, Decimal("40000.00"), "arrears", "2023-07"),
    ]


async def test_pwyc_pays_twins_per_baby_since_august_2023_and_per_delivery_before(office: Office) -> None:
    before, after = mother(), mother()
    await office.service.deliver(before, after)
    await put_kinds(office)
    await office.publish(pack("KH-CTP-PWYC"))
    at(office, date(2023, 8, 20))
    await send(office, report(before.members[0].person_id, "delivery", date(2023, 7, 31), babies=2))
    await send(office, report(after.members[0].person_id, "delivery", date(2023, 8, 1), babies=2))
    await office.service.outbox()
    await office.close(await office.compute(await office.open("KH-CTP-PWYC", "2023-08")))
    amounts = {event.beneficiary_id: event.amount for event in await granted(office)}
    assert amounts == {before.members[0].person_id: Decimal(200_000), after.members[0].person_id: Decimal(800_000)}


async def test_pwyc_pays_a_visit_once_keeps_the_cap_when_late_ones_come_and_knows_three_routes(office: Office) -> None:
    """A fifth visit with an earlier date, told when four are paid, is not paid; nor does anything paid move."""
    facts = {"poverty_level": None, "card_valid_from": None, "card_valid_until": None}
    insured = household(member(25, insured=True), effective_on=date(2019, 1, 1), **facts)
    neither = household(member(25), effective_on=date(2019, 1, 1), **facts)
    await office.service.deliver(insured, neither)
    await put_kinds(office)
    await office.publish(pack("KH-CTP-PWYC"))
    at(office, date(2023, 9, 25))
    her = insured.members[0].person_id
    for day in (1, 8, 15, 22):
        await send(office, report(her, "antenatal", date(2023, 9, day)))
    await send(office, report(neither.members[0].person_id, "antenatal", date(2023, 9, 1)))
    await office.service.outbox()
    september = await office.close(await office.compute(await office.open("KH-CTP-PWYC", "2023-09")))
    told = [event for event in await office.service.outbox() if isinstance(event, DecisionMade)]
    assert {(event.beneficiary_id, event.eligible, event.failed_clauses) for event in told} == {
        (her, True, ()),
        (neither.members[0].person_id, False, ("one_of_three_routes",)),
    }
    assert (september["count"], Decimal(september["amount"])) == (1, Decimal(320_000))

    at(office, date(2023, 10, 5))
    late = await send(office, report(her, "antenatal", date(2023, 8, 20)))
    october = await office.compute(await office.open("KH-CTP-PWYC", "2023-10"))
    assert (october["count"], Decimal(october["amount"])) == (0, Decimal(0))
    decisions = await office.get(f"/beneficiaries/{her}/decisions")
    last = [item for item in decisions["items"] if item["cycle_id"] == october["id"]]
    shown = await office.get(f"/decisions/{last[0]['id']}")
    failed = [clause for clause in shown["clauses"] if not clause["holds"]]
    assert [clause["id"] for clause in failed] == ["within_the_number_of_visits"]
    assert failed[0]["facts"]["event.ordinal"] == 5
    assert late["event"]["occurred_on"] == "2023-08-20"


def test_the_exit_phase_is_the_programme_with_one_component_switched_off() -> None:
    switched_off = COVID.replace(
        b"        quantity: household.size\n        rate: per_member\n",
        b"        quantity: household.size\n        rate: per_member\n        enabled: false\n",
    )
    assert switched_off != COVID
    phase, whole = compile_source(pack("KH-CTP-COVID-EXIT")), compile_source(switched_off)
    assert [line.component for line in phase.benefits[0].lines] == ["base", "per_vulnerable_member"]
    assert phase.benefits == whole.benefits
    day, before = date(2024, 1, 1), date(2023, 12, 1)
    for rate in ("base", "per_vulnerable_member"):
        assert phase.file.rates[rate].on(day) == whole.file.rates[rate].on(before)


async def test_the_exit_phase_pays_592_000_less_the_part_per_member(office: Office) -> None:
    people = [member(0, birth_date=born(age, date(2024, 1, 1))) for age in (70, 65, 3, 2, 30, 35)]
    await office.service.deliver(
        household(*people, location_class="urban_phnom_penh", card_valid_until=None, village_code="12010101")
    )
    await office.publish(pack("KH-CTP-COVID-EXIT"))
    await office.enrol("KH-CTP-COVID-EXIT", "2024-01-01")
    cycle = await office.compute(await office.open("KH-CTP-COVID-EXIT", "2024-01"))
    assert Decimal(cycle["amount"]) == 592_000 - 6 * 52_000


async def test_inflation_payment_1_leaves_out_flood_households_and_payments_2_and_3_take_them(office: Office) -> None:
    facts = {"poverty_level": None, "card_valid_from": None, "card_valid_until": None, "at_risk": True}
    flood = Shock(code="flood_2022", occurred_on=date(2022, 10, 5))
    flooded, dry = household(shocks=(flood,), **facts), household(**facts)
    await office.service.deliver(flooded, dry)
    await office.publish(pack("KH-FLOOD-22"))
    await office.publish(pack("KH-INFL-22"))
    assert (await office.enrol("KH-FLOOD-22", "2022-12-01"))["newly_enrolled"] == 1
    await office.enrol("KH-INFL-22", "2022-12-10")
    each = 81_300 + 2 * 20_000
    for period, count in (("2022-12", 1), ("2023-04", 2), ("2023-07", 2)):
        cycle = await office.compute(await office.open("KH-INFL-22", period))
        assert (cycle["count"], Decimal(cycle["amount"])) == (count, Decimal(each * count)), period
    december = await office.compute(await office.open("KH-FLOOD-22", "2022-12"))
    assert Decimal(december["amount"]) == 80_000 + 2 * 16_000


def test_one_off_dates_quarters_and_blackouts_follow_the_file() -> None:
    file = compile_source(pack("KH-INFL-22")).file
    dates = period_dates(file, "2023-04")
    assert (dates.payment_number, dates.reference_date) == (2, date(2023, 4, 10))
    with pytest.raises(ValueError, match="no payment in this month"):
        period_dates(file, "2023-05")
    quarterly = COVID.replace(b"frequency: monthly", b"frequency: quarterly").replace(
        b"arrears: none",
        b"blackouts:\n  - {first: 2020-10-20, last: 2020-10-26, reason: {km: x, en: Festival}}\narrears: none",
    )
    autumn = period_dates(compile_source(quarterly).file, "2020-10")
    assert (autumn.first_day, autumn.last_day, autumn.payment_number) == (date(2020, 10, 1), date(2020, 12, 31), 3)
    assert autumn.window_from == date(2020, 10, 27)
    with pytest.raises(ValueError, match="first month"):
        period_dates(compile_source(quarterly).file, "2020-11")


async def test_disability_allowance_goes_to_the_person_with_the_assessment_and_no_full_time_job(office: Office) -> None:
    entitled = member(30, disability="severe")
    working = member(30, disability="medium", employment="full_time")
    over = member(30, disability="mild", disability_card_valid_until=date(2020, 6, 30))
    await office.service.deliver(household(entitled, working, over, member(30)))
    await office.publish(pack("KH-DIS"))
    await office.enrol("KH-DIS", "2020-07-01")
    await office.service.outbox()
    await office.close(await office.compute(await office.open("KH-DIS", "2020-07")))
    (one,) = await granted(office)
    assert (one.beneficiary_id, one.amount) == (entitled.person_id, Decimal(20_000))


async def test_wage_support_counts_notice_bands_and_approval_and_never_pays_the_employers_part(office: Office) -> None:
    factory = uuid7()
    workers = [member(30, employer_id=factory, employer_sector="garment") for _ in range(4)]
    await office.service.deliver(household(*workers, effective_on=date(2023, 1, 1)))
    await put_kinds(office)
    await office.publish(pack("KH-WS-SUSP-23"))
    await office.service.http.put(
        "/eligibility/v1/employer-accounts",
        json={"subject": "employer-1", "employer_id": str(factory)},
        headers=office.service.token("programme_officer"),
    )
    at(office, date(2023, 5, 1))
    spans = [("2023-05-15", "2023-05-28"), ("2023-05-15", "2023-06-10"), ("2023-05-04", "2023-05-20")]
    events = []
    for worker, (first, last) in zip(workers, spans, strict=False):
        body = report(worker.person_id, "contract_suspension", date.fromisoformat(first), until=last)
        told = await send(office, body | {"employer_id": str(factory)}, role="employer")
        assert told["outcome"] == "pending"
        events.append(told["event"])
    before = await office.compute(await office.open("KH-WS-SUSP-23", "2023-05"))
    assert before["count"] == 0
    for event in events:
        headers = office.service.token("programme_officer") | {"If-Match": f'"{event["version"]}"'}
        answer = await office.service.http.post(
            f"/eligibility/v1/condition-events/{event['id']}:decide",
            json={"approve": True, "cause": "labour_ministry"},
            headers=headers,
        )
        assert answer.status_code == 204, answer.text
    cycle = await office.compute(before["id"])
    assert (cycle["count"], Decimal(cycle["amount"]), cycle["currency"]) == (2, Decimal("60.00"), "USD")
    late = await office.get(f"/beneficiaries/{workers[2].person_id}/decisions")
    shown = await office.get(f"/decisions/{late['items'][-1]['id']}")
    assert [c["id"] for c in shown["clauses"] if not c["holds"]] == ["five_working_days_ahead"]
    paid = await office.get(f"/beneficiaries/{workers[1].person_id}/decisions")
    lines = {
        line["component"]: line["amount"]
        for benefit in (await office.get(f"/decisions/{paid['items'][-1]['id']}"))["benefits"]
        for line in benefit["lines"]
    }
    assert lines["employer_15_days_to_a_month"] == "30.00"


async def test_the_family_package_pays_who_is_elderly_and_disabled_once_and_asks_for_attendance(
    office: Office,
) -> None:
    on = date(2024, 4, 1)
    pupil = member(0, birth_date=born(10, on), education_level="primary")
    absent = member(0, birth_date=born(11, on), education_level="primary")
    both = member(0, birth_date=born(70, on), disability="severe")
    state = household(pupil, absent, both, member(0, birth_date=born(40, on), living_with_hiv=True),
                      card_valid_until=None)  # fmt: skip
    await office.service.deliver(state)
    await put_kinds(office)
    await office.publish(pack("KH-FP"))
    at(office, on)
    school = {"role": "school_officer"}
    for person, percent in ((pupil, 80), (absent, 79)):
        body = report(person.person_id, "school_attendance", date(2024, 3, 17), value=percent)
        await send(office, body, **school)
    await office.enrol("KH-FP", "2024-04-01")
    cycle = await office.compute(await office.open("KH-FP", "2024-04"))
    totals = {total["component"]: (total["count"], Decimal(total["amount"])) for total in cycle["totals"]}
    assert totals == {
        "hiv": (1, Decimal(28_000)),
        "scholarship": (1, Decimal(20_000)),
        "old_age": (1, Decimal(20_000)),
    }
