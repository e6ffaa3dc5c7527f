"""Jobs that die half-way go on where they were: nothing is built, instructed or booked twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.payments.lists import build_list, disburse_list
from services.payments.tests.builders import CORE, SETTINGS, Cycle, Office, grants
from shared.contracts.payments import PaymentInstructed
from shared.testing.plugin import MakeService


class Killed(Exception):
    """The worker dies after some chunks were committed."""


def dies_after(chunks: int, real: Any) -> Any:
    calls = 0

    async def chunk(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == chunks + 1:
            raise Killed
        return await real(*arguments, **named)

    return chunk


async def run_twice(office: Office) -> list[dict[str, Any]]:
    await office.service.run_jobs(allow_failed=True)
    office.service.clock.advance(timedelta(minutes=10))
    jobs = await office.service.run_jobs()
    assert max(job["attempt"] for job in jobs) == 2
    return jobs


async def test_a_list_whose_builder_died_is_finished_with_the_same_hash(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(30))
    await office.prepare(cycle)
    with monkeypatch.context() as patch:
        lines = build_list.line_repository
        patch.setattr(lines, "build_lines", dies_after(2, lines.build_lines))
        answer = await office.post("/payment-lists", office.maker, {"cycle_id": str(cycle.id)}, 202)
        await run_twice(office)
    built = await office.get(f"/payment-lists/{answer.json()['payment_list_id']}")
    assert (built["status"], built["ready_count"]) == ("built", 30)
    await office.post(f"/payment-lists/{built['id']}:submit", office.maker, None, 200)
    await office.post(f"/payment-lists/{built['id']}:reject", office.checker, {"reason": "compare"}, 200)
    assert (await office.build(cycle))["content_hash"] == built["content_hash"]


async def test_a_disbursement_that_died_instructs_the_rest_once(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    cycle = Cycle(grants(30))
    await office.prepare(cycle)
    built = await office.build(cycle)
    await office.approve(built)
    monkeypatch.setattr(disburse_list, "instruct_chunk", dies_after(2, disburse_list.instruct_chunk))
    await office.post(f"/payment-lists/{built['id']}:disburse", office.releaser, None, 202)
    await run_twice(office)
    office.releaser = office.service.token("finance_officer", subject="releaser-1")
    assert len(await office.attempts()) == 30
    told = [event.payment_id for event in await office.service.outbox() if isinstance(event, PaymentInstructed)]
    assert len(told) == len(set(told)) == 30
    balances = await office.balances()
    assert balances["in_transit"] == sum(grant.amount for grant in cycle.granted)
    assert balances["reserved"] == 0
