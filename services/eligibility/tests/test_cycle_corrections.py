"""Cycles against each other: compared before closing, put right in the next one, the past as it was."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.eligibility.cycles.content_hash import HashedEntitlement, HashedLine, content_hash
from services.eligibility.tests.builders import COVID, household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.test_enrolment_life import act, enrolments, told
from shared.contracts.eligibility import CycleClosed, DecisionMade, EntitlementGranted
from shared.contracts.registry import HouseholdRegistered

TWO_ADULTS, CHILD = 80_000 + 2 * 24_000, 2 * 24_000
"""Rural, level 1: what two adults get, and what a small child adds."""
ARREARS = COVID.replace(b"arrears: none #", b"arrears: {months: 6}\nrecovery: {cap_percent: 25} #")


async def _closed(office: Office, period: str) -> Any:
    return await office.close(await office.compute(await office.open(period=period)))


def corrected(state: HouseholdRegistered, **facts: Any) -> HouseholdRegistered:
    """The household's next version, said of the past."""
    return state.model_copy(update={"version": state.version + 1, "change": "correction", **facts})


async def _one_closed_month(office: Office, *states: HouseholdRegistered, source: bytes = ARREARS) -> None:
    await office.service.deliver(*states)
    await office.publish(source)
    await office.enrol()
    await _closed(office, "2020-07")
    await office.service.outbox()


# --- comparison -----------------------------------------------------------------------------------------------------


async def test_a_cycle_is_compared_with_the_one_before_new_gone_more_less_same_each_with_its_cause(
    office: Office,
) -> None:
    stays, grows, shrinks, loses, expires = (household() for _ in range(5))
    expires = expires.model_copy(update={"card_valid_until": date(2020, 7, 20)})
    ages = household(member(), member(0, birth_date=date(2014, 7, 15)))
    await _one_closed_month(office, stays, grows, shrinks, loses, expires, ages, source=COVID)
    later = {"effective_on": date(2020, 8, 1)}
    await office.service.deliver(
        corrected(grows, members=(*grows.members, member(1)), **later),
        corrected(shrinks, members=grows.members[:1], **later),
        household(),
    )
    await act(office, (await enrolments(office))[loses.household_id], "suspend", cause="not_found")
    await office.enrol(on="2020-08-01")
    cycle = await office.compute(await office.open(period="2020-08"))
    comparison = await office.get(f"/cycles/{cycle['id']}/comparison")
    groups = {(group["change"], group["cause"]): group for group in comparison["groups"]}
    assert set(groups) == {
        ("same", "same"),
        ("more", "facts"),
        ("less", "facts"),
        ("less", "reference_date"),
        ("gone", "suspended.not_found"),
        ("gone", "clause.card_valid"),
        ("new", "enrolled"),
    }
    assert groups["more", "facts"]["amount_before"] == f"{TWO_ADULTS}.00"
    assert groups["more", "facts"]["amount_after"] == f"{TWO_ADULTS + CHILD}.00"
    total = sum(Decimal(group["amount_after"]) for group in comparison["groups"])
    assert total == Decimal(cycle["amount"])
    listed = await office.get(f"/cycles/{cycle['id']}/comparison/changes?change=gone&cause=clause.card_valid")
    assert [UUID(item["beneficiary_id"]) for item in listed["items"]] == [expires.household_id]


async def test_a_comparison_is_a_spreadsheet_too(office: Office) -> None:
    await _one_closed_month(office, household())
    cycle = await office.compute(await office.open(period="2020-08"))
    answer = await office.service.http.get(
        f"/eligibility/v1/cycles/{cycle['id']}/comparison.csv", headers=office.service.token("auditor")
    )
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.text.splitlines()[1] == f"same,same,01,1,{TWO_ADULTS}.00,{TWO_ADULTS}.00,KHR"


async def test_closing_needs_the_comparison_that_was_looked_at(office: Office) -> None:
    await _one_closed_month(office, household())
    cycle = await office.compute(await office.open(period="2020-08"))
    body = {"expected_count": cycle["count"], "expected_amount": cycle["amount"]}
    for seen in ({}, {"comparison_hash": "0" * 64}):
        problem = await office.post(f"/cycles/{cycle['id']}:close", body | seen, status=409)
        assert problem["code"] == "comparison_not_seen"
    assert (await office.close(cycle))["state"] == "closed"


