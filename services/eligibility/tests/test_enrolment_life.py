"""The life of an enrolment: by officers, by life events, by the calendar, and on the waiting list."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.eligibility.enrolments.life import (
    TRANSITIONS,
    Action,
    EnrolmentState,
    TransitionRefused,
    after,
    sources,
)
from services.eligibility.tests.builders import COVID, OFFICER, dissolved, household, member
from services.eligibility.tests.conftest import Office
from shared.contracts.eligibility import (
    DecisionMade,
    EnrolmentApproved,
    EnrolmentEnded,
    EnrolmentResumed,
    EnrolmentSuspended,
    EnrolmentWaitlisted,
)

CODE = "KH-CTP-COVID"
GRACE = COVID.replace(b"arrears: none #", b"grace_days: 10\narrears: none #")


def bounded(quota: int) -> bytes:
    """The programme with so many places, the very poor first, larger households before smaller ones."""
    capacity = (
        f"capacity: {{quota: {quota}, ranking: [{{by: household.poverty_level}}, "
        "{by: household.size, order: desc}]}\narrears: none #"
    )
    return COVID.replace(b"arrears: none #", capacity.encode())


# --- the state machine ----------------------------------------------------------------------------------------------


@given(st.sampled_from(EnrolmentState), st.lists(st.sampled_from(Action), max_size=30))
def test_whatever_is_tried_an_enrolment_is_always_in_a_state_that_its_history_allows(
    state: EnrolmentState, actions: list[Action]
) -> None:
    for action in actions:
        try:
            following = after(state, action)
        except TransitionRefused:
            assert state not in sources(action)
            continue
        assert TRANSITIONS[action][state] is following
        if state is EnrolmentState.GRADUATED:
            pytest.fail("nothing follows graduation")
        if state is EnrolmentState.ENDED:
            assert action in (Action.APPROVE, Action.WAITLIST)
        state = following


def test_only_who_takes_part_can_be_suspended_and_only_the_suspended_resumed() -> None:
    assert sources(Action.SUSPEND) == (EnrolmentState.APPROVED,)
    assert sources(Action.RESUME) == (EnrolmentState.SUSPENDED,)


# --- steps ----------------------------------------------------------------------------------------------------------


async def enrolments(office: Office, **query: Any) -> dict[UUID, Any]:
    """Every enrolment by beneficiary."""
    page = await office.get(f"/programmes/{CODE}/enrolments?limit=500", **query)
    return {UUID(item["beneficiary_id"]): item for item in page["items"]}


async def act(
    office: Office, enrolment: Any, action: str, *, status: int = 200, match: int | None = None, **body: Any
) -> Any:
    """One officer's action on one enrolment."""
    headers = {"If-Match": f'"{match or enrolment["version"]}"'}
    values = {"cause": "checked_at_home", "effective_on": "2020-07-02", **body}
    return await office.post(f"/enrolments/{enrolment['id']}/{action}", values, status=status, headers=headers)


async def pass_days(office: Office, days: int) -> None:
    """Let days go by, and the platform look at everybody."""
    office.service.clock.advance(timedelta(days=days))
    await look(office)


async def look(office: Office) -> None:
    """Run the schedule that judges again, and its jobs."""
    from services.eligibility.enrolments.reassess_programme import queue_reassessments

    await queue_reassessments(office.service.context)
    await office.service.run_jobs()


async def told(office: Office, *kinds: type) -> list[Any]:
    """Published since the last look, of these types."""
    return [event for event in await office.service.outbox() if isinstance(event, kinds)]


async def _enrolled(office: Office, *states: Any, source: bytes = COVID) -> dict[UUID, Any]:
    await office.service.deliver(*states)
    await office.publish(source)
    await office.enrol()
    await office.service.outbox()
    return await enrolments(office)


# --- by officers ----------------------------------------------------------------------------------------------------


