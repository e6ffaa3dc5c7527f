"""Outcomes judged in SQL do what the pure table says, whatever is staged: the same states, books, events,
contradictions.
"""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from services.payments.instructions.model import Outcome, table_of_steps
from services.payments.instructions.outcomes import Applied, apply_outcomes, apply_staged_outcomes, stage_outcomes
from services.payments.tests.builders import CORE, SETTINGS, Cycle, Office, grants
from services.payments.tests.test_month import TODAY
from shared.contracts.payments import PaymentSettled
from shared.testing.plugin import MakeService
from shared.testing.service import TestService

OFFER = text(
    "INSERT INTO offered_outcome VALUES (:position, :attempt, :kind, :on, 'camt.053', :reference, 'AC04', 'closed')"
)


async def staged(service: TestService, told: list[tuple[UUID, str]]) -> Applied:
    async with service.database.session() as session:
        await stage_outcomes(session)
        for position, (attempt, kind) in enumerate(told):
            values = {"position": position, "attempt": attempt, "kind": kind, "on": TODAY, "reference": f"M#{position}"}
            await session.execute(OFFER, values)
        return await apply_staged_outcomes(session)


async def test_the_table_in_the_database_is_the_one_in_the_model(make_service: MakeService) -> None:
    service = await make_service(CORE, **SETTINGS)
    async with service.database.session() as session:
        rows = await session.execute(text("SELECT state, kind, verdict, array_to_string(path, ',') FROM outcome_rule"))
        assert sorted(map(tuple, rows), key=str) == sorted(table_of_steps(), key=str)


async def test_staged_outcomes_do_the_same_as_told_ones(make_service: MakeService) -> None:
    """Repeats, several for one attempt, unknown attempts and contradictions included."""
    chance = random.Random(7)
    kinds = ("accepted", "settled", "failed", "returned", "expired")
    plans = [[(index, chance.choice(kinds)) for index in chance.choices(range(12), k=14)] for _ in range(3)]
    seen: list[dict[str, Any]] = []
    for way in ("told", "staged"):
        office = Office(await make_service(CORE, **SETTINGS))
        cycle = Cycle(grants(12))
        await office.pay(cycle)
        by_amount = sorted(await office.send(), key=lambda item: item.amount)
        await office.service.outbox()
        counts = []
        for plan in plans:
            told = [(by_amount[index].id, kind) for index, kind in plan] + [(uuid4(), "settled")]
            if way == "staged":
                applied = await staged(office.service, told)
            else:
                async with office.service.database.session() as session:
                    outcomes: list[Any] = [Outcome(a, k, TODAY, "x", "M", "AC04", "closed") for a, k in told]  # type: ignore[arg-type]
                    applied = await apply_outcomes(session, outcomes)
            refused = sorted((item.current_state, item.offered.kind) for item in applied.contradictions)
            counts.append((applied.applied, applied.unchanged, refused))
        after = sorted(await office.attempts(), key=lambda item: item.amount)
        events = sorted((type(e).__name__, str(e.amount), e.version) for e in await office.service.outbox())
        seen.append(
            {
                "counts": counts,
                "states": [item.state for item in after],
                "balances": await office.balances(),
                "events": events,
            }
        )
    assert seen[0] == seen[1]


async def test_an_event_names_the_account_by_a_token_and_never_by_its_number(make_service: MakeService) -> None:
    office = Office(await make_service(CORE, **SETTINGS))
    await office.pay(Cycle(grants(2)))
    first, second = await office.send()
    async with office.service.database.session() as session:
        await apply_outcomes(session, [Outcome(first.id, "settled", TODAY, "cash", "M", agent_code="AG-7")])
        await apply_outcomes(session, [Outcome(second.id, "settled", TODAY, "camt.054", "M")])
    settled = [event for event in await office.service.outbox() if isinstance(event, PaymentSettled)]
    assert [event.agent_code for event in settled] == ["AG-7", None]
    tokens = {event.account_token for event in settled}
    assert len(tokens) == 2
    assert not any("855" in str(token)[:3] for token in tokens)
    async with office.service.database.session() as session:
        stored = set((await session.scalars(text("SELECT CAST(token AS text) FROM account"))).all())
    assert tokens == stored
