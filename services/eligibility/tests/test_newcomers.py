"""Who newly qualifies is enrolled by the platform the next day, where the programme's file says so."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, get_args
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from services.eligibility.decisions.model import DecisionRow
from services.eligibility.enrolments.enrol_newcomers import first_to_enrol, queue_newcomers
from services.eligibility.enrolments.newcomers_sql import age_bounds
from services.eligibility.programmes.compiled import CompiledProgramme, compile_source
from services.eligibility.programmes.file import ProgrammeFileError
from services.eligibility.tests.builders import COVID, PACKS, household, member
from services.eligibility.tests.conftest import Office
from services.eligibility.tests.test_enrolment_life import CODE, act, enrolments, look, told
from shared.contracts.eligibility import DecisionMade, EnrolmentApproved, EnrolmentCause, EnrolmentWaitlisted
from shared.contracts.registry import HouseholdRegistered

WHEN = b"when: household.size > 0"
ELDERLY = COVID.replace(WHEN, b"when: members.exists(m, m.age >= 60)")
FAMILIES = COVID.replace(WHEN, b"when: members.exists(m, m.age < 5)")
NO_CARD = {"poverty_level": None, "card_valid_from": None, "card_valid_until": None}


async def next_day(office: Office, day: date) -> None:
    """The day begins: enrolments are judged again, and newcomers looked for."""
    office.service.clock.advance(day - office.service.clock.now().date())
    await look(office)
    await newcomers(office)


async def newcomers(office: Office) -> None:
    """Run the schedule that looks for newcomers, and its jobs."""
    await queue_newcomers(office.service.context)
    await office.service.run_jobs()


async def opened(office: Office, *states: HouseholdRegistered, source: bytes = COVID, enrolled: int = 0) -> None:
    """The programme is published, and an officer has enrolled who qualified on 1 July."""
    await office.service.deliver(*states)
    await office.publish(source)
    assert (await office.enrol())["newly_enrolled"] == enrolled
    await office.service.outbox()


async def causes(office: Office) -> dict[UUID, Any]:
    """State and cause of every enrolment, by beneficiary."""
    return {key: (row["state"], row["cause"]) for key, row in (await enrolments(office)).items()}


async def numbers(office: Office) -> tuple[int, int, int]:
    """Decisions, events and jobs so far."""
    async with office.service.database.session() as session:
        decisions = await session.scalar(select(func.count()).select_from(DecisionRow))
        events = await session.scalar(text("SELECT count(*) FROM outbox"))
        jobs = await session.scalar(text("SELECT count(*) FROM job"))
    return int(decisions or 0), int(events or 0), int(jobs or 0)


def changed(state: HouseholdRegistered, **facts: Any) -> HouseholdRegistered:
    """The next version of a household, from 2 July."""
    return state.model_copy(update={"version": state.version + 1, "effective_on": date(2020, 7, 2), **facts})


# --- why somebody newly qualifies -----------------------------------------------------------------------------------


async def test_who_reaches_the_age_is_enrolled_the_next_day_by_the_platform_with_that_cause(office: Office) -> None:
    state, young = household(member(0, birth_date=date(1960, 7, 15))), household(member(40))
    await opened(office, state, young, source=ELDERLY)
    await next_day(office, date(2020, 7, 14))
    assert await causes(office) == {}
    await next_day(office, date(2020, 7, 15))
    assert await causes(office) == {state.household_id: ("approved", "aged_in")}
    events = await told(office, DecisionMade, EnrolmentApproved)
    approved, decision = sorted(events, key=lambda event: event.TYPE, reverse=True)
    assert (decision.eligible, decision.decided_by, decision.decided_on) == (True, None, date(2020, 7, 15))
    assert (approved.beneficiary_id, approved.effective_on) == (state.household_id, date(2020, 7, 15))
    assert approved.cause == "aged_in"
    row = (await enrolments(office))[state.household_id]
    detail = await office.get(f"/enrolments/{row['id']}")
    (change,) = detail["history"]
    assert (change["action"], change["cause"], change["made_by"]) == ("approve", "aged_in", None)
    assert (await office.get(f"/decisions/{row['decision_id']}"))["qualifies"] is True
    async with office.service.database.session() as session:
        entries = await session.execute(text("SELECT actor, detail FROM audit_entry WHERE action = 'programme.enrol'"))
        by_platform = [entry.detail for entry in entries if entry.actor == "system:worker"]
    assert [(entry["newly_enrolled"], entry["causes"]) for entry in by_platform] == [(1, {"aged_in": 1})]


async def test_a_birth_enrols_the_household(office: Office) -> None:
    state = household()
    await opened(office, state, source=FAMILIES)
    baby = member(0, birth_date=date(2020, 7, 2))
    await office.service.deliver(changed(state, members=(*state.members, baby)))
    await next_day(office, date(2020, 7, 3))
    assert await causes(office) == {state.household_id: ("approved", "birth")}


async def test_a_new_card_a_move_and_a_new_household_are_enrolled_each_with_its_cause(office: Office) -> None:
    carded, moved = household(**NO_CARD), household(location_class="other_urban")
    source = COVID.replace(WHEN, b"when: household.location_class == 'rural'")
    await opened(office, carded, moved, source=source)
    new = household(effective_on=date(2020, 7, 2))
    card = {"poverty_level": 2, "card_valid_from": date(2020, 7, 2), "card_valid_until": date(2023, 7, 1)}
    await office.service.deliver(changed(carded, **card), changed(moved, location_class="rural"), new)
    await next_day(office, date(2020, 7, 3))
    assert await causes(office) == {
        carded.household_id: ("approved", "new_card"),
        moved.household_id: ("approved", "moved"),
        new.household_id: ("approved", "registered"),
    }


async def test_where_two_things_changed_no_single_cause_is_named(office: Office) -> None:
    state = household(**NO_CARD)
    await opened(office, state, source=FAMILIES)
    card = {"poverty_level": 1, "card_valid_from": date(2020, 7, 2), "card_valid_until": date(2023, 7, 1)}
    members = (*state.members, member(0, birth_date=date(2020, 7, 2)))
    await office.service.deliver(changed(state, members=members, **card))
    await next_day(office, date(2020, 7, 3))
    assert await causes(office) == {state.household_id: ("approved", "newly_eligible")}


async def test_of_persons_each_is_enrolled_by_herself_when_she_comes_of_age(office: Office) -> None:
    source = (PACKS / "kh" / "KH-DIS.yaml").read_bytes()
    source = source.replace(b"person.employment != 'full_time'", b"person.age >= 18")
    source = source.replace(b"enrolment: by_officer", b"enrolment: automatic")
    soon, later = (member(0, disability="severe", birth_date=date(2002, 7, day)) for day in (5, 25))
    await office.service.deliver(household(soon, later))
    await office.publish(source)
    await office.enrol("KH-DIS")
    await next_day(office, date(2020, 7, 6))
    page = await office.get("/programmes/KH-DIS/enrolments?limit=10")
    assert [(row["beneficiary_id"], row["cause"]) for row in page["items"]] == [(str(soon.person_id), "aged_in")]


def _clause(rule: str) -> CompiledProgramme:
    return compile_source(COVID.replace(WHEN, f"when: {rule}".encode()))


@pytest.mark.parametrize(
    ("rule", "bounds"),
    [
        ("members.exists(m, m.age >= 60)", [("age", 60)]),
        ("members.exists(m, m.age > 59)", [("age", 60)]),
        ("members.exists(m, 59 < m.age)", [("age", 60)]),
        ("members.exists(m, !(m.age < 60))", [("age", 60)]),
        ("members.exists(m, m.age_months >= 6 && m.age <= 17)", [("age", 18), ("age_months", 6)]),
        ("household.size > 3", []),
    ],
)
def test_the_ages_at_which_a_clause_turns_are_read_from_it(rule: str, bounds: list[tuple[str, int]]) -> None:
    assert age_bounds(_clause(rule).clauses[-1], own=False) == bounds


# --- when, and when not ---------------------------------------------------------------------------------------------


async def test_where_an_officer_enrols_nobody_is_enrolled_by_the_platform(office: Office) -> None:
    by_officer = COVID.replace(b"enrolment: automatic", b"enrolment: by_officer")
    silent = b"\n".join(line for line in COVID.split(b"\n") if not line.startswith(b"enrolment:"))
    for source in (by_officer, silent):
        assert source != COVID
        assert compile_source(source).file.enrolment == "by_officer"
    await opened(office, source=by_officer)
    await office.service.deliver(household())
    await next_day(office, date(2020, 7, 2))
    assert await causes(office) == {}
    assert (await office.enrol(on="2020-07-02"))["newly_enrolled"] == 1


async def test_looking_twice_on_one_day_changes_nothing_and_queues_nothing(office: Office) -> None:
    state = household(**NO_CARD)
    await opened(office, state, household(), enrolled=1)
    await office.service.deliver(household())
    await next_day(office, date(2020, 7, 2))
    assert len(await causes(office)) == 2
    before = await numbers(office)
    await newcomers(office)
    assert await numbers(office) == before


async def test_a_day_on_which_nothing_changed_keeps_no_decision_and_tells_nothing(office: Office) -> None:
    await opened(office, household(**NO_CARD), household(), enrolled=1)
    before = await numbers(office)
    await next_day(office, date(2020, 7, 2))
    after = await numbers(office)
    assert (after[0] - before[0], after[1] - before[1]) == (0, 0)
    assert after[2] > before[2], "everybody was looked at"


async def test_the_officers_job_and_the_platforms_are_one_job(office: Office) -> None:
    await opened(office)
    office.service.clock.advance(date(2020, 7, 2) - office.service.clock.now().date())
    await queue_newcomers(office.service.context)
    accepted = await office.post(f"/programmes/{CODE}:enrol", {"effective_on": "2020-07-02"}, status=202)
    await queue_newcomers(office.service.context)
    jobs = [job for job in await office.service.run_jobs() if job["payload"]["effective_on"] == "2020-07-02"]
    assert [str(job["id"]) for job in jobs] == [accepted["job_id"]]


async def test_before_an_officer_opened_the_programme_and_of_a_draft_nobody_is_enrolled(office: Office) -> None:
    await office.service.deliver(household())
    await office.publish(COVID.replace(b"enrolment: automatic", b"enrolment: by_officer"))
    draft = await office.post("/programmes", COVID, status=201)
    await next_day(office, date(2020, 7, 2))
    await office.enrol(on="2020-07-02")
    late = household()
    await office.service.deliver(late)
    await next_day(office, date(2020, 7, 3))
    assert late.household_id not in await causes(office), "the version that enrols by itself is a draft"
    await office.post(f"/programmes/{CODE}/versions/{draft['version']}:publish", status=200)
    await newcomers(office)
    assert (await causes(office))[late.household_id][0] == "approved"


async def test_a_published_programme_that_no_officer_opened_waits(office: Office) -> None:
    await office.service.deliver(household())
    await office.publish()
    await next_day(office, date(2020, 7, 2))
    assert await causes(office) == {}


async def test_what_an_officer_ended_does_not_begin_again_by_itself_what_the_platform_ended_does(
    office: Office,
) -> None:
    sent_away, expired = household(), household(card_valid_until=date(2020, 7, 4))
    await opened(office, sent_away, expired, enrolled=2)
    await act(office, (await enrolments(office))[sent_away.household_id], "end", cause="moved_abroad")
    await next_day(office, date(2020, 7, 5))
    assert (await causes(office))[expired.household_id] == ("ended", "card_expired")
    await office.service.deliver(changed(expired, card_valid_until=date(2023, 7, 4)))
    await next_day(office, date(2020, 7, 6))
    assert await causes(office) == {
        sent_away.household_id: ("ended", "moved_abroad"),
        expired.household_id: ("approved", "new_card"),
    }


async def test_when_the_quota_is_full_the_newcomer_waits_and_is_admitted_with_her_cause(office: Office) -> None:
    capacity = b"capacity: {quota: 1, ranking: [{by: household.poverty_level}]}\narrears: none #"
    state = household(poverty_level=2)
    await opened(office, state, source=COVID.replace(b"arrears: none #", capacity), enrolled=1)
    late = household()
    await office.service.deliver(late)
    await next_day(office, date(2020, 7, 2))
    (waiting,) = await told(office, EnrolmentApproved, EnrolmentWaitlisted)
    assert (type(waiting), waiting.beneficiary_id, waiting.rank) == (EnrolmentWaitlisted, late.household_id, 1)
    assert (await causes(office))[late.household_id] == ("waitlisted", "registered")
    await act(office, (await enrolments(office))[state.household_id], "end")
    assert (await causes(office))[late.household_id] == ("approved", "registered")
    (admitted,) = await told(office, EnrolmentApproved)
    assert (admitted.beneficiary_id, admitted.cause) == (late.household_id, "registered")


# --- what others are told -------------------------------------------------------------------------------------------


async def test_the_database_takes_no_cause_but_those_that_may_be_told(office: Office) -> None:
    """So every test above that looks at a cause has shown that it is one of the set."""
    async with office.service.database.session() as session:
        check = await session.scalar(
            text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_enrolment_approved_cause'")
        )
    assert set(re.findall(r"'([a-z_]+)'", str(check))) == set(get_args(EnrolmentCause))


async def test_each_approval_tells_its_cause_and_a_pause_and_a_move_do_not_change_it(office: Office) -> None:
    asked, carded = household(), household(**NO_CARD)
    await office.service.deliver(asked, carded)
    await office.publish()
    await office.enrol()
    (approved,) = await told(office, EnrolmentApproved)
    assert (approved.beneficiary_id, approved.cause) == (asked.household_id, "by_officer")
    card = {"poverty_level": 2, "card_valid_from": date(2020, 7, 2), "card_valid_until": date(2023, 7, 1)}
    await office.service.deliver(changed(carded, **card))
    await next_day(office, date(2020, 7, 3))
    (approved,) = await told(office, EnrolmentApproved)
    assert (approved.beneficiary_id, approved.cause) == (carded.household_id, "new_card")
    await act(office, (await enrolments(office))[asked.household_id], "suspend", cause="not_found_at_home")
    await act(office, (await enrolments(office))[asked.household_id], "resume", cause="found_again")
    assert await told(office, EnrolmentApproved) == []
    await office.service.deliver(changed(asked, village_code="02020304"))
    await next_day(office, date(2020, 7, 4))
    (moved,) = await told(office, EnrolmentApproved)
    assert (moved.beneficiary_id, moved.village_code, moved.cause) == (asked.household_id, "02020304", "by_officer")
    row = (await enrolments(office))[asked.household_id]
    assert (row["cause"], row["approved_cause"]) == ("found_again", "by_officer")


# --- two programmes -------------------------------------------------------------------------------------------------


async def test_who_qualifies_for_two_programmes_gets_into_the_one_that_the_other_names(office: Office) -> None:
    """By their codes the refusing one would come first, and both would take her."""
    refusing = COVID.replace(b"KH-CTP-COVID", b"KH-AAA").replace(
        b"arrears: none #", b"exclusivity: [{programme: KH-CTP-COVID, effect: refuse}]\narrears: none #"
    )
    await opened(office)
    await office.publish(refusing)
    await office.enrol("KH-AAA")
    state = household()
    await office.service.deliver(state)
    await next_day(office, date(2020, 7, 2))
    await newcomers(office)
    assert (await causes(office))[state.household_id][0] == "approved"
    assert (await office.get("/programmes/KH-AAA/enrolments?limit=10"))["items"] == []


@pytest.mark.parametrize(
    ("due", "first"),
    [
        ({"A": {"B"}, "B": set(), "C": {"X"}}, ["B", "C"]),
        ({"A": {"B"}, "B": {"A"}}, ["A"]),
        ({"A": {"A"}}, ["A"]),
        ({}, []),
    ],
)
def test_a_programme_waits_for_those_it_refuses_and_two_that_name_each_other_do_not_wait_for_ever(
    due: Mapping[str, Collection[str]], first: list[str]
) -> None:
    assert first_to_enrol(due) == first


# --- the file -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["KH-HEF", "KH-NSSF-BIRTH"])
def test_a_programme_that_enrols_nobody_cannot_enrol_by_itself(name: str) -> None:
    source = (PACKS / "kh" / f"{name}.yaml").read_bytes().replace(b"unit:", b"enrolment: automatic\nunit:", 1)
    with pytest.raises(ProgrammeFileError) as refused:
        compile_source(source)
    assert any("enrolment automatic" in error.message for error in refused.value.errors)


def test_the_packs_enrol_by_themselves_where_the_sources_know_no_application() -> None:
    said = {path.stem: compile_source(path.read_bytes()).file.enrolment for path in (PACKS / "kh").glob("KH-*.yaml")}
    assert {code for code, how in said.items() if how == "automatic"} == {
        "KH-CTP-COVID", "KH-CTP-COVID-EXIT", "KH-FP", "KH-FLOOD-22", "KH-INFL-22",
    }  # fmt: skip
