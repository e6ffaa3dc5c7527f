"""Cycles: once per period, computed repeatably, closed with control totals, final."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.eligibility.cycles import close_cycle, compute_cycle
from services.eligibility.enrolments import enrol_programme
from services.eligibility.tests.builders import COVID, OFFICER, household
from services.eligibility.tests.conftest import Office
from shared.contracts.eligibility import CycleClosed
from shared.jobs import JobRun


async def _enrolled(office: Office, households: int = 5) -> None:
    await office.service.deliver(*(household() for _ in range(households)))
    await office.publish()
    await office.enrol()
    await office.service.outbox()


async def test_fault_10_a_programme_and_month_is_opened_once(office: Office) -> None:
    """The same programme and period could be opened twice."""
    await office.publish()
    cycle_id = await office.open()
    problem = await office.post("/cycles", {"programme_code": "KH-CTP-COVID", "period": "2020-07"}, status=409)
    assert (problem["code"], problem["cycle_id"]) == ("cycle_already_open", cycle_id)


async def test_fault_10_eight_officers_opening_the_same_month_at_once_get_one_cycle(office: Office) -> None:
    await office.publish()
    answers = await asyncio.gather(
        *(
            office.service.http.post(
                "/eligibility/v1/cycles",
                json={"programme_code": "KH-CTP-COVID", "period": "2020-07"},
                headers=office.service.token(OFFICER, subject=f"officer-{i}"),
            )
            for i in range(8)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


async def test_a_cycle_needs_a_known_programme_and_a_version_in_force(office: Office) -> None:
    await office.publish()
    for body, status, code in (
        ({"programme_code": "KH-NONE", "period": "2020-07"}, 404, "programme_unknown"),
        ({"programme_code": "KH-CTP-COVID", "period": "2024-01"}, 422, "no_version_in_force"),
        ({"programme_code": "KH-CTP-COVID", "period": "2020-13"}, 422, "invalid"),
    ):
        assert (await office.post("/cycles", body, status=status))["code"] == code


async def test_computing_again_gives_the_same_hash_and_the_same_decisions(office: Office) -> None:
    await _enrolled(office)
    cycle_id = await office.open()
    first = await office.compute(cycle_id)
    entitlements = await office.get(f"/cycles/{cycle_id}/entitlements")
    second = await office.compute(cycle_id)
    assert first["content_hash"] == second["content_hash"]
    assert await office.get(f"/cycles/{cycle_id}/entitlements") == entitlements


async def test_the_hash_changes_with_the_content(office: Office) -> None:
    await _enrolled(office)
    cycle_id = await office.open()
    first = await office.compute(cycle_id)
    await office.service.deliver(household())
    await office.enrol()
    assert (await office.compute(cycle_id))["content_hash"] != first["content_hash"]


async def test_fault_8_many_chunks_lose_nobody_and_the_totals_prove_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10,000 approved people became 2,000 on the pay list: only the last chunk survived."""
    monkeypatch.setattr(enrol_programme, "CHUNK", 3)
    monkeypatch.setattr(compute_cycle, "CHUNK", 4)
    monkeypatch.setattr(close_cycle, "CHUNK", 5)
    await _enrolled(office, 20)
    closed = await office.close(await office.compute(await office.open()))
    *granted, last = await office.service.outbox()
    assert isinstance(last, CycleClosed)
    assert len({event.entitlement_id for event in granted}) == len(granted) == last.count == 20
    assert sum(event.amount for event in granted) == last.amount
    assert closed["published_count"] == 20


async def test_fault_8_a_cycle_is_not_closed_on_totals_that_the_officer_did_not_see(office: Office) -> None:
    await _enrolled(office)
    cycle = await office.compute(await office.open())
    for count, amount in ((4, cycle["amount"]), (5, "1.00")):
        body = {"expected_count": count, "expected_amount": amount}
        problem = await office.post(f"/cycles/{cycle['id']}:close", body, status=409)
        assert (problem["code"], problem["count"]) == ("control_totals_differ", 5)
    assert await office.service.outbox() == []