async def test_a_cycle_computed_before_an_earlier_one_was_closed_is_computed_again(office: Office) -> None:
    await office.service.deliver(household())
    await office.publish(ARREARS)
    await office.enrol()
    august = await office.compute(await office.open(period="2020-08"))
    await _closed(office, "2020-07")
    body = {"expected_count": august["count"], "expected_amount": august["amount"]}
    assert (await office.post(f"/cycles/{august['id']}:close", body, status=409))["code"] == "earlier_cycle_open"
    assert (await office.close(await office.compute(august["id"])))["state"] == "closed"


# --- what must not be closed ----------------------------------------------------------------------------------------


async def test_a_cycle_in_which_a_rate_is_missing_for_somebody_is_not_closed(office: Office) -> None:
    await office.service.deliver(household(location_class="island"), household())
    await office.publish()
    await office.enrol()
    cycle = await office.compute(await office.open())
    body = {"expected_count": 1, "expected_amount": cycle["amount"]}
    problem = await office.post(f"/cycles/{cycle['id']}:close", body, status=409)
    assert (problem["code"], problem["unpriced"]) == ("cycle_unpriced", 1)


async def test_a_cycle_that_rests_on_an_unconfirmed_rate_is_not_closed(office: Office) -> None:
    source = COVID.replace(b"  base:\n", b"  base:\n    unconfirmed: true\n", 1)
    await office.service.deliver(household())
    await office.publish(source)
    await office.enrol()
    cycle = await office.compute(await office.open())
    assert cycle["unconfirmed_rates"] == ["base"]
    (entitlement,) = (await office.get(f"/cycles/{cycle['id']}/entitlements"))["items"]
    assert entitlement["unconfirmed"] is True
    body = {"expected_count": 1, "expected_amount": cycle["amount"]}
    assert (await office.post(f"/cycles/{cycle['id']}:close", body, status=409))["code"] == "rate_unconfirmed"


# --- adjustments ----------------------------------------------------------------------------------------------------


async def test_fault_19_a_correction_of_the_past_is_paid_as_arrears_in_the_next_cycle_and_the_past_stays(
    office: Office,
) -> None:
    state = household()
    await _one_closed_month(office, state)
    july = (await office.get("/cycles"))["items"][0]
    await office.service.deliver(corrected(state, members=(*state.members, member(1))))
    closed = await _closed(office, "2020-08")
    assert Decimal(closed["benefit_amount"]) == TWO_ADULTS + CHILD
    assert Decimal(closed["arrears_amount"]) == CHILD
    assert Decimal(closed["amount"]) == TWO_ADULTS + 2 * CHILD
    (granted,) = await told(office, EntitlementGranted)
    kinds = [(line.kind, line.for_period, line.amount) for line in granted.lines]
    assert kinds[-1] == ("arrears", "2020-07", Decimal(CHILD))
    assert granted.amount == sum(line.amount for line in granted.lines)
    (adjustment,) = (await office.get(f"/cycles/{closed['id']}/adjustments"))["items"]
    assert (Decimal(adjustment["was_amount"]), Decimal(adjustment["right_amount"])) == (
        TWO_ADULTS,
        TWO_ADULTS + CHILD,
    )
    assert await office.get(f"/cycles/{july['id']}") == july
    september = await _closed(office, "2020-09")
    assert (september["arrears_amount"], september["recovery_amount"]) == ("0", "0") or Decimal(
        september["arrears_amount"]
    ) == Decimal(september["recovery_amount"]) == 0


async def test_too_much_is_recovered_within_the_cap_over_several_cycles_and_then_stops(office: Office) -> None:
    child = member(1)
    state = household(member(), member(), child)
    await _one_closed_month(office, state)
    await office.service.deliver(corrected(state, members=state.members[:2]))
    taken = []
    for period in ("2020-08", "2020-09", "2020-10"):
        closed = await _closed(office, period)
        taken.append(Decimal(closed["recovery_amount"]))
        assert Decimal(closed["amount"]) == TWO_ADULTS - taken[-1]
    cap = TWO_ADULTS * 25 // 100
    assert taken == [cap, CHILD - cap, 0]
    events = await told(office, EntitlementGranted)
    lines = [line for event in events for line in event.lines if line.kind == "recovery"]
    assert [(line.for_period, line.amount) for line in lines] == [("2020-07", cap), ("2020-07", CHILD - cap)]


async def test_arrears_of_a_household_that_gets_nothing_else_are_paid_all_the_same(office: Office) -> None:
    state = household(card_valid_until=date(2020, 7, 31))
    await _one_closed_month(office, state)
    await office.service.deliver(corrected(state, members=(*state.members, member(1))))
    closed = await _closed(office, "2020-08")
    assert (closed["count"], Decimal(closed["amount"])) == (1, CHILD)
    (granted,) = await told(office, EntitlementGranted)
    decision = await office.get(f"/decisions/{granted.decision_id}")
    assert (decision["purpose"], decision["on_date"]) == ("correction", "2020-07-01")


