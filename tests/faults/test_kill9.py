"""kill -9 of every process, at random points, while 20,000 events flow: nothing lost, nothing twice, order kept.

Half of the events begin with HTTP requests (api), half with a background job (worker); all go outbox -> relay -> bus ->
consumer -> projection. Killed processes are started again at once. SAMAKI_FAULT_SEED repeats a run's choices;
SAMAKI_FAULT_ROUNDS (`make faults`) kills every process that many times.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from shared.embedded.kafka import EmbeddedKafka
from shared.testing import wait_for
from tests.faults.platform import Platform, platform

pytestmark = pytest.mark.faults

EVENTS: Final = 20_000
HOUSEHOLDS: Final = 500
PER_REQUEST: Final = 50
CLIENTS: Final = 4
DEADLINE_S: Final = 300

_APPLIED: Final = "SELECT count(*) FROM application"
_LOST: Final = (
    "SELECT count(*) FROM household h CROSS JOIN LATERAL generate_series(1, h.version) v"
    " WHERE NOT EXISTS (SELECT FROM application a WHERE a.household_id = h.id AND a.version = v)"
)
_TWICE: Final = "SELECT count(*) - count(DISTINCT (household_id, version)) FROM application"
_DISORDER: Final = (
    "SELECT count(*) FROM (SELECT version, lag(version) OVER (PARTITION BY household_id ORDER BY id) AS previous"
    " FROM application) steps WHERE version <= previous"
)


def choose_seed() -> int:
    """The seed of this run: given, or new and printed."""
    return int(os.environ.get("SAMAKI_FAULT_SEED") or random.SystemRandom().randrange(1_000_000))


def choose_kills(chance: random.Random, names: list[str], rounds: int) -> list[tuple[int, str]]:
    """Which process dies once so many events were applied; the last ones well before the end."""
    kills = [name for _ in range(rounds) for name in chance.sample(names, len(names))]
    points = sorted(chance.randrange(EVENTS // 20, EVENTS * 9 // 10) for _ in kills)
    return list(zip(points, kills, strict=True))


async def produce(running: Platform, chance: random.Random, households: list[UUID]) -> None:
    """EVENTS changes: half by requests of several clients, half by one background job."""
    picks = [[str(h) for h in chance.sample(households, PER_REQUEST)] for _ in range(EVENTS // PER_REQUEST)]
    by_job, by_request = picks[: len(picks) // 2], picks[len(picks) // 2 :]
    async with running.client() as client:
        await running.post(client, "/faults/v1/change-jobs", {"chunks": by_job})

        async def work(mine: list[list[str]]) -> None:
            for ids in mine:
                await running.post(client, "/faults/v1/changes", {"household_ids": ids})

        await asyncio.gather(*(work(by_request[n::CLIENTS]) for n in range(CLIENTS)))


async def kill_on_the_way(running: Platform, plan: list[tuple[int, str]], chance: random.Random) -> None:
    """Kill as planned; `plan` counts applied events, so kills spread over the whole flow."""
    for point, name in plan:

        async def reached(point: int = point) -> bool:
            running.supervise()
            return await running.number(_APPLIED) >= point

        await wait_for(reached, DEADLINE_S, f"{point} events applied", every_s=0.005 + chance.random() / 50)
        await running.kill(name)


async def all_applied(running: Platform) -> bool:
    running.supervise()
    return await running.number(_APPLIED) >= EVENTS and await running.number("SELECT count(*) FROM outbox") == 0


@pytest.mark.parametrize("bus", [pytest.param("kafka", marks=pytest.mark.kafka), "postgres"])
async def test_killing_any_process_at_any_point_loses_repeats_and_reorders_nothing(
    bus: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usable, reason = EmbeddedKafka.available()
    if bus == "kafka" and not usable:
        pytest.skip(f"no Kafka: {reason}")
    if bus == "postgres" and usable and "SAMAKI_FAULT_ROUNDS" not in os.environ:
        pytest.skip("the short form kills on Kafka; `make faults` on both")
    seed = choose_seed()
    rounds = int(os.environ.get("SAMAKI_FAULT_ROUNDS", "1"))
    with capsys.disabled():
        print(f"\nkill -9 on {bus}: SAMAKI_FAULT_SEED={seed} SAMAKI_FAULT_ROUNDS={rounds}", flush=True)
    chance = random.Random(seed)
    async with platform(tmp_path, bus) as running:
        plan = choose_kills(chance, running.killable, rounds)
        households = await running.add_households(HOUSEHOLDS)
        try:
            async with asyncio.timeout(DEADLINE_S + 60 * rounds), asyncio.TaskGroup() as group:
                group.create_task(produce(running, chance, households))
                group.create_task(kill_on_the_way(running, plan, random.Random(seed)))
            await wait_for(lambda: all_applied(running), DEADLINE_S, "all events applied", every_s=0.2)
        except (TimeoutError, AssertionError, ExceptionGroup) as error:
            raise AssertionError(f"seed {seed}, killed {running.kills}: {error!r}\n{running.logs()}") from error
        context = f"seed {seed}, killed {running.kills}"
        assert sorted(running.kills) == sorted(name for _, name in plan)
        assert await running.number("SELECT sum(version) FROM household") == EVENTS, context
        assert await running.number(_LOST) == 0, context
        assert await running.number(_TWICE) == 0, context
        assert await running.number(_DISORDER) == 0, context
        assert await running.number("SELECT count(*) FROM parked_event") == 0, context
        assert await running.number("SELECT sum(count) FROM outbox_published") == EVENTS, context
        assert await running.number("SELECT sum(count) FROM inbox_consumed") == EVENTS, context
