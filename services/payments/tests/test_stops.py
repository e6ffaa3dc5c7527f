"""An emergency stop that comes while a list is being disbursed: what no rail has yet does not go."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.payments.emergency_stops.check import stopped_attempts, stops_sending
from services.payments.ledger.run_self_check import find_differences
from services.payments.lists.disburse_list import run_disbursement
from services.payments.rails.dispatch_batch import dispatch_batch
from services.payments.rails.form_batches import form_batches
from services.payments.tests.builders import CORE, PROGRAMME, SETTINGS, Cycle, Office, grants
from shared.jobs import JobFailed
from shared.testing.plugin import MakeService

TARGETS = {"programme": PROGRAMME, "fund": "TREASURY-20", "rail": "mobile_money"}


class Watched:
    """A run of the job that lets a test act after a chunk was committed."""

    def __init__(self, office: Office, built: dict[str, Any], act: Any) -> None:
        self.context, self.payload, self.created_by = office.service.context, {"payment_list_id": built["id"]}, "test"
        self._act, self.chunks = act, 0

    async def still_mine(self, session: Any) -> None:
        """It is."""

    async def progress(self, *_: Any) -> None:
        self.chunks += 1
        if self.chunks == 2:
            await self._act()


async def approved(make_service: MakeService) -> tuple[Office, Cycle, dict[str, Any]]:
    """Thirty payments in chunks of seven, approved, and asked to be disbursed; the job has not run."""
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(30))
    await office.prepare(cycle)
    built = await office.build(cycle)
    await office.approve(built)
    await office.post(f"/payment-lists/{built['id']}:disburse", office.releaser, None, 202)
    return office, cycle, built


async def lift(office: Office, placed: dict[str, Any]) -> None:
    await office.post(f"/emergency-stops/{placed['id']}:lift", office.releaser, {"reason": "looked into"}, 200)


@pytest.mark.parametrize("scope", ["programme", "fund"])
async def test_a_stop_placed_between_two_chunks_halts_the_rest_which_goes_out_once_when_it_is_lifted(
    make_service: MakeService, scope: str
) -> None:
    office, _, built = await approved(make_service)
    stop = {"scope": scope, "target": TARGETS[scope], "reason": "fraud suspected"}
    placed: list[dict[str, Any]] = []

    async def act() -> None:
        placed.append((await office.post("/emergency-stops", office.checker, stop, 201)).json())

    run: Any = Watched(office, built, act)
    with pytest.raises(JobFailed) as failed:
        await run_disbursement(run)
    assert failed.value.code == "emergency_stopped"
    assert len(await office.attempts()) == 14
    amounts = [attempt.amount for attempt in await office.attempts()]
    balances = await office.balances()
    assert (balances["in_transit"], balances["reserved"]) == (sum(amounts), int(built["ready_amount"]) - sum(amounts))
    await nothing_leaves(office)
    await lift(office, placed[0])
    await office.service.run_jobs()
    assert len({attempt.payment_id for attempt in await office.attempts()}) == 30
    assert len(await office.attempts()) == 30
    assert (await office.balances())["reserved"] == 0
    assert (await office.self_check())["items"] == []


async def nothing_leaves(office: Office) -> None:
    """Batches are formed, and none of them is handed to its rail."""
    context = office.service.context
    await form_batches(context)
    async with office.service.database.session() as session:
        batches = (await session.scalars(text("SELECT id FROM batch"))).all()
    for batch in batches:
        await dispatch_batch(context, batch)
    async with office.service.database.session() as session:
        assert (await session.scalars(text("SELECT count(*) FROM batch WHERE tries > 0"))).one() == 0
    assert {attempt.state for attempt in await office.attempts()} == {"queued"}


async def test_a_rail_stopped_during_the_disbursement_is_handed_nothing(make_service: MakeService) -> None:
    office, _, built = await approved(make_service)
    stop = {"scope": "rail", "target": TARGETS["rail"], "reason": "the operator was broken into"}

    async def act() -> None:
        await office.post("/emergency-stops", office.checker, stop, 201)

    run: Any = Watched(office, built, act)
    await run_disbursement(run)
    assert len(await office.attempts()) == 30
    async with office.service.database.session() as session:
        assert await stops_sending(session, rail="mobile_money", payment_list_id=UUID(built["id"])) == "rail_stopped"
    await nothing_leaves(office)


async def test_a_person_stopped_during_the_disbursement_waits_wherever_her_payment_is(
    make_service: MakeService,
) -> None:
    office, cycle, built = await approved(make_service)
    ordered = sorted(range(30), key=lambda index: cycle.payment(index))
    early, late = (cycle.granted[ordered[index]].beneficiary_id for index in (0, 29))
    placed: list[dict[str, Any]] = []

    async def act() -> None:
        for person in (early, late):
            stop = {"scope": "person", "target": str(person), "reason": "identity theft"}
            placed.append((await office.post("/emergency-stops", office.checker, stop, 201)).json())

    run: Any = Watched(office, built, act)
    result = await run_disbursement(run)
    assert result["on_hold"] == 1
    attempts = {attempt.payment_id: attempt for attempt in await office.attempts()}
    assert (len(attempts), cycle.payment(ordered[29]) in attempts) == (29, False)
    await form_batches(office.service.context)
    waiting = [attempt for attempt in await office.attempts() if attempt.batch_id is None]
    assert [attempt.payment_id for attempt in waiting] == [cycle.payment(ordered[0])]
    async with office.service.database.session() as session:
        assert await stopped_attempts(session, [attempt.id for attempt in await office.attempts()]) == [waiting[0].id]


async def test_a_stop_and_a_disbursement_at_the_very_same_time_leave_no_half_of_anything(
    make_service: MakeService,
) -> None:
    """Whichever is first: every attempt is booked, nothing is lost, and the rest goes out once when it is lifted."""
    office, _, built = await approved(make_service)
    stop = {"scope": "programme", "target": PROGRAMME, "reason": "fraud suspected"}
    placed, _ = await asyncio.gather(
        office.post("/emergency-stops", office.checker, stop, 201), office.service.run_jobs(allow_failed=True)
    )
    attempts, balances = await office.attempts(), await office.balances()
    assert balances["in_transit"] == sum(attempt.amount for attempt in attempts)
    assert balances["in_transit"] + balances["reserved"] == int(built["ready_amount"])
    if attempts:
        await nothing_leaves(office)
    await lift(office, placed.json())
    if len(attempts) < 30:
        await office.post(f"/payment-lists/{built['id']}:disburse", office.releaser, None, 202)
        await office.service.run_jobs(allow_failed=True)
    assert sorted({attempt.attempt for attempt in await office.attempts()}) == [1]
    assert len(await office.attempts()) == 30
    async with office.service.database.session() as session:
        assert (await find_differences(session))["items"] == []