async def test_a_cycle_that_is_not_computed_is_not_closed(office: Office) -> None:
    await office.publish()
    body = {"expected_count": 0, "expected_amount": "0"}
    problem = await office.post(f"/cycles/{await office.open()}:close", body, status=409)
    assert problem["code"] == "cycle_not_computed"


async def test_a_closed_cycle_is_final_for_officers_and_for_the_database(office: Office) -> None:
    await _enrolled(office)
    cycle = await office.close(await office.compute(await office.open()))
    body = {"expected_count": cycle["count"], "expected_amount": cycle["amount"]}
    for action, payload in (("compute", None), ("close", body)):
        problem = await office.post(f"/cycles/{cycle['id']}:{action}", payload, status=409)
        assert problem["code"] == "cycle_frozen"
    for statement in (
        "UPDATE entitlement SET amount = 1",
        "DELETE FROM entitlement",
        "INSERT INTO entitlement (cycle_id, id, decision_id, beneficiary_id, household_id, beneficiary_reference, "
        "village_code, component, amount, lines, digest) SELECT cycle_id, uuidv7(), decision_id, uuidv7(), "
        "household_id, beneficiary_reference, village_code, component, amount, lines, digest FROM entitlement LIMIT 1",
        "UPDATE cycle SET amount = 1",
    ):
        with pytest.raises(DBAPIError, match="final"):
            async with office.service.database.session() as session:
                await session.execute(text(statement))


async def test_a_worker_that_dies_while_publishing_loses_and_repeats_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(close_cycle, "CHUNK", 2)
    await _enrolled(office, 7)
    cycle = await office.compute(await office.open())
    body = {"expected_count": cycle["count"], "expected_amount": cycle["amount"]}
    await office.post(f"/cycles/{cycle['id']}:close", body, status=202)
    calls = 0
    real = JobRun.progress

    async def dies_once(self: JobRun, *args: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ConnectionError("the worker was killed")
        await real(self, *args, **kwargs)

    monkeypatch.setattr(JobRun, "progress", dies_once)
    await office.service.run_jobs(allow_failed=True)
    office.service.clock.advance(timedelta(minutes=10))
    await office.service.run_jobs()
    *granted, last = await office.service.outbox()
    assert isinstance(last, CycleClosed)
    assert calls > 2
    assert len({event.entitlement_id for event in granted}) == len(granted) == 7


async def test_a_failing_commit_is_never_answered_with_success(office: Office) -> None:
    async with office.service.commits_fail():
        answer = await office.service.http.post(
            "/eligibility/v1/programmes", content=b"", headers=office.service.token(OFFICER)
        )
        assert answer.status_code == 422
        answer = await office.service.http.post(
            "/eligibility/v1/programmes", content=COVID, headers=office.service.token(OFFICER)
        )
        assert answer.status_code >= 500
    assert (await office.get("/programmes"))["items"] == []


async def test_the_same_request_twice_opens_once_and_answers_twice(office: Office) -> None:
    await office.publish()
    body = {"programme_code": "KH-CTP-COVID", "period": "2020-07"}
    key = {"Idempotency-Key": "open-july"}
    first = await office.post("/cycles", body, status=201, headers=key)
    assert await office.post("/cycles", body, status=201, headers=key) == first
    other = {**body, "period": "2020-08"}
    assert (await office.post("/cycles", other, status=409, headers=key))["code"] == "idempotency_key_reused"


async def test_totals_and_entitlements_are_seen_by_payment_officers_and_not_by_clerks(office: Office) -> None:
    await _enrolled(office)
    cycle = await office.compute(await office.open())
    seen = await office.get(f"/cycles/{cycle['id']}", roles=("payment_officer",))
    assert seen["totals"] == [
        {"component": "monthly_transfer", "province_code": "01", "count": 5, "amount": "640000.00"}
    ]
    await office.get(f"/cycles/{cycle['id']}", roles=("commune_officer",), status=403)
