"""Background work: leases, crashes, attempts, schedules; time is the test's."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from shared.jobs import JobRun, LeaseLost
from shared.tables import job_table
from shared.tests.probe import service as probe_service
from shared.worker import Worker


async def queue(probe, **body):
    answer = await probe.http.post("/probe/v1/jobs", json=body, headers=probe.token("clerk"))
    assert answer.status_code == 202
    return answer.json()["job_id"]


async def view(probe, job_id, **who):
    return await probe.http.get(f"/probe/v1/jobs/{job_id}", headers=probe.token("clerk", **who))


async def test_a_job_runs_and_its_result_is_kept(probe):
    job = await queue(probe, n=3)
    assert (await view(probe, job)).json()["state"] == "queued"
    await probe.run_jobs()
    seen = (await view(probe, job)).json()
    assert (seen["state"], seen["done"], seen["total"], seen["result"]) == ("succeeded", 3, 3, {"counted": 3})


async def test_a_job_is_shown_to_who_asked_for_it_and_to_auditors(probe):
    job = await queue(probe, n=1)
    assert (await view(probe, job, subject="somebody-else")).status_code == 404
    auditor = probe.token("auditor", subject="somebody-else")
    assert (await probe.http.get(f"/probe/v1/jobs/{job}", headers=auditor)).status_code == 200


async def test_the_same_key_unfinished_is_the_same_job(probe):
    first = await queue(probe, key="july", n=1)
    assert await queue(probe, key="july", n=1) == first
    await probe.run_jobs()
    assert await queue(probe, key="july", n=1) != first


async def test_a_failing_job_runs_again_later_and_is_given_up_in_the_end(probe):
    job = await queue(probe, fail=9)
    states = []
    for _ in range(4):
        await Worker(probe.context).run_one()
        states.append((await view(probe, job)).json()["state"])
        probe.clock.advance(timedelta(minutes=10))
        async with probe.database.session() as session:  # the database's own clock stands against the test's
            await session.execute(update(job_table).values(run_at=probe.clock.now() - timedelta(days=3650)))
    assert states == ["queued", "queued", "failed", "failed"]


async def take(probe, owner) -> JobRun | None:
    worker = Worker(probe.context, owner=owner)
    row = await worker._take()
    return row and JobRun(probe.context, row, timedelta(seconds=30), owner)


async def test_a_fresh_job_is_not_taken_over_and_a_stuck_one_is(probe):
    """Fault 12: a fresh job was reset as stale, or a stuck one never was."""
    await queue(probe, n=1)
    first = await take(probe, "worker-1")
    assert first is not None
    probe.clock.advance(timedelta(seconds=29))
    assert await take(probe, "worker-2") is None
    await first.heartbeat()
    probe.clock.advance(timedelta(seconds=29))
    assert await take(probe, "worker-2") is None
    probe.clock.advance(timedelta(seconds=2))
    second = await take(probe, "worker-2")
    assert second is not None
    assert (second.id, second.attempt) == (first.id, 2)


async def test_a_worker_that_lost_its_lease_can_change_nothing(probe):
    await queue(probe, n=1)
    first = await take(probe, "worker-1")
    probe.clock.advance(timedelta(seconds=31))
    assert await take(probe, "worker-2") is not None
    with pytest.raises(LeaseLost):
        await first.progress(5, 10)
    with pytest.raises(LeaseLost):
        async with probe.database.session() as session:
            await first.still_mine(session)
    await first.finish(state="failed")
    async with probe.database.session() as session:
        assert await session.scalar(select(job_table.c.state)) == "running"


async def test_two_workers_never_take_one_job(probe):
    await queue(probe, n=1)
    assert (await take(probe, "worker-1") is None) != (await take(probe, "worker-2") is None)


async def test_a_schedule_runs_when_due_and_by_one_worker(probe):
    probe_service.TICKS.clear()
    one, two = Worker(probe.context), Worker(probe.context)
    assert await one.run_due_schedules() + await two.run_due_schedules() == 1
    probe.clock.advance(timedelta(minutes=9))
    assert await one.run_due_schedules() == 0
    probe.clock.advance(timedelta(minutes=1))
    assert await two.run_due_schedules() == 1
    assert len(probe_service.TICKS) == 2
