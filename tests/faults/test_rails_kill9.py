"""kill -9 during disbursement and reconciliation, on the real stack: each payment is settled once or reported, none
twice, the books balance.

Every round queues payments to a bank and to an operator, some to accounts that refuse, and kills the worker, the api or
the database at random moments while batches go out and documents come in; now and then the operator times out after it
accepted, or refuses to answer, or calls back twice. SAMAKI_FAULT_SEED repeats a run's choices; SAMAKI_RAIL_ROUNDS sets
the rounds: 3, or 200 for `make faults`.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from services.payments.rails.tests.platform import Waiting
from shared.testing import wait_for
from tests.faults.rails_stack import Stack, rails_stack

pytestmark = pytest.mark.faults

LONG: Final = 200
SHORT: Final = 3
ROUND_DEADLINE_S: Final = 60
VICTIMS: Final = ("worker", "worker", "worker", "api", "database")
FINAL: Final = frozenset({"settled", "failed", "returned", "expired"})

_UNBALANCED: Final = (
    "SELECT (SELECT coalesce(sum(amount), 0) FROM movement WHERE kind = 'settle')"
    " - (SELECT coalesce(sum(amount), 0) FROM payment_attempt WHERE state = 'settled')"
)
_TWICE: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM movement WHERE kind IN ('settle', 'fail')"
    " GROUP BY subject_id HAVING count(*) <> 1) t"
)
_WITHOUT_BOOKING: Final = (
    "SELECT count(*) FROM payment_attempt a WHERE a.state IN ('settled', 'failed') AND NOT EXISTS"
    " (SELECT FROM movement m WHERE m.subject_id = a.id AND m.kind IN ('settle', 'fail'))"
)
_UNPUBLISHED: Final = (
    "SELECT (SELECT count(*) FROM payment_attempt WHERE state IN ('settled', 'failed'))"
    " - (SELECT count(*) FROM outbox WHERE type IN ('samaki.payments.payment.settled.v1',"
    " 'samaki.payments.payment.failed.v1'))"
)


def rounds_wanted() -> int:
    """So many rounds: as told, or few, or many for `make faults`."""
    told = os.environ.get("SAMAKI_RAIL_ROUNDS")
    return int(told) if told else LONG if "SAMAKI_FAULT_ROUNDS" in os.environ else SHORT


async def one_round(stack: Stack, chance: random.Random) -> tuple[list[Waiting], list[str]]:
    """Payments from queued to their end, with kills on the way. Returns them, and who was killed."""
    behaviour: dict[str, Any] = chance.choice(
        [{}, {"stall": 1, "stall_seconds": 1.5}, {"fail": 1}, {"callback_copies": 2}, {"callback_first": True}]
    )
    await stack.misbehave(**behaviour, callbacks=chance.choice(["batch", "transaction", "off"]))
    made = await stack.add_payments(
        chance.randint(1, 12), chance.randint(0, 2), chance.randint(1, 12), chance.randint(0, 2)
    )
    killed: list[str] = []
    waits = [chance.uniform(0.05, 1.5) for _ in range(chance.choice([1, 1, 2]))]

    async def killer() -> None:
        for wait in waits:
            await asyncio.sleep(wait)  # the moment of death, drawn by the seed; nothing is awaited by it
            victim = chance.choice(VICTIMS)
            killed.append(victim)
            await stack.kill(victim)

    ids = [one.id for one in made]
    looks = 0

    async def ended() -> bool:
        nonlocal looks
        stack.running.supervise()
        states = await stack.states(ids)
        if all(states[one] in FINAL for one in ids):
            return True
        await stack.let_time_pass()
        looks += 1
        if looks % 6 == 0 and "accepted" in states.values():
            await stack.next_bank_day()
        return False

    async with asyncio.TaskGroup() as group:
        group.create_task(killer())
        group.create_task(wait_for(ended, ROUND_DEADLINE_S, "every payment to end", every_s=0.3))
    return made, killed


async def check(stack: Stack, made: list[Waiting], context: str) -> None:
    """The two sides agree, payment by payment; the books balance."""
    states = await stack.states([one.id for one in made])
    paid = await stack.paid()
    twice = [reference for reference, times in paid.items() if times > 1]
    assert twice == [], context
    for one in made:
        assert (states[one.id] == "settled") == (paid.get(one.reference, 0) == 1), f"{context}: {states[one.id]}"
    for statement in (_UNBALANCED, _TWICE, _WITHOUT_BOOKING, _UNPUBLISHED):
        assert await stack.running.number(statement) == 0, f"{context}: {statement}"


async def test_killing_any_process_while_money_moves_pays_nobody_twice_and_loses_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("SAMAKI_FAULT_SEED") or random.SystemRandom().randrange(1_000_000))
    rounds = rounds_wanted()
    with capsys.disabled():
        print(f"\nkill -9 of rails: SAMAKI_FAULT_SEED={seed} SAMAKI_RAIL_ROUNDS={rounds}", flush=True)
    everything: list[Waiting] = []
    kills: Counter[str] = Counter()
    started = time.monotonic()
    async with rails_stack(tmp_path) as stack:
        for number in range(rounds):
            context = f"seed {seed}, round {number}"
            try:
                made, killed = await one_round(stack, random.Random(f"{seed}/{number}"))
            except ExceptionGroup as error:
                raise AssertionError(
                    f"{context}: {error.exceptions!r}\n{await stack.describe()}\n{stack.running.logs()}"
                ) from error
            everything += made
            kills.update(killed)
            await check(stack, made, f"{context}, killed {killed}")
            with capsys.disabled():
                print(f"round {number}: {len(made)} payments, killed {killed}", flush=True)
        await check(stack, everything, f"seed {seed}, at the end")
        outcomes = Counter((await stack.states([one.id for one in everything])).values())
    with capsys.disabled():
        spent = time.monotonic() - started
        print(f"{rounds} rounds, {dict(kills)} killed, {dict(outcomes)}, {spent / rounds:.1f} s a round", flush=True)
