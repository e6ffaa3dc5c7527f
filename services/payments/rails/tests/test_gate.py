"""What holds a batch back: hours, holidays, the day's limit, the breaker, a stop; and how amounts cut batches."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from services.payments.rails.dispatch_batch import dispatch_batch
from services.payments.rails.form_batches import form_batches
from services.payments.rails.model import BatchState
from services.payments.rails.port import Answer
from services.payments.rails.tests.platform import (
    SERVICE,
    SETTINGS,
    FakeRail,
    balanced,
    queue,
    rows,
    states,
    use_rail,
)
from shared.testing.plugin import MakeService
from shared.testing.service import TestService
from shared.testing.waiting import wait_for

POLICY = "/payments/v1/rails/mobile_money/policy"


@pytest.fixture
async def service(make_service: MakeService) -> TestService:
    return await make_service(SERVICE, **SETTINGS)


@pytest.fixture
def rail(service: TestService) -> FakeRail:
    fake = FakeRail()
    use_rail(service, fake)
    return fake


async def set_policy(service: TestService, version: int = 0, **policy: Any) -> int:
    answer = await service.http.put(
        POLICY, json=policy, headers=service.token("finance_officer") | {"If-Match": f'"{version}"'}
    )
    assert answer.status_code == 200, answer.text
    return int(answer.json()["version"])


async def batches(service: TestService) -> list[dict[str, Any]]:
    return await rows(service, "SELECT * FROM batch ORDER BY id")


async def dispatch_all(service: TestService) -> list[BatchState]:
    return [await dispatch_batch(service.context, one["id"]) for one in await batches(service)]


async def test_after_the_cut_off_a_batch_waits_for_the_next_working_day(service: TestService, rail: FakeRail):
    # The clock stands at Wednesday 2020-07-01 09:00 UTC, 16:00 in Phnom Penh: the cut-off itself.
    await set_policy(service, opens="08:00", closes="16:00", holidays=["2020-07-02"], working_days=[1, 2, 3, 4, 5])
    await queue(service, ["85512000001"])
    await form_batches(service.context)
    assert await dispatch_all(service) == [BatchState.FORMED]
    (batch,) = await batches(service)
    assert (batch["waits_for"], batch["tries"], rail.submitted) == ("closed", 0, [])
    assert str(batch["execution_on"]) == "2020-07-03"  # Thursday is a holiday
    assert batch["next_at"].isoformat() == "2020-07-03T01:00:00+00:00"
    service.clock.advance(batch["next_at"] - service.clock.now())
    assert await dispatch_all(service) == [BatchState.SUBMITTED]


async def test_a_lost_answer_is_asked_for_even_when_the_rail_is_closed(service: TestService, rail: FakeRail):
    await queue(service, ["85512000001"])
    await form_batches(service.context)
    rail.script = [Answer.UNKNOWN]
    await dispatch_all(service)
    await set_policy(service, opens="08:00", closes="09:00")
    assert await dispatch_all(service) == [BatchState.SUBMITTED]
    assert len(rail.queried) == 1


async def test_a_day_takes_no_more_than_its_limit_and_the_rest_goes_the_next_day(service: TestService, rail: FakeRail):
    await set_policy(service, batch_size=1, limits=[{"currency": "KHR", "per_day": "170000"}])
    await queue(service, [f"8551200000{i}" for i in range(3)])  # 80,000 and 80,001 and 80,002
    await form_batches(service.context)
    assert sorted(await dispatch_all(service)) == ["formed", "submitted", "submitted"]
    (waiting,) = [one for one in await batches(service) if one["state"] == "formed"]
    assert waiting["waits_for"] == "day_limit"
    assert waiting["next_at"].isoformat() == "2020-07-01T17:00:00+00:00"  # midnight in Phnom Penh
    service.clock.advance(timedelta(hours=8))
    assert await dispatch_batch(service.context, waiting["id"]) is BatchState.SUBMITTED


async def test_what_certainly_did_not_leave_does_not_use_up_the_day(service: TestService, rail: FakeRail):
    await set_policy(service, batch_size=1, limits=[{"currency": "KHR", "per_day": "90000"}])
    await queue(service, ["85512000001", "85512000002"])
    await form_batches(service.context)
    rail.script = [Answer.DEFERRED]
    assert await dispatch_all(service) == [BatchState.FORMED, BatchState.SUBMITTED]


async def test_batches_are_cut_by_amount_as_well_as_by_count(service: TestService, rail: FakeRail):
    await set_policy(service, batch_size=50, limits=[{"currency": "KHR", "per_batch": "250000"}])
    made = await queue(service, [f"855120000{i:02d}" for i in range(20)])
    await form_batches(service.context)
    found = await batches(service)
    assert all(one["amount"] <= 250_000 for one in found)
    assert sum(one["count"] for one in found) == 20
    assert sum(one["amount"] for one in found) == sum(one.amount for one in made)
    assert len(found) < 20


async def test_a_payment_above_the_rails_limit_fails_at_once_and_the_others_go(service: TestService, rail: FakeRail):
    await set_policy(service, limits=[{"currency": "KHR", "per_payment": "80001"}])
    made = await queue(service, [f"8551200000{i}" for i in range(3)])
    await form_batches(service.context)
    assert await states(service, made) == ["queued", "queued", "failed"]
    (event,) = await service.outbox()
    assert event.reason_code == "AM02"  # type: ignore[attr-defined]
    assert await balanced(service)


async def test_a_rail_in_trouble_is_left_alone_and_one_probe_opens_it_again(service: TestService, rail: FakeRail):
    await set_policy(service, batch_size=1, breaker_failures=3, breaker_pause_seconds=60)
    await queue(service, [f"8551200000{i}" for i in range(6)])
    await form_batches(service.context)
    rail.script = [Answer.DEFERRED] * 3
    await dispatch_all(service)
    assert len(rail.submitted) == 3  # the other three were not even tried
    held = [one for one in await batches(service) if one["waits_for"] == "breaker"]
    assert [one["tries"] for one in held] == [0, 0, 0]
    (view,) = [one for one in await rails(service) if one["name"] == "mobile_money"]
    assert (view["breaker"], view["failures"], view["formed"]) == ("open", 3, 6)
    service.clock.advance(timedelta(seconds=61))
    assert await dispatch_batch(service.context, held[0]["id"]) is BatchState.SUBMITTED
    assert set(await dispatch_all(service)) == {BatchState.SUBMITTED}
    assert set(rail.paid.values()) == {1}


async def rails(service: TestService) -> list[dict[str, Any]]:
    answer = await service.http.get("/payments/v1/rails", headers=service.token("auditor"))
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()
    return found


async def stop(service: TestService, scope: str, target: str) -> None:
    async with service.database.session() as session:
        await session.execute(
            text("INSERT INTO emergency_stop (scope, target, reason, placed_by) VALUES (:scope, :target, 'x', 't')"),
            {"scope": scope, "target": target},
        )


async def test_an_emergency_stop_of_the_rail_holds_what_has_not_left(service: TestService, rail: FakeRail):
    await queue(service, ["85512000001"])
    await form_batches(service.context)
    await stop(service, "rail", "mobile_money")
    assert await dispatch_all(service) == [BatchState.FORMED]
    (batch,) = await batches(service)
    assert (batch["waits_for"], rail.submitted) == ("stopped", [])


async def test_a_stopped_person_is_taken_out_of_a_batch_that_has_not_left(service: TestService, rail: FakeRail):
    made = await queue(service, [f"8551200000{i}" for i in range(3)])
    await form_batches(service.context)
    (person,) = await rows(service, "SELECT beneficiary_id FROM payment WHERE id = :id", id=made[1].payment_id)
    await stop(service, "person", str(person["beneficiary_id"]))
    assert await dispatch_all(service) == [BatchState.SUBMITTED]
    assert set(rail.paid) == {made[0].reference, made[2].reference}
    assert await states(service, made) == ["sent", "queued", "sent"]
    (batch,) = await batches(service)
    assert (batch["count"], batch["amount"]) == (2, made[0].amount + made[2].amount)
    assert await form_batches(service.context) == 0  # she stays out while the stop is in force
    async with service.database.session() as session:
        await session.execute(text("UPDATE emergency_stop SET released_at = now()"))
    assert await form_batches(service.context) == 1


async def test_a_policy_is_changed_by_one_officer_at_a_time_and_on_record(service: TestService, rail: FakeRail):
    read = await service.http.get(POLICY, headers=service.token("auditor"))
    assert (read.headers["ETag"], read.json()["policy"]["batch_size"]) == ('"0"', 500)
    assert await set_policy(service, batch_size=20) == 1
    officer = service.token("finance_officer")
    for version, status in (('"0"', 412), ('"7"', 412)):
        answer = await service.http.put(POLICY, json={}, headers=officer | {"If-Match": version})
        assert answer.status_code == status
    assert (await service.http.put(POLICY, json={}, headers=officer)).status_code == 428
    other = service.token("payment_officer") | {"If-Match": '"1"'}
    assert (await service.http.put(POLICY, json={}, headers=other)).status_code == 403
    wrong = await service.http.put(POLICY, json={"batch_size": 0}, headers=officer | {"If-Match": '"1"'})
    assert wrong.status_code == 422
    unknown = await service.http.get("/payments/v1/rails/pigeon/policy", headers=officer)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "rail_not_found")
    (audited,) = await rows(service, "SELECT action, object_id FROM audit_entry")
    assert (audited["action"], audited["object_id"]) == ("rail.policy", "mobile_money")


async def test_a_batch_without_a_word_is_shown(service: TestService, rail: FakeRail):
    await queue(service, ["85512000001"])
    await form_batches(service.context)
    await dispatch_all(service)
    service.clock.advance(timedelta(hours=49))
    answer = await service.http.get(
        "/payments/v1/batches", params={"silent_hours": 48}, headers=service.token("auditor")
    )
    assert len(answer.json()["items"]) == 1
    (view,) = [one for one in await rails(service) if one["name"] == "mobile_money"]
    assert (view["silent"], view["submitted"]) == (1, 1)


async def test_of_many_small_amounts_no_batch_ever_exceeds_its_ceiling(service: TestService, rail: FakeRail):
    await set_policy(service, batch_size=7, limits=[{"currency": "KHR", "per_batch": "80050", "per_day": "900000"}])
    made = await queue(service, [f"855120000{i:02d}" for i in range(15)], payment_list=uuid4())
    await form_batches(service.context)
    found = await batches(service)
    assert max(one["amount"] for one in found) <= Decimal(80_050)
    assert sum(one["count"] for one in found) == len(made)


async def test_a_batch_that_waits_over_a_cut_off_asks_to_be_executed_on_the_day_it_goes(
    service: TestService, rail: FakeRail
):
    await queue(service, ["85512000001"])
    await form_batches(service.context)
    await stop(service, "rail", "mobile_money")
    assert await dispatch_all(service) == [BatchState.FORMED]
    service.clock.advance(timedelta(days=2))
    async with service.database.session() as session:
        await session.execute(text("UPDATE emergency_stop SET released_at = now()"))
    rail.script = [Answer.DEFERRED, Answer.UNKNOWN]
    await dispatch_all(service)
    (batch,) = await batches(service)
    assert (batch["state"], str(batch["execution_on"])) == ("formed", "2020-07-03")
    service.clock.advance(timedelta(days=1))
    await dispatch_all(service)
    (batch,) = await batches(service)
    assert (batch["state"], str(batch["execution_on"])) == ("unknown", "2020-07-04")  # the first sending never left
    service.clock.advance(timedelta(days=1))
    rail.had.clear()
    await dispatch_all(service)
    (batch,) = await batches(service)
    assert (batch["state"], str(batch["execution_on"])) == ("submitted", "2020-07-04")  # the same bytes again
    assert [one.execution_on.isoformat() for one in rail.headers] == ["2020-07-03", "2020-07-04", "2020-07-04"]
    assert [one.repeated for one in rail.headers] == [False, False, True]


async def test_a_batch_that_outgrew_a_lowered_limit_is_cut_again_before_it_goes(service: TestService, rail: FakeRail):
    made = await queue(service, [f"8551200000{i}" for i in range(4)])
    await form_batches(service.context)
    assert len(await batches(service)) == 1
    limits = [{"currency": "KHR", "per_day": "250000", "per_payment": "80002"}]
    await set_policy(service, limits=limits)
    await service.run_jobs()
    await form_batches(service.context)
    await dispatch_all(service)
    assert await states(service, made) == ["sent", "sent", "sent", "failed"]
    assert sum(one["amount"] for one in await batches(service)) == sum(one.amount for one in made[:3])
    assert await balanced(service)


async def test_a_person_stopped_while_the_rail_was_out_of_reach_is_taken_out_before_the_batch_leaves(
    service: TestService, rail: FakeRail
):
    made = await queue(service, [f"8551200000{i}" for i in range(3)])
    await form_batches(service.context)
    rail.script = [Answer.DEFERRED]
    await dispatch_all(service)
    assert await states(service, made) == ["queued"] * 3
    (person,) = await rows(service, "SELECT beneficiary_id FROM payment WHERE id = :id", id=made[1].payment_id)
    await stop(service, "person", str(person["beneficiary_id"]))
    await dispatch_all(service)
    assert set(rail.paid) == {made[0].reference, made[2].reference}
    assert await states(service, made) == ["sent", "queued", "sent"]


async def test_once_it_may_have_left_a_batch_goes_again_as_it_was(service: TestService, rail: FakeRail):
    made = await queue(service, [f"8551200000{i}" for i in range(2)])
    await form_batches(service.context)
    rail.script = [Answer.UNKNOWN, Answer.DEFERRED]
    await dispatch_all(service)
    rail.had.clear()  # it never arrived; but that is all we know
    rail.paid.clear()
    (person,) = await rows(service, "SELECT beneficiary_id FROM payment WHERE id = :id", id=made[1].payment_id)
    await stop(service, "person", str(person["beneficiary_id"]))
    for _ in range(2):
        await dispatch_all(service)
    assert [(one.count, one.repeated) for one in rail.headers] == [(2, False), (2, True), (2, True)]
    assert await states(service, made) == ["sent", "sent"]


async def test_of_two_workers_at_a_half_open_breaker_one_probes_and_the_other_waits(
    service: TestService, rail: FakeRail
):
    await set_policy(service, batch_size=1, breaker_failures=1, breaker_pause_seconds=60)
    await queue(service, [f"8551200000{i}" for i in range(3)])
    await form_batches(service.context)
    rail.script = [Answer.DEFERRED]
    first, second, third = await batches(service)
    await dispatch_batch(service.context, first["id"])
    service.clock.advance(timedelta(seconds=61))
    rail.hold = asyncio.Event()
    probe = asyncio.create_task(dispatch_batch(service.context, second["id"]))
    await wait_for(lambda: len(rail.submitted) == 2, what="the probe to call")
    assert await dispatch_batch(service.context, third["id"]) is BatchState.FORMED
    assert len(rail.submitted) == 2
    rail.hold.set()
    assert await probe is BatchState.SUBMITTED
    assert await dispatch_batch(service.context, third["id"]) is BatchState.SUBMITTED


async def test_a_clock_that_goes_back_sends_nothing_twice_and_loses_no_batch(service: TestService, rail: FakeRail):
    await set_policy(service, batch_size=1, limits=[{"currency": "KHR", "per_day": "170000"}])
    await queue(service, [f"8551200000{i}" for i in range(3)])
    await form_batches(service.context)
    await dispatch_all(service)
    service.clock.advance(timedelta(days=-1))
    await dispatch_all(service)
    service.clock.advance(timedelta(days=2))
    assert await dispatch_all(service) == [BatchState.SUBMITTED] * 3
    assert set(rail.paid.values()) == {1}
