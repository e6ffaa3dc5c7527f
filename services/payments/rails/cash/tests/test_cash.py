"""Cash through agents: codes by message, the right person once, guessing in vain, windows, proxies."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import text

from services.payments.rails.cash.end_collections import expire_collections
from services.payments.rails.cash.model import MOST_TRIES
from services.payments.rails.cash.tests.builders import CASH, SETTINGS, Desk, code_other_than
from services.payments.tests.builders import VILLAGES, grants
from shared.contracts.payments import PaymentExpired, PaymentFailed, PaymentInstructed, PaymentSettled
from shared.contracts.registry import IdentityMerged, IdentityRestored
from shared.testing.plugin import MakeService


async def test_a_payee_collects_with_her_code_and_everything_moves_together(make_service: MakeService) -> None:
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.register_agent()
    cycle = await desk.open(grants(3))
    told = await desk.messages()
    assert len(told) == 3
    first = (await desk.collections())[0]
    assert first["window_until"] == cycle.closed().payment_window_until
    message = told[first["reference"]]

    receipt = (await desk.redeem(message.reference, message.code, 100_000, 200)).json()
    assert (receipt["amount"], receipt["payment_reference"]) == ("100000", first["end_to_end_id"])
    story = await desk.office.get(f"/payments/{cycle.payment(0)}")
    assert (story["status"], story["attempts"][0]["state"]) == ("settled", "settled")
    balances = await desk.office.balances()
    assert (balances["paid"], balances["in_transit"]) == (Decimal(100_000), Decimal(200_003))
    (agent,) = (await desk.office.get("/cash/agents", desk.office.releaser))["items"]
    assert (agent["paid"], agent["owed"]) == ("100000", "100000")
    kinds = [type(event) for event in await desk.service.outbox()]
    assert kinds.count(PaymentInstructed) == 3
    assert kinds.count(PaymentSettled) == 1


async def test_a_code_is_forgotten_once_sent_and_never_stored_in_clear(make_service: MakeService) -> None:
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.open(grants(2))
    desk.gateway.takes = False
    assert await desk.messages() == {}
    desk.gateway.takes = True
    desk.service.clock.advance(timedelta(minutes=1))
    told = await desk.messages()
    assert len(told) == 2
    async with desk.service.database.session() as session:
        kept = (await session.execute(text("SELECT state, code_encrypted, tries FROM cash_message"))).all()
        dump = str((await session.execute(text("SELECT * FROM cash_collection"))).all())
    assert {(row.state, row.code_encrypted, row.tries) for row in kept} == {("sent", None, 2)}
    assert all(message.code not in dump and message.number not in dump for message in told.values())
    assert await desk.messages() == told  # nothing is sent twice


async def test_the_same_redemption_said_twice_pays_once_and_answers_the_same(make_service: MakeService) -> None:
    """Fault 2 at the agents' door."""
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.register_agent()
    await desk.open(grants(1))
    (message,) = (await desk.messages()).values()
    answers = await asyncio.gather(*(desk.redeem(message.reference, message.code, 100_000) for _ in range(4)))
    again = await desk.redeem(message.reference, message.code, 100_000, 200)
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert {answer.json()["receipt"] for answer in answers if answer.status_code == 200} == {again.json()["receipt"]}
    other = await desk.redeem(message.reference, message.code, 100_000, agent_reference="T-other")
    assert (other.status_code, other.json()["code"]) == (409, "collection_ended")
    assert (await desk.office.balances())["paid"] == Decimal(100_000)


async def test_guessing_is_counted_before_it_is_compared_and_ends_locked(make_service: MakeService) -> None:
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.register_agent()
    await desk.open(grants(1))
    (message,) = (await desk.messages()).values()
    wrong = code_other_than(message.code)
    guesses = await asyncio.gather(*(desk.redeem(message.reference, wrong, 100_000) for _ in range(12)))
    codes = [guess.json()["code"] for guess in guesses]
    assert codes.count("wrong_code") == MOST_TRIES
    assert codes.count("code_locked") == 12 - MOST_TRIES
    right = await desk.redeem(message.reference, message.code, 100_000)
    assert right.json()["code"] == "code_locked"

    path = f"/cash/collections/{message.reference}:renew-code"
    await desk.office.post(path, desk.office.maker, {"reason": "locked by guessing"}, 200)
    new = (await desk.messages())[message.reference]
    assert new.code != message.code
    assert (await desk.redeem(message.reference, message.code, 100_000)).json()["code"] == "wrong_code"
    await desk.redeem(message.reference, new.code, 100_000, 200)


