"""By itself: a payment that fails opens one case, fails again into it, closes it when paid; set-wise and once."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.grievance.automatic.plan import KnownCase, plan, waves
from services.grievance.tests.building import (
    ELSEWHERE,
    VILLAGE,
    Officer,
    about_payment,
    payment,
    start,
    uid,
)
from shared.contracts.grievance import CaseClosed, CaseOpened, CaseReopened, CaseResolved
from shared.testing.plugin import MakeService
from shared.testing.service import TestService


@pytest.fixture
async def grievance(make_service: MakeService) -> TestService:
    return await start(make_service)


async def cases(grievance: TestService, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await Officer(grievance).get("/cases", **query)).json()["items"]
    return found


@pytest.mark.parametrize("status", ["failed", "returned", "excluded"])
async def test_a_payment_that_fails_opens_one_case_where_the_family_lives(grievance: TestService, status: str) -> None:
    failure = payment("p", status, 2)
    await grievance.deliver(failure, failure)
    await grievance.deliver(failure)
    (case,) = await cases(grievance)
    assert (case["category"], case["channel"], case["place_code"]) == ("payment", "platform", VILLAGE)
    assert (case["subject_id"], case["level"], case["anonymous"]) == (str(uid("payment", "p")), "commune", True)
    (told,) = await grievance.outbox()
    assert isinstance(told, CaseOpened)
    assert (str(told.case_id), told.due_on.isoformat()) == (case["id"], case["due_on"])


async def test_it_adds_to_the_case_when_it_fails_again_and_closes_it_when_paid(grievance: TestService) -> None:
    await grievance.deliver(payment("p", "failed", 2))
    await grievance.deliver(payment("p", "instructed", 3, attempt=2))
    await grievance.deliver(payment("p", "returned", 5, attempt=2))
    await grievance.deliver(payment("p", "settled", 7, attempt=3))
    (case,) = await cases(grievance)
    detail = (await Officer(grievance).get(f"/cases/{case['id']}")).json()
    assert [step["action"] for step in detail["history"]] == ["open", "payment_failed", "resolve", "close"]
    assert detail["history"][1]["detail"] == {"status": "returned", "attempt": 2, "reason_code": "AC04"}
    assert (detail["state"], detail["outcome"]) == ("closed", "upheld")
    told = await grievance.outbox()
    assert [type(event) for event in told] == [CaseOpened, CaseResolved, CaseClosed]
    assert [event.version for event in told] == [1, 3, 4]

    await grievance.deliver(payment("p", "returned", 9, attempt=3))
    (case,) = await cases(grievance)
    assert (case["state"], case["outcome"]) == ("reopened", None), "it came back: the same case"
    assert [type(event) for event in await grievance.outbox()] == [CaseReopened]


@pytest.mark.parametrize("batches", [[[0, 1, 2]], [[0], [1], [2]], [[2, 0, 1]], [[0, 1], [2]]])
async def test_a_payment_that_fails_and_is_paid_within_one_batch_opens_one_case_and_closes_it(
    grievance: TestService, batches: list[list[int]]
) -> None:
    """Batches are an accident of delivery: the case, its history and its events are the same as one by one."""
    events = [
        payment("p", "failed", 2),
        payment("p", "instructed", 3, attempt=2),
        payment("p", "settled", 4, attempt=2),
    ]
    for batch in batches:
        await grievance.deliver(*(events[n] for n in batch), payment("q", "instructed", 1))
    (case,) = await cases(grievance)
    detail = (await Officer(grievance).get(f"/cases/{case['id']}")).json()
    assert [step["action"] for step in detail["history"]] == ["open", "resolve", "close"]
    assert detail["history"][0]["detail"]["reason_code"] == "AC04"
    assert (detail["state"], detail["outcome"]) == ("closed", "upheld")
    assert [step["status"] for step in detail["payment"]["history"]] == ["failed", "instructed", "settled"]
    told = await grievance.outbox()
    assert [(type(event), event.version) for event in told] == [(CaseOpened, 1), (CaseResolved, 2), (CaseClosed, 3)]


async def test_every_failure_within_one_batch_is_in_the_history_and_the_last_word_counts(
    grievance: TestService,
) -> None:
    whole = [payment("p", "failed", 2), payment("p", "settled", 3), payment("p", "returned", 5)]
    await grievance.deliver(*whole, payment("p", "failed", 7, attempt=2), payment("q", "failed", 1))
    items = {case["subject_id"]: case for case in await cases(grievance)}
    mine = items[str(uid("payment", "p"))]
    history = (await Officer(grievance).get(f"/cases/{mine['id']}")).json()["history"]
    assert [step["action"] for step in history] == ["open", "resolve", "close", "reopen", "payment_failed"]
    assert (mine["state"], len(items)) == ("reopened", 2)
    await grievance.outbox()
    await grievance.deliver(*whole)
    assert await grievance.outbox() == [], "told before: no news"


async def test_a_failure_told_of_after_the_money_arrived_is_kept_in_the_history_and_opens_nothing(
    grievance: TestService,
) -> None:
    await grievance.deliver(payment("p", "settled", 3))
    await grievance.deliver(payment("p", "failed", 2), payment("p", "settled", 3))
    assert await cases(grievance) == []
    own = (await Officer(grievance).post("/cases", about_payment("p"))).json()
    told = (await Officer(grievance).get(f"/cases/{own['id']}")).json()["payment"]
    assert (told["status"], [step["status"] for step in told["history"]]) == ("settled", ["failed", "settled"])


async def test_two_thousand_failures_and_their_settlement_are_a_batch_each(grievance: TestService) -> None:
    names = [f"p{n}" for n in range(2000)]
    await grievance.deliver(*(payment(name, "failed", 2) for name in names))
    told = await grievance.outbox()
    assert len({event.key for event in told}) == 2000
    await grievance.deliver(*(payment(name, "settled", 3) for name in names))
    told = await grievance.outbox()
    assert [type(event) for event in told[:2]] == [CaseResolved, CaseClosed]
    assert len(told) == 4000
    assert await cases(grievance, answered=False) == []


@pytest.mark.parametrize("reason", ["hold", "deceased"])
async def test_what_is_left_out_because_of_a_hold_or_a_death_opens_nothing(grievance: TestService, reason: str) -> None:
    await grievance.deliver(payment("p", "excluded", 1, reason_code=reason))
    assert await cases(grievance) == []


@pytest.mark.parametrize("status", ["failed", "returned", "excluded"])
async def test_a_refund_to_an_employer_that_fails_opens_nothing_beside_the_families_cases(
    grievance: TestService, status: str
) -> None:
    refund = {"programme_code": "REFUND", "component": "refund", "beneficiary_reference": "RF-1"}
    await grievance.deliver(payment("r", status, 2, **refund), payment("p", "failed", 2))
    assert [case["subject_id"] for case in await cases(grievance)] == [str(uid("payment", "p"))]
    own = (await Officer(grievance).post("/cases", about_payment("r"))).json()
    told = (await Officer(grievance).get(f"/cases/{own['id']}")).json()["payment"]
    assert (told["status"], told["programme_code"]) == (status, "REFUND"), "an employer who complains is understood"


async def test_a_family_that_complains_itself_takes_the_place_of_the_automatic_case(grievance: TestService) -> None:
    await grievance.deliver(payment("p", "failed", 2))
    (automatic,) = await cases(grievance)
    await grievance.outbox()
    own = (await Officer(grievance).post("/cases", about_payment("p"))).json()
    merged = (await Officer(grievance).get(f"/cases/{automatic['id']}")).json()
    assert (merged["state"], merged["merged_into"]) == ("merged", own["id"])
    assert [type(event) for event in await grievance.outbox()] == [CaseOpened, CaseClosed]

    await grievance.deliver(payment("p", "returned", 4, attempt=2))
    await grievance.deliver(payment("p", "settled", 6, attempt=3))
    detail = (await Officer(grievance).get(f"/cases/{own['id']}")).json()
    assert [step["action"] for step in detail["history"]] == ["open", "payment_failed", "payment_settled"]
    assert detail["state"] == "opened", "a person complained: a person answers"
    assert await grievance.outbox() == []


async def test_a_complaint_that_was_there_before_the_failure_is_added_to(grievance: TestService) -> None:
    own = (await Officer(grievance).post("/cases", about_payment("p"))).json()
    await grievance.deliver(payment("p", "failed", 2))
    assert [case["id"] for case in await cases(grievance)] == [own["id"]]


async def test_a_case_that_an_officer_works_on_is_not_taken_from_her_by_a_complaint(grievance: TestService) -> None:
    await grievance.deliver(payment("p", "failed", 2))
    (automatic,) = await cases(grievance)
    officer = Officer(grievance)
    await officer.act(automatic, "assign", {})
    own = (await officer.post("/cases", about_payment("p"))).json()
    similar = (await officer.get(f"/cases/{own['id']}/similar")).json()
    assert [case["id"] for case in similar] == [automatic["id"]]


async def test_a_replay_of_the_whole_topic_reopens_nothing(grievance: TestService) -> None:
    history = [payment("p", "failed", 2), payment("p", "settled", 3), payment("q", "failed", 2)]
    for event in history:
        await grievance.deliver(event)
    before = await cases(grievance)
    await grievance.outbox()
    async with grievance.database.session() as session:
        for subscription in grievance.context.service.subscriptions:
            if subscription.reset is not None:
                await subscription.reset(grievance.context, session)
    for event in history:
        await grievance.deliver(event)
    assert await cases(grievance) == before
    assert await grievance.outbox() == []


async def test_a_sealed_case_about_the_payment_is_not_touched_and_does_not_stop_the_batch(
    grievance: TestService,
) -> None:
    await grievance.deliver(payment("p", "failed", 2))
    (automatic,) = await cases(grievance)
    answer = await Officer(grievance).post(f"/cases/{automatic['id']}:triage", {"category": "conduct"}, version=1)
    assert answer.status_code == 200, answer.text
    await grievance.deliver(payment("p", "returned", 4), payment("q", "failed", 2, village=ELSEWHERE))
    assert [case["place_code"] for case in await cases(grievance)] == [ELSEWHERE]


@pytest.mark.parametrize("seed", range(2))
async def test_any_batching_of_the_same_events_ends_with_one_case_in_the_state_of_the_last_one(
    grievance: TestService, seed: int
) -> None:
    dice = random.Random(seed)
    events = [
        payment("p", "failed", 2),
        payment("p", "returned", 4, attempt=2),
        payment("p", "settled", 6, attempt=3),
        payment("p", "returned", 8, attempt=3),
    ]
    dice.shuffle(events)
    while events:
        cut = dice.randint(1, len(events))
        await grievance.deliver(*events[:cut])
        events = events[cut:]
    (case,) = await cases(grievance)
    assert case["state"] in {"opened", "reopened"}


rows = st.lists(
    st.builds(
        lambda name, version: {"payment_id": uid(name), "version": version}, st.sampled_from("abc"), st.integers(1, 6)
    ),
    max_size=20,
)


@given(rows, st.dictionaries(st.sampled_from([uid(name) for name in "abc"]), st.integers(0, 4)))
def test_waves_hold_each_new_state_once_in_order_and_no_payment_twice(
    told: list[dict[str, Any]], before: dict[UUID, int]
) -> None:
    found = waves(told, before)
    for wave in found:
        assert len({row["payment_id"] for row in wave}) == len(wave) > 0
    flat = [(row["payment_id"], row["version"]) for wave in found for row in wave]
    news = {(row["payment_id"], row["version"]) for row in told if row["version"] > before.get(row["payment_id"], 0)}
    assert len(flat) == len(set(flat))
    assert set(flat) == news
    for name in "abc":
        versions = [version for payment_id, version in flat if payment_id == uid(name)]
        assert versions == sorted(versions)


known = st.builds(
    KnownCase,
    id=st.uuids(),
    payment_id=st.just(uid("payment", "p")),
    automatic=st.just(False),
    answered=st.booleans(),
    payment_version=st.integers(0, 5),
)


@given(st.lists(known, max_size=4), st.booleans(), st.booleans(), st.integers(0, 5), st.integers(1, 6), st.booleans())
def test_a_payment_gets_at_most_one_case_and_an_old_version_changes_nothing(
    complaints: list[KnownCase], there: bool, answered: bool, noted: int, version: int, paid: bool
) -> None:
    automatic = [KnownCase(uid("auto"), uid("payment", "p"), True, answered, noted)] if there else []
    row = {"payment_id": uid("payment", "p"), "version": version}
    decided = plan([] if paid else [row], [row] if paid else [], [*complaints, *automatic])
    touched = [*decided.to_note, *decided.to_reopen, *decided.to_settle, *decided.to_note_paid]
    assert len(decided.to_open) <= (0 if there or paid else 1)
    assert len(decided.to_open) + len(decided.to_note) + len(decided.to_reopen) <= 1
    versions = {case.id: case.payment_version for case in [*complaints, *automatic]}
    assert all(versions[case_id] < version for case_id, _ in touched)
