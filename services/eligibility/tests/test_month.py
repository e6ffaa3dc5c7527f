"""One month of a programme, over HTTP and events, on the real database."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from services.eligibility.cycles.content_hash import HashedEntitlement, HashedLine, content_hash, entitlement_id
from services.eligibility.tests.builders import dissolved, household, member
from services.eligibility.tests.conftest import Office
from shared.contracts.eligibility import (
    CycleClosed,
    DecisionMade,
    EnrolmentApproved,
    EnrolmentEnded,
    EntitlementGranted,
    ProgrammePublished,
)

SIX = (member(70), member(65), member(3), member(0), member(30), member(31))
GOLDEN = {"location_class": "urban_phnom_penh", "poverty_level": 1, "village_code": "12010101"}


async def test_the_worked_example_of_the_ministry_is_592000_riel(office: Office) -> None:
    """Urban Phnom Penh, level 1, six members, two elderly and two small children."""
    await office.service.deliver(household(*SIX, **GOLDEN))
    await office.publish()
    await office.enrol()
    cycle = await office.compute(await office.open())
    page = await office.get(f"/cycles/{cycle['id']}/entitlements")
    (entitlement,) = page["items"]
    assert Decimal(entitlement["amount"]) == 592_000
    assert [(line["component"], line["quantity"], Decimal(line["amount"])) for line in entitlement["lines"]] == [
        ("base", 1, 120_000),
        ("per_member", 6, 312_000),
        ("per_vulnerable_member", 4, 160_000),
    ]


async def test_a_month_from_household_to_closed_cycle_publishes_what_was_granted_and_its_control_totals(
    office: Office,
) -> None:
    poor = [household(village_code=f"0{i % 3 + 1}020304", poverty_level=i % 2 + 1) for i in range(30)]
    await office.service.deliver(*poor, household(poverty_level=None, card_valid_from=None, card_valid_until=None))
    await office.publish()
    assert await office.enrol() == {"programme_version": 1, "households": 31, "newly_enrolled": 30}
    told = await office.service.outbox()
    assert {type(event) for event in told} == {ProgrammePublished, DecisionMade, EnrolmentApproved}
    assert len([event for event in told if isinstance(event, DecisionMade)]) == 31
    approved = [event for event in told if isinstance(event, EnrolmentApproved)]
    assert {event.beneficiary_id for event in approved} == {state.household_id for state in poor}

    closed = await office.close(await office.compute(await office.open()))

    *granted, last = await office.service.outbox()
    assert isinstance(last, CycleClosed)
    assert all(isinstance(event, EntitlementGranted) for event in granted)
    assert closed["state"] == "closed"
    assert last.count == len(granted) == 30
    assert (
        last.amount == sum(event.amount for event in granted) == Decimal(15 * (80 + 48) * 1000 + 15 * (80 + 32) * 1000)
    )
    assert sum(total.amount for total in last.totals) == last.amount
    assert [(total.province_code, total.count) for total in last.totals] == [("01", 10), ("02", 10), ("03", 10)]
    assert (last.payment_window_from, last.payment_window_until) == (date(2020, 7, 25), date(2020, 8, 24))
    assert last.content_hash == content_hash(_hashed(event) for event in granted)
    for event in granted:
        assert event.amount == sum(line.amount for line in event.lines)
        assert event.entitlement_id == entitlement_id(
            event.programme_code, event.cycle_id, event.beneficiary_id, event.component
        )


def _hashed(event: EntitlementGranted) -> HashedEntitlement:
    lines = [HashedLine(line.component, line.quantity, line.rate, line.amount) for line in event.lines]
    return HashedEntitlement(event.entitlement_id, event.beneficiary_id, event.component, event.amount, lines)


async def test_enrolling_again_changes_nothing_and_adds_newcomers(office: Office) -> None:
    await office.service.deliver(household(), household())
    await office.publish()
    await office.enrol()
    await office.service.outbox()
    assert (await office.enrol())["newly_enrolled"] == 0
    assert await office.service.outbox() == []
    await office.service.deliver(household())
    assert (await office.enrol())["newly_enrolled"] == 1
    page = await office.get("/programmes/KH-CTP-COVID/enrolments?limit=2")
    assert len(page["items"]) == 2
    rest = await office.get(f"/programmes/KH-CTP-COVID/enrolments?limit=2&cursor={page['next_cursor']}")
    assert len(rest["items"]) == 1
    assert rest["next_cursor"] is None


async def test_a_decision_explains_every_clause_in_both_languages_with_the_facts_it_saw(office: Office) -> None:
    state = household(card_valid_until=date(2020, 6, 30))
    await office.service.deliver(state)
    await office.publish()
    await office.enrol()
    (summary,) = (await office.get(f"/beneficiaries/{state.household_id}/decisions"))["items"]
    decision = await office.get(f"/decisions/{summary['id']}")
    assert decision["qualifies"] is False
    clauses = {clause["id"]: clause for clause in decision["clauses"]}
    assert {name: clause["holds"] for name, clause in clauses.items()} == {
        "poverty_level": True,
        "card_valid": False,
        "has_members": True,
    }
    assert clauses["card_valid"]["reason"]["en"] == "The equity card is not valid on the reference date."
    assert clauses["card_valid"]["reason"]["km"].startswith("ប័ណ្ណ")
    assert clauses["card_valid"]["facts"] == {"household.card_valid": False}
    assert clauses["has_members"]["facts"] == {"household.size": 2}
    counts = await office.get("/programmes/KH-CTP-COVID/summary")
    assert counts["failed_clauses"] == {"card_valid": 1}
    assert (counts["decided"], counts["qualified"]) == (1, 0)


async def test_fault_16_every_line_of_the_formula_is_shown_in_the_decision_that_explains_the_payment(
    office: Office,
) -> None:
    await office.service.deliver(household(*SIX, **GOLDEN))
    await office.publish()
    await office.enrol()
    cycle = await office.compute(await office.open())
    (entitlement,) = (await office.get(f"/cycles/{cycle['id']}/entitlements"))["items"]
    decision = await office.get(f"/decisions/{entitlement['decision_id']}")
    (benefit,) = decision["benefits"]
    shown = [
        (line["component"], line["quantity"], Decimal(line["rate"]), Decimal(line["amount"]))
        for line in benefit["lines"]
    ]
    assert shown == [
        ("base", 1, 120_000, 120_000),
        ("per_member", 6, 52_000, 312_000),
        ("per_vulnerable_member", 4, 40_000, 160_000),
    ]
    assert benefit["lines"][2]["formula"] == "members.filter(m, m.vulnerable).size()"


async def test_fault_21_age_is_that_of_the_reference_date_not_of_today(office: Office) -> None:
    """A third of the under-fives vanished between two months in published data."""
    child = member(0, birth_date=date(2014, 7, 15))  # six years old on 15 July 2020
    await office.service.deliver(household(member(30), child))
    await office.publish()
    await office.enrol()
    july = await office.compute(await office.open(period="2020-07"))
    august = await office.compute(await office.open(period="2020-08"))
    assert Decimal(july["amount"]) == 80_000 + 2 * 24_000 + 24_000
    assert Decimal(august["amount"]) == 80_000 + 2 * 24_000


async def test_facts_that_hold_later_do_not_change_an_earlier_month(office: Office) -> None:
    first = household()
    grown = household(
        *first.members, member(1), household_id=first.household_id, version=2, effective_on=date(2020, 8, 1)
    )
    await office.service.deliver(first, grown)
    await office.publish()
    await office.enrol()
    july = await office.compute(await office.open(period="2020-07"))
    august = await office.compute(await office.open(period="2020-08"))
    assert Decimal(july["amount"]) == 80_000 + 2 * 24_000
    assert Decimal(august["amount"]) == 80_000 + 3 * 24_000 + 24_000


async def test_a_dissolved_household_is_ended_and_no_longer_granted_anything(office: Office) -> None:
    state = household()
    await office.service.deliver(state, household())
    await office.publish()
    await office.enrol()
    await office.service.outbox()
    await office.service.deliver(dissolved(state, date(2020, 6, 1)))
    (ended,) = await office.service.outbox()
    assert isinstance(ended, EnrolmentEnded)
    assert (ended.beneficiary_id, ended.version, ended.cause) == (state.household_id, 2, "dissolved")
    cycle = await office.compute(await office.open())
    assert cycle["count"] == 1


async def test_a_household_whose_card_expires_is_not_granted_the_month_after(office: Office) -> None:
    await office.service.deliver(household(card_valid_until=date(2020, 7, 31)))
    await office.publish()
    await office.enrol()
    assert (await office.compute(await office.open(period="2020-07")))["count"] == 1
    assert (await office.compute(await office.open(period="2020-08")))["count"] == 0


async def test_a_clerk_sees_enrolments_and_decisions_of_her_area_only(office: Office) -> None:
    here, there = household(village_code="01020304"), household(village_code="02020304")
    await office.service.deliver(here, there)
    await office.publish()
    await office.enrol()
    clerk = {"roles": ("commune_officer",), "areas": ("0102",)}
    page = await office.get("/programmes/KH-CTP-COVID/enrolments", **clerk)
    assert [UUID(item["beneficiary_id"]) for item in page["items"]] == [here.household_id]
    all_of_them = (await office.get("/programmes/KH-CTP-COVID/enrolments"))["items"]
    foreign = next(item for item in all_of_them if UUID(item["beneficiary_id"]) == there.household_id)
    assert (await office.get(f"/decisions/{foreign['decision_id']}", status=403, **clerk))["code"] == "outside_area"


async def test_a_rate_that_is_missing_pays_nothing_and_is_counted(office: Office) -> None:
    await office.service.deliver(household(location_class="island"), household())
    await office.publish()
    await office.enrol()
    cycle = await office.compute(await office.open())
    assert (cycle["count"], cycle["unpriced"]) == (1, 1)