async def test_an_agent_who_tries_references_and_codes_all_day_is_locked(make_service: MakeService) -> None:
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.register_agent()
    for number in range(30):
        answer = await desk.redeem(f"CC-{number:08d}-0", "00000000", 1)
        assert answer.json()["code"] == "collection_not_found"
    locked = await desk.redeem("CC-00000000-0", "00000000", 1)
    assert (locked.status_code, locked.json()["code"]) == (429, "agent_locked")
    desk.service.clock.advance(timedelta(days=1))
    desk.agent = desk.service.token("integration", subject="agent-1")
    assert (await desk.redeem("CC-00000000-0", "00000000", 1)).json()["code"] == "collection_not_found"


async def test_wrong_amount_unidentified_person_other_area_other_network_get_nothing(
    make_service: MakeService,
) -> None:
    """Fault 4: one riel less, or another currency, is not this payment."""
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.register_agent()
    await desk.register_agent("A2", "agent-2", provider="other")
    await desk.open(grants(1))
    (message,) = (await desk.messages()).values()
    cases = [
        ({}, 99_999, "amount_mismatch"),
        ({"currency": "USD"}, 100_000, "amount_mismatch"),
        ({"identity_check": {"method": "biometric", "matches": False}}, 100_000, "identity_not_confirmed"),
        ({"collected_by": "proxy", "proxy_id_number": "12345"}, 100_000, "proxy_not_approved"),
        ({"who": desk.service.token("integration", subject="agent-2")}, 100_000, "collection_not_found"),
        (
            {"who": desk.service.token("integration", subject="agent-1", areas=("25",))},
            100_000,
            "collection_not_found",
        ),
        ({"who": desk.service.token("integration", subject="nobody")}, 100_000, "agent_unknown"),
        ({"who": desk.office.maker}, 100_000, "forbidden"),
    ]
    for changes, amount, code in cases:
        async with desk.service.database.session() as session:
            await session.execute(text("UPDATE cash_collection SET tries = 0"))
        answer = await desk.redeem(message.reference, message.code, amount, **changes)
        assert answer.json()["code"] == code, answer.text
    assert (await desk.office.balances())["in_transit"] == Decimal(100_000)


async def test_a_proxy_named_beforehand_and_approved_by_another_officer_collects(make_service: MakeService) -> None:
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.register_agent()
    cycle = await desk.open(grants(1))
    (message,) = (await desk.messages()).values()
    clerk = desk.service.token("commune_officer", subject="clerk", areas=(VILLAGES[0][:6],))
    today = desk.service.clock.today()
    body = {
        "beneficiary_id": str(cycle.granted[0].beneficiary_id),
        "name": "Sok Chan",
        "id_number": "010203040",
        "reason": "bed-ridden, named by the payee at the commune",
        "valid_from": str(today),
        "valid_until": str(today + timedelta(days=60)),
    }
    stranger = desk.service.token("commune_officer", subject="stranger", areas=("25",))
    assert (await desk.office.post("/cash/proxies", stranger, body)).json()["code"] == "outside_area"
    proxy = (await desk.office.post("/cash/proxies", clerk, body, 201)).json()
    changes = {"collected_by": "proxy", "proxy_id_number": "0102-030 40"}
    early = await desk.redeem(message.reference, message.code, 100_000, **changes)
    assert early.json()["code"] == "proxy_not_approved"
    both = desk.service.token("commune_officer", "payment_approver", subject="clerk")
    own = await desk.office.post(f"/cash/proxies/{proxy['id']}:approve", both, {"reason": "seen"})
    assert own.json()["code"] == "same_person"
    await desk.office.post(f"/cash/proxies/{proxy['id']}:approve", desk.office.checker, {"reason": "confirmed"}, 200)
    receipt = (await desk.redeem(message.reference, message.code, 100_000, 200, **changes)).json()
    assert receipt["collected_by"] == "proxy"
    async with desk.service.database.session() as session:
        stored = str((await session.execute(text("SELECT * FROM cash_proxy"))).all())
        audited = str((await session.execute(text("SELECT * FROM audit_entry"))).all())
    assert "Sok Chan" not in stored + audited
    assert "010203040" not in stored + audited