async def test_with_adjustments_the_content_hash_is_still_that_of_what_was_published(office: Office) -> None:
    more, less = household(), household(member(), member(), member(1))
    await _one_closed_month(office, more, less)
    await office.service.deliver(
        corrected(more, members=(*more.members, member(1))), corrected(less, members=less.members[:2])
    )
    await _closed(office, "2020-08")
    *granted, last = await told(office, EntitlementGranted, CycleClosed)
    hashed = [
        HashedEntitlement(
            event.entitlement_id,
            event.beneficiary_id,
            event.component,
            event.amount,
            [HashedLine(x.component, x.quantity, x.rate, x.amount, x.kind, x.for_period) for x in event.lines],
        )
        for event in granted
    ]
    assert content_hash(hashed) == last.content_hash
    assert sum(total.amount for total in last.totals) == last.amount == sum(event.amount for event in granted)


async def test_computing_a_cycle_with_adjustments_again_gives_the_same_hash(office: Office) -> None:
    state = household()
    await _one_closed_month(office, state)
    await office.service.deliver(corrected(state, members=(*state.members, member(1))))
    cycle_id = await office.open(period="2020-08")
    first = await office.compute(cycle_id)
    assert (await office.compute(cycle_id))["content_hash"] == first["content_hash"]


async def test_without_an_arrears_policy_more_is_not_paid_afterwards(office: Office) -> None:
    state = household()
    await _one_closed_month(office, state, source=COVID)
    await office.service.deliver(corrected(state, members=(*state.members, member(1))))
    closed = await _closed(office, "2020-08")
    assert Decimal(closed["arrears_amount"]) == 0


@pytest.mark.parametrize("corrections", [0, 2])
async def test_fault_19_a_past_cycle_judged_again_on_the_facts_of_its_decisions_is_exactly_what_it_was(
    office: Office, corrections: int
) -> None:
    """Whatever is known later: each decision names the version of the facts that it saw, and those never change."""
    from services.eligibility.facts.household import view_on
    from services.eligibility.facts.repository import load_household
    from services.eligibility.programmes.compiled import compile_programme
    from services.eligibility.programmes.file import parse_programme_file

    states = [household(*(member(age) for age in range(2, 2 + size))) for size in range(1, 6)]
    await _one_closed_month(office, *states)
    for n in range(corrections):
        await office.service.deliver(
            *(corrected(state, version=state.version + n + 1, poverty_level=2) for state in states)
        )
    programme = compile_programme(parse_programme_file(ARREARS))
    async with office.service.database.session() as session:
        stored = (
            await session.execute(
                text("SELECT g.amount, d.household_id, d.facts_version, d.on_date FROM entitlement g JOIN decision d "
                     "ON d.id = g.decision_id")
            )
        ).all()  # fmt: skip
        assert len(stored) == 5
        for amount, household_id, version, on in stored:
            judged = programme.judge(view_on(await load_household(session, household_id, version), on), on)
            assert sum(line.amount for line in judged.benefits["monthly_transfer"]) == amount


# --- decisions told -------------------------------------------------------------------------------------------------


async def test_a_month_in_which_nothing_changes_tells_no_decision_and_a_change_tells_one_at_closing(
    office: Office,
) -> None:
    same, expires = household(), household(card_valid_until=date(2020, 7, 20))
    await _one_closed_month(office, same, expires)
    cycle = await office.compute(await office.open(period="2020-08"))
    assert await told(office, DecisionMade) == []
    await office.close(cycle)
    (decision,) = await told(office, DecisionMade)
    assert (decision.beneficiary_id, decision.failed_clauses) == (expires.household_id, ("card_valid",))
    assert decision.decided_by == "officer-1"


async def test_a_birth_is_paid_from_the_month_after_it_and_is_the_cause_that_the_comparison_names(
    office: Office,
) -> None:
    state = household()
    await _one_closed_month(office, state)
    newborn = member(0, birth_date=date(2020, 7, 20))
    born = state.model_copy(
        update={
            "version": 2,
            "members": (*state.members, newborn),
            "effective_on": date(2020, 7, 20),
        }
    )
    await office.service.deliver(born)
    cycle = await office.compute(await office.open(period="2020-08"))
    assert Decimal(cycle["amount"]) == TWO_ADULTS + CHILD
    (group,) = (await office.get(f"/cycles/{cycle['id']}/comparison"))["groups"]
    assert (group["change"], group["cause"]) == ("more", "facts")
