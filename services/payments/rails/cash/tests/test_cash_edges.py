"""Cash where two things meet: two agents, the last second of a window, a death, a reference that is taken."""

from __future__ import annotations

import asyncio
from datetime import datetime, time, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.payments.instructions.expire_payments import expire_payments
from services.payments.rails.cash import rail
from services.payments.rails.cash.end_collections import expire_collections
from services.payments.rails.cash.tests.builders import CASH, SETTINGS, Desk, death_of
from services.payments.tests.builders import Cycle, account_csv, grants
from shared.testing.plugin import MakeService


async def test_of_two_agents_at_once_one_pays_and_the_other_is_told(make_service: MakeService) -> None:
    desk = Desk(await make_service(CASH, **SETTINGS))
    agents = []
    for number in range(4):
        await desk.register_agent(f"A{number}", f"agent-{number}")
        agents.append(desk.service.token("integration", subject=f"agent-{number}"))
    await desk.open(grants(1))
    (message,) = (await desk.messages()).values()
    answers = await asyncio.gather(
        *(
            desk.redeem(message.reference, message.code, 100_000, who=who, agent_reference=f"T-{number}")
            for number, who in enumerate(agents)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"collection_ended"}
    balances = await desk.office.balances()
    assert (balances["paid"], balances["agent_float"]) == (Decimal(100_000), Decimal(-100_000))


async def test_the_last_second_of_the_window_pays_and_the_next_does_not(make_service: MakeService) -> None:
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.register_agent()
    await desk.open(grants(2))
    told = await desk.messages()
    first, second = await desk.collections()
    ends = datetime.combine(first["window_until"] + timedelta(days=1), time(0), ZoneInfo("Asia/Phnom_Penh"))
    for row, left, status in ((first, timedelta(seconds=1), 200), (second, timedelta(0), 409)):
        desk.service.clock.advance(ends - left - desk.service.clock.now())
        desk.agent = desk.service.token("integration", subject="agent-1")
        paid, expired = await asyncio.gather(
            desk.redeem(row["reference"], told[row["reference"]].code, row["amount"]),
            expire_collections(desk.service.context),
        )
        assert paid.status_code == status, paid.text
        assert expired == (0 if status == 200 else 1)
    balances = await desk.office_now().balances()
    assert (balances["paid"], balances["in_transit"]) == (Decimal(100_000), Decimal(0))


async def test_nobody_collects_for_the_dead(make_service: MakeService) -> None:
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.register_agent()
    cycle = await desk.open(grants(1))
    (message,) = (await desk.messages()).values()
    await desk.service.deliver(death_of(cycle.granted[0].beneficiary_id))
    for changes in ({}, {"collected_by": "proxy", "proxy_id_number": "12345"}):
        refused = await desk.redeem(message.reference, message.code, 100_000, **changes)
        assert (refused.status_code, refused.json()["code"]) == (409, "payment_not_payable")
    assert (await desk.office.balances())["paid"] == 0


async def test_a_reference_that_another_collection_has_is_drawn_again_and_holds_up_nobody(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.open(grants(1))
    (taken,) = await desk.collections()
    drawn = iter([taken["reference"], "CC-NEW00001-1", "CC-NEW00002-2", "CC-NEW00003-3"])
    monkeypatch.setattr(rail, "reference", lambda *_: next(drawn))
    other = Cycle(grants(2))
    await desk.service.deliver(*other.enrolments(), *other.entitlements(), other.closed())
    people = [grant.beneficiary_id for grant in other.granted]
    await desk.office.import_accounts(account_csv(people, rail="cash", start=85513000000))
    built = await desk.office.build(other)
    await desk.office.approve(built)
    await desk.office.disburse(built)
    await desk.service.run_jobs()
    assert len(await desk.collections()) == 3
    (health,) = await desk.rows("SELECT failures FROM rail_health WHERE rail = 'cash'")
    assert health["failures"] == 0


async def test_a_collection_that_opened_late_ends_by_its_own_window(make_service: MakeService) -> None:
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.register_agent()
    cycle = await desk.open(grants(1))
    (message,) = (await desk.messages()).values()
    late = cycle.closed().payment_window_until + timedelta(days=20)
    await desk.rows("UPDATE cash_collection SET window_until = :late RETURNING reference", late=late)
    await desk.rows("UPDATE payment_attempt SET created_at = '2020-07-28' RETURNING id")
    desk.service.clock.advance(late - desk.service.clock.today())
    async with desk.service.database.session() as session:
        ended = await expire_payments(session, desk.service.clock.today(), 3, ["cash"], UUID(int=0))
    assert ended is None
    desk.agent = desk.service.token("integration", subject="agent-1")
    await desk.redeem(message.reference, message.code, 100_000, 200)
