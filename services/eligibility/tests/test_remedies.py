"""What grievance asks: appeals hold or continue, and are decided; remedies are acted on once, and answered."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.eligibility.decisions.model import StandingRow
from services.eligibility.tests.builders import household
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.test_enrolment_life import CODE, act, enrolments, look, told
from shared.contracts.eligibility import EnrolmentApproved, EnrolmentResumed, EnrolmentSuspended, RemedyAnswered
from shared.contracts.grievance import AppealDecided, AppealLodged, RemedyRequested
from shared.contracts.registry import HouseholdRegistered
from shared.ids import uuid7


def appeal(state: HouseholdRegistered, decision_id: str, effect: Any) -> AppealLodged:
    """An appeal of a household against a decision."""
    return AppealLodged(
        version=2, case_id=uuid7(), reference="GR-1", category="decision", subject_type="decision",
        subject_id=UUID(decision_id), place_code=state.village_code, appeal_id=uuid7(), decision_id=UUID(decision_id),
        programme_code=CODE, beneficiary_id=state.household_id, effect=effect,
    )  # fmt: skip


def decided(lodged: AppealLodged, outcome: Any) -> AppealDecided:
    """The panel's word on it."""
    values = lodged.model_dump(exclude={"effect", "version"})
    return AppealDecided(version=3, outcome=outcome, **values)


def remedy(kind: Any, **values: Any) -> RemedyRequested:
    """A remedy that a case asks for."""
    who = {"case_reference": "GR-2", "requested_by": "officer-9"}
    return RemedyRequested(version=1, remedy_id=uuid7(), case_id=uuid7(), kind=kind, **who, **values)


async def _enrolled(office: Office, state: HouseholdRegistered) -> Any:
    await office.service.deliver(state)
    await office.publish()
    await office.enrol()
    await office.service.outbox()
    return (await enrolments(office))[state.household_id]


async def test_an_appeal_that_lets_go_on_keeps_the_platform_from_ending_until_it_is_decided(office: Office) -> None:
    state = household()
    enrolment = await _enrolled(office, state)
    lodged = appeal(state, enrolment["decision_id"], "continue")
    await office.service.deliver(lodged)
    await office.service.deliver(state.model_copy(update={"version": 2, "poverty_level": None}))
    await look(office)
    assert (await enrolments(office))[state.household_id]["state"] == "approved"
    await office.service.deliver(decided(lodged, "rejected"))
    assert (await enrolments(office))[state.household_id]["state"] == "ended"


async def test_an_appeal_takes_up_again_what_the_appealed_decision_had_ended(office: Office) -> None:
    state = household()
    await _enrolled(office, state)
    await office.service.deliver(state.model_copy(update={"version": 2, "poverty_level": None}))
    await look(office)
    ended = (await enrolments(office))[state.household_id]
    assert ended["state"] == "ended"
    await office.service.outbox()
    await office.service.deliver(appeal(state, ended["decision_id"], "continue"))
    (approved,) = await told(office, EnrolmentApproved)
    assert (approved.beneficiary_id, approved.cause) == (state.household_id, "under_appeal")
    await look(office)
    assert (await enrolments(office))[state.household_id]["state"] == "approved"


async def test_what_a_panel_decides_is_told_as_the_cause_of_taking_part(office: Office) -> None:
    state = household(poverty_level=None)
    await office.service.deliver(state)
    await office.publish()
    await office.enrol()
    async with office.service.database.session() as session:
        refused = await session.scalar(select(StandingRow.decision_id))
    lodged = appeal(state, str(refused), "none")
    await office.service.deliver(lodged)
    await office.service.outbox()
    await office.service.deliver(state.model_copy(update={"version": 2, "poverty_level": 1}))
    await office.service.deliver(decided(lodged, "upheld"))
    (approved,) = await told(office, EnrolmentApproved)
    assert (approved.beneficiary_id, approved.cause) == (state.household_id, "appeal_decided")


async def test_an_appeal_with_hold_suspends_and_its_end_resumes(office: Office) -> None:
    state = household()
    enrolment = await _enrolled(office, state)
    lodged = appeal(state, enrolment["decision_id"], "hold")
    await office.service.deliver(lodged)
    await office.service.deliver(lodged)
    (suspended,) = await told(office, EnrolmentSuspended)
    assert suspended.cause == "appeal"
    await look(office)
    assert (await enrolments(office))[state.household_id]["state"] == "suspended"
    await office.service.deliver(decided(lodged, "upheld"))
    (resumed,) = await told(office, EnrolmentResumed)
    assert resumed.beneficiary_id == state.household_id


async def test_a_remedy_decides_again_enrols_and_is_answered_with_the_decision_once(office: Office) -> None:
    state = household(card_valid_until=date(2020, 6, 30))
    await office.service.deliver(state)
    await office.publish()
    await office.enrol()
    await office.service.outbox()
    await office.service.deliver(state.model_copy(update={"version": 2, "card_valid_until": date(2023, 1, 1)}))
    asked = remedy("redecide", beneficiary_id=state.household_id, programme_code=CODE)
    await office.service.deliver(asked, asked.model_copy())
    await office.service.deliver(asked)
    approved, answer = await told(office, EnrolmentApproved, RemedyAnswered)
    assert (approved.beneficiary_id, approved.cause) == (state.household_id, "case_remedy")
    assert (answer.outcome, answer.remedy_id, answer.case_id) == ("done", asked.remedy_id, asked.case_id)
    decision = await office.get(f"/decisions/{answer.result_id}")
    assert decision["qualifies"] is True


async def test_a_remedy_that_cannot_be_done_is_refused_with_a_code_and_those_of_others_are_left_to_them(
    office: Office,
) -> None:
    await _enrolled(office, household())
    dates = {"valid_from": date(2020, 7, 1), "valid_until": date(2020, 8, 1)}
    await office.service.deliver(
        remedy("redecide", beneficiary_id=uuid7(), programme_code=CODE),
        remedy("redecide", beneficiary_id=uuid7(), programme_code="KH-NONE"),
        remedy("waive_condition", beneficiary_id=uuid7(), condition="no_such", **dates),
        remedy("waive_condition"),
        remedy("reissue_payment", payment_id=uuid7()),
    )  # fmt: skip
    answers = await told(office, RemedyAnswered)
    assert [(answer.outcome, answer.reason_code) for answer in answers] == [
        ("refused", "beneficiary_unknown"),
        ("refused", "no_version_in_force"),
        ("refused", answers[2].reason_code),
        ("refused", "waiver_incomplete"),
    ]
    assert answers[2].reason_code.endswith("unknown")


async def test_an_officers_end_is_not_undone_by_a_reassessment(office: Office) -> None:
    state = household()
    enrolment = await _enrolled(office, state)
    await act(office, enrolment, "end", for_good=True)
    asked = remedy("redecide", beneficiary_id=state.household_id, programme_code=CODE)
    await office.service.deliver(asked)
    assert (await enrolments(office))[state.household_id]["state"] == "ended"