async def test_a_proxy_of_a_record_that_was_merged_collects_for_the_surviving_one_until_it_is_undone(
    make_service: MakeService,
) -> None:
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.register_agent()
    cycle = await desk.open(grants(2))
    told = await desk.messages()
    collections = await desk.collections()
    kept, gone = cycle.granted[0].beneficiary_id, cycle.granted[1].beneficiary_id
    today = desk.service.clock.today()
    body = {
        "beneficiary_id": str(gone),
        "name": "Sok Chan",
        "id_number": "010203040",
        "reason": "bed-ridden, named by the payee at the commune",
        "valid_from": str(today),
        "valid_until": str(today + timedelta(days=60)),
    }
    clerk = desk.service.token("commune_officer", subject="clerk")
    proxy = (await desk.office.post("/cash/proxies", clerk, body, 201)).json()
    await desk.office.post(f"/cash/proxies/{proxy['id']}:approve", desk.office.checker, {"reason": "confirmed"}, 200)
    async with desk.service.database.session() as session:
        statement = text(
            "SELECT c.reference, c.amount FROM cash_collection c JOIN payment_attempt a ON a.id = c.attempt_id"
            " JOIN payment p ON p.id = a.payment_id WHERE p.beneficiary_id = :kept"
        )
        (mine,) = (await session.execute(statement, {"kept": kept})).all()
    assert len(collections) == 2
    changes = {"collected_by": "proxy", "proxy_id_number": "010203040"}
    code = told[mine.reference].code
    other = await desk.redeem(mine.reference, code, mine.amount, **changes)
    assert other.json()["code"] == "proxy_not_approved"
    names = {"kind": "person", "retired_id": gone, "surviving_id": kept, "merge_id": gone}
    await desk.service.deliver(IdentityMerged(version=1, **names))
    await desk.service.deliver(IdentityRestored(version=2, **names))
    undone = await desk.redeem(mine.reference, code, mine.amount, **changes)
    assert undone.json()["code"] == "proxy_not_approved"
    await desk.service.deliver(IdentityMerged(version=3, **names))
    receipt = (await desk.redeem(mine.reference, code, mine.amount, 200, **changes)).json()
    assert receipt["collected_by"] == "proxy"


async def test_what_is_not_collected_expires_returns_to_the_fund_and_is_paid_again(make_service: MakeService) -> None:
    """Fault 14: uncollected money after its window."""
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.register_agent()
    cycle = await desk.open(grants(3))
    told = await desk.messages()
    first = (await desk.collections())[0]
    await desk.redeem(first["reference"], told[first["reference"]].code, 100_000, 200)
    assert await expire_collections(desk.service.context) == 0
    desk.service.clock.advance(cycle.closed().payment_window_until - desk.service.clock.today() + timedelta(days=1))
    desk.office = type(desk.office)(desk.service)
    desk.agent = desk.service.token("integration", subject="agent-1")

    late = (await desk.collections())[1]
    answer = await desk.redeem(late["reference"], told[late["reference"]].code, late["amount"])
    assert answer.json()["code"] == "window_closed"
    assert await expire_collections(desk.service.context) == 2
    assert await expire_collections(desk.service.context) == 0
    balances = await desk.office.balances()
    assert (balances["in_transit"], balances["paid"]) == (Decimal(0), Decimal(100_000))
    assert balances["available"] == Decimal(1_000_000_000) - 100_000
    events = await desk.service.outbox()
    assert len([event for event in events if isinstance(event, PaymentExpired)]) == 2

    path = f"/payments/{cycle.payment(1)}:reissue"
    other = desk.service.token("payment_officer", subject="second-officer")
    await desk.office.post(path, other, {"same_account": True, "reason": "was in hospital"}, 200)
    await desk.service.run_jobs()
    again = [row for row in await desk.collections() if row["state"] == "open"]
    assert [row["amount"] for row in again] == [late["amount"]]
    assert again[0]["reference"] != late["reference"]
    code = (await desk.messages())[again[0]["reference"]].code
    await desk.redeem(again[0]["reference"], code, late["amount"], 200, agent_reference="T-again")


