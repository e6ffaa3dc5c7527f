"""Escalation: up the ladder when the local day is over, once a level, whatever restarts, workers and clocks do."""

from __future__ import annotations

import asyncio
import random
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.grievance.app import SERVICE
from services.grievance.cases import escalate_cases
from services.grievance.cases.states import OPEN_STATES, CaseState
from services.grievance.tests.building import COMMUNE, Officer, complaint, run_schedule, start
from shared.contracts.grievance import CaseEscalated
from shared.testing.plugin import MakeService
from shared.testing.service import TestService
from shared.worker import Worker


@pytest.fixture
async def grievance(make_service: MakeService) -> TestService:
    return await start(make_service)


async def escalate(grievance: TestService) -> None:
    await run_schedule(grievance, "escalate_cases")


async def test_a_case_climbs_every_level_once_and_stays_at_the_top(grievance: TestService) -> None:
    opened = await Officer(grievance).open(contact={"kind": "phone", "value": "+85512345678"})
    await grievance.outbox()
    levels = []
    for _ in range(8):
        grievance.clock.advance(timedelta(days=60))
        await escalate(grievance)
        await escalate(grievance)
        told = await grievance.outbox()
        assert len(told) <= 1
        levels += [event.level for event in told if isinstance(event, CaseEscalated)]
    assert levels == ["district", "province", "ministry", "regulator"]
    case = (await Officer(grievance).get(f"/cases/{opened['id']}")).json()
    assert (case["level"], case["overdue"]) == ("regulator", True)
    assert [step["version"] for step in case["history"]] == [1, 2, 3, 4, 5]
    assert [message["step"] for message in case["messages"]] == ["opened"] + ["escalated"] * 4


async def test_it_is_due_when_the_local_day_is_over_and_not_a_minute_before(grievance: TestService) -> None:
    officer = Officer(grievance)
    opened = await officer.open()
    await officer.act(opened, "assign", {})
    await grievance.outbox()
    grievance.clock.advance(timedelta(days=14, hours=7, minutes=59))  # 15 July 23:59 in Phnom Penh
    await escalate(grievance)
    assert await grievance.outbox() == []
    grievance.clock.advance(timedelta(minutes=1))
    await escalate(grievance)
    (told,) = await grievance.outbox()
    assert isinstance(told, CaseEscalated)
    assert (told.level, told.due_on) == ("district", date(2020, 7, 23)), "five working days after Thursday the 16th"
    case = (await Officer(grievance).get(f"/cases/{opened['id']}")).json()
    assert (case["state"], case["assigned_to"]) == ("opened", None), "the level above must give it an owner"