async def test_an_officer_suspends_resumes_recertifies_and_ends_with_causes_and_the_history_keeps_them_all(
    office: Office,
) -> None:
    state = household()
    enrolment = (await _enrolled(office, state))[state.household_id]
    enrolment = await act(office, enrolment, "suspend", until="2020-08-01")
    assert (enrolment["state"], enrolment["suspended_until"]) == ("suspended", "2020-08-01")
    enrolment = await act(office, enrolment, "recertify")
    assert (enrolment["state"], enrolment["recertified_on"]) == ("suspended", "2020-07-02")
    enrolment = await act(office, enrolment, "resume")
    enrolment = await act(office, enrolment, "end", cause="moved_abroad", for_good=True)
    assert [change["action"] for change in enrolment["history"]] == ["end", "resume", "recertify", "suspend", "approve"]
    assert enrolment["history"][0]["made_by"] == "officer-1"
    suspended, resumed, ended = await told(office, EnrolmentSuspended, EnrolmentResumed, EnrolmentEnded)
    assert (suspended.version, suspended.until, suspended.cause) == (2, date(2020, 8, 1), "checked_at_home")
    assert resumed.version == 4
    assert (ended.version, ended.cause, ended.ended_by) == (5, "moved_abroad", "officer-1")


async def test_a_suspended_household_is_not_granted_anything_until_it_is_resumed(office: Office) -> None:
    state = household()
    enrolment = (await _enrolled(office, state, household()))[state.household_id]
    await act(office, enrolment, "suspend")
    cycle_id = await office.open()
    assert (await office.compute(cycle_id))["count"] == 1
    await act(office, enrolment, "resume", match=2)
    assert (await office.compute(cycle_id))["count"] == 2


async def test_two_officers_who_meet_at_one_enrolment_do_not_overwrite_each_other(office: Office) -> None:
    state = household()
    enrolment = (await _enrolled(office, state))[state.household_id]
    await act(office, enrolment, "suspend")
    assert (await act(office, enrolment, "end", status=412))["code"] == "version_changed"
    assert (await act(office, enrolment, "suspend", status=409, match=2))["code"] == "action_refused"


async def test_nobody_decides_about_her_own_household(office: Office) -> None:
    own = member()
    state = household(own, member())
    enrolment = (await _enrolled(office, state))[state.household_id]
    token = office.service.token(OFFICER, person_id=str(own.person_id)) | {"If-Match": '"1"'}
    answer = await office.service.http.post(
        f"/eligibility/v1/enrolments/{enrolment['id']}/recertify",
        json={"cause": "visited", "effective_on": "2020-07-02"},
        headers=token,
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "own_household")


async def test_a_batch_names_what_it_could_not_change_and_stays_in_the_officers_area(office: Office) -> None:
    states = [household(village_code="01020304") for _ in range(3)]
    foreign = household(village_code="02020304")
    found = await _enrolled(office, *states, foreign)
    ids = [found[state.household_id]["id"] for state in states]
    await act(office, found[states[0].household_id], "end")
    body = {"action": "suspend", "cause": "flooded", "effective_on": "2020-07-02", "enrolment_ids": ids}
    result = await office.post(f"/programmes/{CODE}/enrolments:change", body, status=200)
    assert (result["changed"], [item["state"] for item in result["refused"]]) == (2, ["ended"])
    clerk = office.service.token(OFFICER, areas=("01",))
    body["enrolment_ids"] = [*ids, found[foreign.household_id]["id"]]
    answer = await office.service.http.post(
        f"/eligibility/v1/programmes/{CODE}/enrolments:change", json=body, headers=clerk
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "outside_area")


# --- by life and the calendar ---------------------------------------------------------------------------------------


async def test_a_card_that_expires_suspends_through_the_grace_and_then_ends(office: Office) -> None:
    state = household(card_valid_until=date(2020, 7, 10))
    await _enrolled(office, state, source=GRACE)
    await look(office)
    (warned,) = (await office.get(f"/programmes/{CODE}/warnings"))["items"]
    assert warned["card_valid_until"] == "2020-07-10"
    await pass_days(office, 12)  # 13 July, three days after
    (suspended,) = await told(office, EnrolmentSuspended)
    assert (suspended.cause, suspended.until) == ("card_expired", date(2020, 7, 20))
    await pass_days(office, 10)
    (ended,) = await told(office, EnrolmentEnded)
    assert (ended.cause, ended.ended_by) == ("card_expired", None)


