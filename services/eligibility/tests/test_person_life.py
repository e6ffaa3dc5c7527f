"""The life of enrolments of persons: how long by severity, out of a job and in, dead, moved; suspended by a rule."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.eligibility.enrolments import reassess_programme
from services.eligibility.tests.builders import COVID, PACKS, household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.test_enrolment_life import enrolments, look, told
from shared.contracts.eligibility import EnrolmentApproved, EnrolmentEnded, EnrolmentResumed, EnrolmentSuspended
from shared.contracts.registry import HouseholdRegistered, LifeEventRecorded
from shared.ids import uuid7

CODE = "KH-DIS"


async def _enrolled(office: Office, *states: HouseholdRegistered) -> dict[UUID, Any]:
    await office.service.deliver(*states)
    await office.publish((PACKS / "kh" / "KH-DIS.yaml").read_bytes())
    await office.enrol(CODE)
    found = await office.get(f"/programmes/{CODE}/enrolments?limit=100")
    return {UUID(item["beneficiary_id"]): item for item in found["items"]}


async def test_persons_graduate_after_the_months_of_their_severity_and_are_explained_as_persons(office: Office) -> None:
    severe, mild, well = member(disability="severe"), member(disability="mild"), member()
    state = household(severe, mild, well)
    found = await _enrolled(office, state)
    assert set(found) == {severe.person_id, mild.person_id}
    decision = await office.get(f"/decisions/{found[mild.person_id]['decision_id']}")
    assert decision["household_id"] == str(state.household_id)
    assert decision["clauses"][1]["facts"]["person.disability"] == "mild"
    await office.service.outbox()
    office.service.clock.advance(timedelta(days=100))
    await look(office)
    (ended,) = await told(office, EnrolmentEnded)
    assert (ended.beneficiary_id, ended.cause) == (mild.person_id, "duration_over")
    cycle = await office.compute(await office.open(CODE, "2020-10"))
    assert (cycle["count"], cycle["amount"]) == (1, "20000.00")


async def test_who_dies_ends_as_deceased_and_who_leaves_the_household_as_no_longer_registered(office: Office) -> None:
    dead, gone, stays = (member(disability="severe") for _ in range(3))
    state = household(dead, gone, stays)
    await _enrolled(office, state)
    await office.service.outbox()
    death = LifeEventRecorded(
        version=1, life_event_id=uuid7(), kind="death", person_id=dead.person_id, household_id=state.household_id,
        occurred_on=date(2020, 7, 1), source="officer", village_code=state.village_code, living_members=2,
    )  # fmt: skip
    later = state.model_copy(update={"version": 2, "members": (stays,), "effective_on": date(2020, 7, 1)})
    await office.service.deliver(death, later)
    await look(office)
    ends = {event.beneficiary_id: event.cause for event in await told(office, EnrolmentEnded)}
    assert ends == {dead.person_id: "deceased", gone.person_id: "no_longer_registered"}


async def test_a_person_who_moves_to_another_household_stays_enrolled_with_her_new_place(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two households lie in different ranges of ids."""
    monkeypatch.setattr(reassess_programme, "CHUNK", 1)
    person = member(disability="severe")
    old, new = household(person, member()), household(member(), village_code="02020304")
    await _enrolled(office, old, new)
    await office.service.outbox()
    await office.service.deliver(
        old.model_copy(update={"version": 2, "members": old.members[1:], "effective_on": date(2020, 7, 1)}),
        new.model_copy(update={"version": 2, "members": (*new.members, person), "effective_on": date(2020, 7, 1)}),
    )
    await look(office)
    (moved,) = await told(office, EnrolmentApproved, EnrolmentEnded)
    assert (type(moved), moved.village_code) == (EnrolmentApproved, "02020304")


async def test_a_rule_of_the_programme_suspends_while_it_holds(office: Office) -> None:
    rule = (
        "suspensions: [{id: in_town, when: household.location_class == 'other_urban', "
        "reason: {km: ទីក្រុង, en: In town.}}]\narrears: none #"
    )
    state = household()
    await office.service.deliver(state)
    await office.publish(COVID.replace(b"arrears: none #", rule.encode()))
    await office.enrol()
    await office.service.outbox()
    town = state.model_copy(update={"version": 2, "location_class": "other_urban", "effective_on": date(2020, 7, 1)})
    await office.service.deliver(town)
    await look(office)
    (suspended,) = await told(office, EnrolmentSuspended)
    assert suspended.cause == "rule.in_town"
    await office.service.deliver(town.model_copy(update={"version": 3, "location_class": "rural"}))
    await look(office)
    assert len(await told(office, EnrolmentResumed)) == 1
    assert (await enrolments(office))[state.household_id]["state"] == "approved"


async def test_who_grows_too_old_ends_on_her_birthday_without_anybody_telling_anything(office: Office) -> None:
    """Ageing out is no event: the daily look finds that the clause no longer holds."""
    source = (PACKS / "kh" / "KH-DIS.yaml").read_bytes()
    young = source.replace(b"person.employment != 'full_time'", b"person.age < 18")
    assert young != source
    leaves = member(disability="severe", birth_date=date(2002, 7, 15))
    stays = member(disability="severe", birth_date=date(2010, 7, 15))
    await office.service.deliver(household(leaves, stays))
    await office.publish(young)
    assert (await office.enrol(CODE))["newly_enrolled"] == 2
    await office.service.outbox()
    office.service.clock.advance(date(2020, 7, 16) - office.service.clock.now().date())
    await look(office)
    (ended,) = await told(office, EnrolmentEnded)
    assert (ended.beneficiary_id, ended.cause) == (leaves.person_id, "clause.no_full_time_job")