async def test_two_workers_at_once_and_many_chunks_escalate_each_case_once(
    grievance: TestService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(escalate_cases, "CHUNK", 3)
    for _ in range(10):
        await Officer(grievance).open()
    await grievance.outbox()
    grievance.clock.advance(timedelta(days=30))
    await asyncio.gather(escalate(grievance), escalate(grievance), escalate(grievance))
    await escalate(grievance)
    told = await grievance.outbox()
    assert len(told) == len({event.key for event in told}) == 10


async def test_a_worker_that_dies_before_its_commit_escalates_nothing_and_the_next_one_does(
    grievance: TestService,
) -> None:
    await Officer(grievance).open()
    await grievance.outbox()
    grievance.clock.advance(timedelta(days=30))
    async with grievance.commits_fail():
        with pytest.raises(Exception, match="commit refused"):
            await escalate(grievance)
    assert await grievance.outbox() == []
    await escalate(grievance)
    assert len(await grievance.outbox()) == 1


async def test_the_scheduler_goes_on_after_the_clock_was_a_year_ahead_and_is_set_back(grievance: TestService) -> None:
    """It had planned its next run for next year; set back, it must not sleep until then."""
    worker = Worker(grievance.context, owner="w")
    await worker.run_due_schedules()
    grievance.clock.advance(timedelta(days=365))
    await worker.run_due_schedules()
    grievance.clock.advance(timedelta(days=-365))
    assert await worker.run_due_schedules() == len(SERVICE.schedules)
    assert await worker.run_due_schedules() == 0


async def test_answered_cases_rest_and_referred_ones_stay_with_the_institution(grievance: TestService) -> None:
    officer = Officer(grievance)
    done = await officer.act(
        await officer.act(await officer.open(), "assign", {}), "resolve", {"outcome": "upheld", "note": "x"}
    )
    away = await officer.act(await officer.open(), "assign", {})
    away = await officer.act(away, "refer", {"institution": "nssf", "note": "theirs"})
    grievance.clock.advance(timedelta(days=30))
    await escalate(grievance)
    officer = Officer(grievance)
    assert (await officer.get(f"/cases/{done['id']}")).json()["level"] == "commune"
    moved = (await officer.get(f"/cases/{away['id']}")).json()
    assert (moved["level"], moved["state"], moved["assigned_to"]) == ("district", "referred", "officer-1")


@pytest.mark.parametrize("seed", range(3))
async def test_any_order_of_requests_and_ticks_leaves_legal_cases_with_one_deadline(
    grievance: TestService, seed: int
) -> None:
    """The pure property, on the real service: two cases, random actions of officers, ticks, and a clock set back."""
    dice = random.Random(seed)
    ids = [(await Officer(grievance).open(place_code=COMMUNE + "01"))["id"] for _ in range(2)]
    bodies: dict[str, Any] = {
        "assign": {},
        "start": None,
        "refer": {"institution": "nssf", "note": "x"},
        "return": {"answer": "handled", "note": "x"},
        "triage": {"category": "registry"},
        "resolve": {"outcome": "rejected", "note": "x"},
        "close": None,
        "reopen": {"note": "x"},
    }
    for _ in range(40):
        case_id = dice.choice(ids)
        action = dice.choice([*bodies, "merge", "tick", "tick"])
        if action == "tick":
            grievance.clock.advance(timedelta(days=dice.choice([-3, 1, 5, 20])))
            await escalate(grievance)
            continue
        officer = Officer(grievance)
        body = {"into": next(other for other in ids if other != case_id)} if action == "merge" else bodies[action]
        version = (await officer.get(f"/cases/{case_id}")).json()["version"]
        answer = await officer.post(f"/cases/{case_id}:{action}", body, version=version)
        assert answer.status_code in {200, 409, 422}, answer.text
    for case_id in ids:
        case = (await Officer(grievance).get(f"/cases/{case_id}")).json()
        assert case["state"] in set(CaseState)
        assert [step["version"] for step in case["history"]] == list(range(1, case["version"] + 1))
        climbed = [step["detail"]["level"] for step in case["history"] if step["action"] == "escalate"]
        assert len(climbed) == len(set(climbed)), "a level is reached once"
    async with grievance.database.session() as session:
        rows = (await session.execute(text("SELECT state, answered, due_on FROM grievance_case"))).all()
    assert all(row.answered == (row.state not in OPEN_STATES) and row.due_on for row in rows)


async def test_sealed_cases_climb_too_without_a_word(grievance: TestService) -> None:
    body = complaint(category="conduct")
    opened = (await Officer(grievance, role="public_client").post("/cases", body)).json()
    grievance.clock.advance(timedelta(days=30))
    await escalate(grievance)
    assert await grievance.outbox() == []
    case = (await Officer(grievance, role="sealed_case_officer").get(f"/cases/{opened['id']}")).json()
    assert case["level"] == "ministry", "conduct begins at the province"


async def test_a_case_at_a_level_that_was_taken_out_of_the_file_goes_to_the_top_and_is_not_forgotten(
    grievance: TestService,
) -> None:
    opened = await Officer(grievance).open(contact={"kind": "phone", "value": "+85512345678"})
    async with grievance.database.session() as session:
        await session.execute(text("UPDATE grievance_case SET level = 'canton'"))
    grievance.clock.advance(timedelta(days=30))
    await escalate(grievance)
    await escalate(grievance)
    await run_schedule(grievance, "send_notifications")
    case = (await Officer(grievance).get(f"/cases/{opened['id']}")).json()
    assert case["level"] == "regulator"
    assert [(message["step"], message["state"]) for message in case["messages"]] == [
        ("opened", "sent"),
        ("escalated", "sent"),
    ]