async def test_a_card_renewed_within_the_grace_resumes(office: Office) -> None:
    state = household(card_valid_until=date(2020, 7, 10))
    await _enrolled(office, state, source=GRACE)
    await pass_days(office, 12)
    await told(office)
    renewed = state.model_copy(
        update={"version": 2, "card_valid_until": date(2023, 7, 10), "effective_on": date(2020, 7, 13)}
    )
    await office.service.deliver(renewed)
    await look(office)
    (resumed,) = await told(office, EnrolmentResumed)
    assert resumed.cause == "eligible_again"


async def test_losing_the_card_ends_with_the_clause_as_cause_and_tells_the_decision_once(office: Office) -> None:
    state = household()
    await _enrolled(office, state, household())
    gone = state.model_copy(update={"version": 2, "poverty_level": None, "effective_on": date(2020, 7, 1)})
    await office.service.deliver(gone)
    await look(office)
    await look(office)
    decision, ended = await told(office, DecisionMade, EnrolmentEnded)
    assert (decision.eligible, decision.failed_clauses, decision.version) == (False, ("poverty_level", "card_valid"), 2)
    assert {fact.name: fact.value for fact in decision.facts}["household.poverty_level"] == "0"
    assert ended.cause == "clause.poverty_level"
    assert (await enrolments(office))[state.household_id]["decision_id"] == str(decision.decision_id)


async def test_a_household_that_qualifies_again_is_enrolled_again_unless_it_ended_for_good(office: Office) -> None:
    back, gone = household(), household()
    found = await _enrolled(office, back, gone)
    await act(office, found[back.household_id], "end")
    await act(office, found[gone.household_id], "end", for_good=True)
    await office.service.outbox()
    assert (await office.enrol())["newly_enrolled"] == 1
    (approved,) = await told(office, EnrolmentApproved)
    assert (approved.beneficiary_id, approved.version) == (back.household_id, 3)


async def test_a_household_that_moves_to_another_class_stays_and_its_new_place_is_told(office: Office) -> None:
    state = household()
    await _enrolled(office, state)
    moved = state.model_copy(
        update={
            "version": 2,
            "village_code": "12010101",
            "location_class": "urban_phnom_penh",
            "effective_on": date(2020, 7, 1),
        }
    )
    await office.service.deliver(moved)
    await look(office)
    (approved,) = await told(office, EnrolmentApproved)
    assert (approved.village_code, approved.version) == ("12010101", 2)
    cycle = await office.compute(await office.open())
    assert cycle["amount"] == "224000.00"


async def test_a_dissolved_household_does_not_come_back_by_itself(office: Office) -> None:
    state = household()
    await _enrolled(office, state)
    await office.service.deliver(dissolved(state, date(2020, 6, 1)))
    (ended,) = await told(office, EnrolmentEnded)
    assert ended.cause == "dissolved"
    await look(office)
    assert (await enrolments(office))[state.household_id]["state"] == "ended"


async def test_a_pause_with_an_end_is_over_when_its_last_day_has_passed(office: Office) -> None:
    state = household()
    enrolment = (await _enrolled(office, state))[state.household_id]
    await act(office, enrolment, "suspend", until="2020-07-05")
    await pass_days(office, 2)
    assert (await enrolments(office))[state.household_id]["state"] == "suspended"
    await pass_days(office, 3)
    assert (await enrolments(office))[state.household_id]["state"] == "approved"


# --- the waiting list -----------------------------------------------------------------------------------------------