async def test_a_cancelled_collection_fails_its_payment_and_its_code_is_void(make_service: MakeService) -> None:
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.register_agent()
    await desk.open(grants(1))
    (message,) = (await desk.messages()).values()
    path = f"/cash/collections/{message.reference}"
    outside = desk.service.token("payment_officer", areas=("25",))
    assert (await desk.office.post(f"{path}:cancel", outside, {"reason": "not mine"})).status_code == 404
    cancelled = await desk.office.post(f"{path}:cancel", desk.office.maker, {"reason": "wrong number"}, 200)
    assert cancelled.json()["state"] == "cancelled"
    assert (await desk.redeem(message.reference, message.code, 100_000)).json()["code"] == "collection_ended"
    (failed,) = [event for event in await desk.service.outbox() if isinstance(event, PaymentFailed)]
    assert failed.reason_code == "cancelled"
    assert (await desk.office.balances())["available"] == Decimal(1_000_000_000)


async def test_an_agent_is_owed_no_more_than_agreed_until_she_is_settled_with(make_service: MakeService) -> None:
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.register_agent(credit_limit="150000")
    await desk.open(grants(2))
    told = await desk.messages()
    first, second = await desk.collections()
    await desk.redeem(first["reference"], told[first["reference"]].code, 100_000, 200)
    assert (await desk.office.balances())["agent_float"] == Decimal(-100_000)
    full = await desk.redeem(second["reference"], told[second["reference"]].code, 100_001)
    assert full.json()["code"] == "agent_limit"
    transfer = {
        "reference": "TR-1",
        "amount": "100000",
        "currency": "KHR",
        "on": "2020-07-28",
        "fund_code": "TREASURY-20",
    }
    settled = await desk.office.post("/cash/agents/A1/settlements", desk.office.releaser, transfer, 201)
    assert settled.json()["owed"] == "0"
    assert (await desk.office.balances())["agent_float"] == 0
    twice = await desk.office.post("/cash/agents/A1/settlements", desk.office.releaser, transfer)
    assert twice.json()["code"] == "settlement_exists"
    half = await desk.office.post(
        "/cash/agents/A1/settlements", desk.office.releaser, transfer | {"reference": "TR-2", "amount": "100.5"}
    )
    assert (half.status_code, half.json()["errors"][0]["field"]) == (422, "amount")
    await desk.redeem(second["reference"], told[second["reference"]].code, 100_001, 200)


async def test_an_agents_statement_moves_no_money_and_every_difference_is_named(make_service: MakeService) -> None:
    """Fault 3: one line that names nothing does not hold up the others."""
    desk = Desk(await make_service(CASH, **SETTINGS))
    await desk.register_agent()
    await desk.open(grants(4))
    told = await desk.messages()
    rows = await desk.collections()
    for row in rows[:3]:
        await desk.redeem(row["reference"], told[row["reference"]].code, row["amount"], 200)
    today = desk.service.clock.today()
    lines = [
        "on,payment_reference,amount,currency,agent_reference",
        f"{today},{rows[0]['end_to_end_id']},100000,KHR,T-1",
        f"{today},{rows[1]['end_to_end_id']},1,KHR,T-2",
        f"{today},{rows[3]['end_to_end_id']},100003,KHR,T-4",
        f"{today},nobody,5,KHR,T-5",
        f"{today},{rows[0]['end_to_end_id']},100000,KHR,T-6",
        "not a date,x,1,KHR,T-7",
    ]
    body = "\n".join(lines)
    path = "/payments/v1/cash/agent-statements"
    headers = desk.agent | {"Content-Type": "text/csv"}
    answer = await desk.service.http.post(path, headers=headers, content=body)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["lines"], answer.json()["matched"], answer.json()["missing"]) == (6, 1, 2)
    again = await desk.service.http.post(path, headers=headers, content=body)
    assert again.json()["code"] == "statement_seen"
    open_ones = await desk.office.get("/cash/agent-statements/differences", desk.office.releaser)
    verdicts = sorted(item["verdict"] for item in open_ones["items"])
    assert verdicts == [
        "amount_mismatch", "duplicate", "missing", "missing", "not_collected", "unknown_reference", "unreadable",
    ]  # fmt: skip
    assert (await desk.collections())[3]["state"] == "open"
    item = open_ones["items"][0]
    target = f"/cash/agent-statements/{item['statement_id']}/lines/{item['line']}:resolve"
    await desk.office.post(target, desk.office.releaser, {"resolution": "typed wrongly by the agent"}, 200)
    await desk.office.post(target, desk.office.releaser, {"resolution": "again"}, 404)