async def test_when_the_quota_binds_the_poorest_and_largest_come_first_and_the_others_wait_in_order(
    office: Office,
) -> None:
    large = household(*(member() for _ in range(5)), poverty_level=2)
    small, poorest = household(member(), poverty_level=2), household(poverty_level=1)
    await office.service.deliver(small, large, poorest)
    await office.publish(bounded(1))
    result = await office.enrol()
    assert (result["newly_enrolled"], result["listed"]) == (1, 3)
    events = await told(office, EnrolmentApproved, EnrolmentWaitlisted)
    first = events[0]
    assert (type(first), first.beneficiary_id) == (EnrolmentApproved, poorest.household_id)
    ranks = {event.beneficiary_id: event.rank for event in events if isinstance(event, EnrolmentWaitlisted)}
    assert ranks == {large.household_id: 1, small.household_id: 2}
    waiting = (await office.get(f"/programmes/{CODE}/waiting-list"))["items"]
    assert [UUID(item["beneficiary_id"]) for item in waiting] == [large.household_id, small.household_id]
    cycle = await office.compute(await office.open())
    assert cycle["count"] == 1


async def test_a_place_that_becomes_free_is_filled_from_the_list_by_the_platform(office: Office) -> None:
    first, second = household(poverty_level=1), household(poverty_level=2)
    await office.service.deliver(first, second)
    await office.publish(bounded(1))
    await office.enrol()
    await office.service.outbox()
    await act(office, (await enrolments(office))[first.household_id], "end", for_good=True)
    (approved,) = await told(office, EnrolmentApproved)
    assert approved.beneficiary_id == second.household_id
    assert (await office.get(f"/programmes/{CODE}/waiting-list"))["items"] == []


async def test_a_budget_that_binds_lets_nobody_overtake_because_she_is_cheaper(office: Office) -> None:
    """Level 1 with two adults costs 128,000, level 2 with five 160,000, level 2 with one 96,000."""
    cheap, dear, poorest = (
        household(member(), poverty_level=2),
        household(*(member() for _ in range(5)), poverty_level=2),
        household(poverty_level=1),
    )
    source = bounded(100).replace(b"quota: 100", b"budget_per_period: 240000")
    await office.service.deliver(cheap, dear, poorest)
    await office.publish(source)
    assert (await office.enrol())["newly_enrolled"] == 1
    waiting = (await office.get(f"/programmes/{CODE}/waiting-list"))["items"]
    assert [UUID(item["beneficiary_id"]) for item in waiting] == [dear.household_id, cheap.household_id]


# --- exclusivity ----------------------------------------------------------------------------------------------------


async def test_who_is_in_an_excluding_programme_is_refused_with_that_reason(office: Office) -> None:
    state = household()
    await _enrolled(office, state)
    other = COVID.replace(b"KH-CTP-COVID", b"KH-SECOND").replace(
        b"arrears: none #", b"exclusivity: [{programme: KH-CTP-COVID, effect: refuse}]\narrears: none #"
    )
    await office.publish(other)
    assert (await office.enrol("KH-SECOND"))["newly_enrolled"] == 0
    decisions = (await office.get(f"/beneficiaries/{state.household_id}/decisions"))["items"]
    refused = next(item for item in decisions if item["programme_code"] == "KH-SECOND")
    explained = await office.get(f"/decisions/{refused['id']}")
    last = explained["clauses"][-1]
    assert (last["id"], last["holds"]) == ("excluded_by.KH-CTP-COVID", False)
    assert "KH-CTP-COVID" in last["reason"]["km"]


async def test_a_payment_is_skipped_for_those_in_another_programme_and_the_next_one_is_not(office: Office) -> None:
    """Inflation payment 1 leaves out the flood households, payments 2 and 3 do not."""
    both, alone = household(), household()
    await _enrolled(office, both)
    source = COVID.replace(b"KH-CTP-COVID", b"KH-SECOND").replace(
        b"arrears: none #",
        b"exclusivity: [{programme: KH-CTP-COVID, effect: skip_payments, payments: [2]}]\narrears: none #",
    )
    await office.service.deliver(alone)
    await office.publish(source)
    await office.enrol("KH-SECOND")
    second = await office.compute(await office.open("KH-SECOND", "2020-07"))  # the second month of the programme
    third = await office.compute(await office.open("KH-SECOND", "2020-08"))
    assert (second["payment_number"], second["count"]) == (2, 1)
    assert (third["payment_number"], third["count"]) == (3, 2)
