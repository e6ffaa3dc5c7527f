"""Vouchers by GovStack: made, activated, redeemed once, cancelled; money moves as for any payment."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from services.payments.app import SERVICE
from services.payments.edges.tests.builders import SETTINGS, SourceBB, request_id
from services.payments.edges.tests.specifications import answer_schema, request_schema, specification, valid
from services.payments.rails.cash.end_collections import expire_collections
from services.payments.tests.builders import Office
from shared.testing.plugin import MakeService
from shared.testing.waiting import wait_for

WHOLE = replace(SERVICE, schedules=())
FOLDER = ("govstack-payments", "Voucher API YAMLs")


class Shop:
    """A source with vouchers, officers, and an agent who takes them."""

    def __init__(self, source: SourceBB) -> None:
        self.source, self.service, self.office = source, source.service, Office(source.service)
        self.agent = source.service.token("integration", subject="agent-1")

    async def made(self, count: int, amount: int = 20_000) -> list[dict[str, Any]]:
        """Vouchers pre-activated: what the callback says."""
        await self.source.register()
        await self.office.open_fund()
        agent = {
            "code": "A1",
            "provider": "wing",
            "subject": "agent-1",
            "name": "Agent",
            "currency": "KHR",
            "credit_limit": "1000000",
        }
        await self.office.post("/cash/agents", self.office.releaser, agent, 201)
        body = {
            "requestID": request_id(),
            "batchID": "VB1",
            "voucherInstructions": [
                {
                    "instructionID": f"I{n}",
                    "groupCode": "FOD",
                    "currency": "KHR",
                    "amount": amount + n,
                    "payeeFunctionalID": f"PERSON{n}",
                    "narration": "food",
                }
                for n in range(count)
            ],
        }
        document = specification(*FOLDER, "VoucherPreactivationRequest.yml")
        valid(document, request_schema(document, "/vouchers"), body)
        answer = await self.source.post("/vouchers", body, 200)
        valid(document, answer_schema(document, "/vouchers", "post", "200"), answer.json())
        again = await self.source.post("/vouchers", body, 200)
        assert again.json() == answer.json()
        (told,) = await self.source.callbacks("vouchers")
        document = specification(*FOLDER, "VoucherCreationResponse.yml")
        valid(document, request_schema(document, "/voucher-details-return"), told)
        return told["voucherInstructions"]

    async def paid_out(self) -> None:
        """Its order listed, approved, released: the money waits at the agents."""
        await self.service.run_jobs()
        (order,) = await self.source.orders(state="prepared")
        built = await self.office.post("/payment-lists", self.office.maker, {"cycle_id": order["id"]}, 202)
        await self.service.run_jobs()
        listed = await self.office.get(f"/payment-lists/{built.json()['payment_list_id']}")
        assert listed["excluded_count"] == 0, listed["excluded"]
        await self.office.approve(listed)
        await self.office.disburse(listed)
        await self.service.run_jobs()

    async def change(self, command: str, *serials: str) -> Any:
        """Activate or cancel."""
        body = {
            "RequestID": request_id(),
            "BatchID": "VB1",
            "VoucherInstructions": [{"serialNumber": serial} for serial in serials],
        }
        method = "PUT" if command == "activate" else "POST"
        return (await self.source.post(f"/vouchers?command={command}", body, 200, method=method)).json()

    async def status(self, serial: str) -> int:
        """Its number on the wire."""
        answer = await self.service.http.get(
            f"/payments/v1/govstack/vouchers/{serial}", headers=self.source.headers, params={"fields": "status"}
        )
        name, code = ("200", 200) if answer.status_code == 200 else ("400", 400)
        document = specification(*FOLDER, "VoucherStatus.yml")
        valid(document, answer_schema(document, "/vouchers/{serialNumber}", "get", name), answer.json())
        assert answer.status_code == code
        return answer.json()["status"]

    async def redeem(self, voucher: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """An agent takes it."""
        body = {
            "requestID": request_id(),
            "voucherSerialNumber": voucher["serialNumber"],
            "agentID": "A1",
            "voucherSecretNumber": voucher["voucherNumber"],
        } | changes
        answer = await self.service.http.post(
            "/payments/v1/govstack/vouchers/voucher_redemption", headers=self.agent, json=body
        )
        assert answer.status_code == 200, answer.text
        document = specification(*FOLDER, "VoucherRedemption.yml")
        valid(document, answer_schema(document, "/vouchers", "post", "200"), answer.json())
        return answer.json()


async def test_a_voucher_is_worth_something_once_activated_and_approved_and_only_once(
    make_service: MakeService,
) -> None:
    shop = Shop(SourceBB(await make_service(WHOLE, **SETTINGS)))
    first, second = await shop.made(2)
    assert await shop.status(first["serialNumber"]) == 1
    assert (await shop.redeem(first))["status"] == 0  # nothing was approved
    assert (await shop.change("activate", first["serialNumber"], "NOSUCH"))["ResponseCode"] == "00"
    (told,) = await shop.source.callbacks("voucher-activate")
    document = specification(*FOLDER, "VoucherActivateResponse.yml")
    valid(document, request_schema(document, "/callback-url"), told)
    assert [case["serialNumber"] for case in told["failedCases"]] == ["NOSUCH"]
    assert (await shop.redeem(first))["status"] == 0  # activated, but still not approved
    await shop.paid_out()
    assert (await shop.redeem(second))["status"] == 0  # approved, but not activated
    assert (await shop.redeem(first, voucherSecretNumber="wrong"))["status"] == 0

    done = await shop.redeem(first, requestID="REDEEM-00001")
    assert (done["status"], done["value"]) == (1, 20_000)
    assert await shop.redeem(first, requestID="REDEEM-00001") == done
    assert (await shop.redeem(first))["status"] == 0
    assert await shop.status(first["serialNumber"]) == 5
    assert (await shop.office.balances())["paid"] == Decimal(20_000)
    async with shop.service.database.session() as session:
        assert (await session.execute(text("SELECT count(*) FROM cash_message"))).scalar_one() == 0


async def test_a_cancelled_voucher_pays_nobody_and_its_money_returns(make_service: MakeService) -> None:
    shop = Shop(SourceBB(await make_service(WHOLE, **SETTINGS)))
    before, after, used = await shop.made(3)
    await shop.service.run_jobs()
    await shop.change("cancel", before["serialNumber"])
    assert await shop.status(before["serialNumber"]) == 4
    await shop.change("activate", after["serialNumber"], used["serialNumber"])
    (order,) = await shop.source.orders(state="prepared")
    built = await shop.office.post("/payment-lists", shop.office.maker, {"cycle_id": order["id"]}, 202)
    await shop.service.run_jobs()
    listed = await shop.office.get(f"/payment-lists/{built.json()['payment_list_id']}")
    assert (listed["ready_count"], [item["reason"] for item in listed["excluded"]]) == (2, ["revoked"])
    await shop.office.approve(listed)
    await shop.office.disburse(listed)
    await shop.service.run_jobs()
    assert (await shop.redeem(used))["status"] == 1
    answer = await shop.change("cancel", after["serialNumber"], used["serialNumber"])
    assert answer["responseDescription"] == "1 done, 1 refused."
    assert (await shop.redeem(after))["status"] == 0
    assert await shop.status(after["serialNumber"]) == 4
    balances = await shop.office.balances()
    assert (balances["in_transit"], balances["paid"]) == (Decimal(0), Decimal(20_002))
    assert balances["available"] == Decimal(1_000_000_000) - 20_002


async def test_a_voucher_of_another_source_or_none_is_an_error_without_a_hint(make_service: MakeService) -> None:
    shop = Shop(SourceBB(await make_service(WHOLE, **SETTINGS)))
    (voucher,) = await shop.made(1)
    other = SourceBB(shop.service, "OTHER", "source-2")
    await other.register()
    assert await shop.status("NOSUCH") == 9
    shop.source = other
    assert await shop.status(voucher["serialNumber"]) == 9
    assert (await shop.change("cancel", voucher["serialNumber"]))["responseCode"] == "01"


async def _ready(make_service: MakeService) -> tuple[Shop, dict[str, Any]]:
    """A shop with one voucher that can be redeemed."""
    shop = Shop(SourceBB(await make_service(WHOLE, **SETTINGS)))
    (voucher,) = await shop.made(1)
    await shop.change("activate", voucher["serialNumber"])
    await shop.paid_out()
    return shop, voucher


async def test_a_voucher_redeemed_by_many_at_once_is_paid_once(make_service: MakeService) -> None:
    """Fault 6."""
    shop, voucher = await _ready(make_service)
    answers = await asyncio.gather(*(shop.redeem(voucher) for _ in range(4)))
    assert sorted(answer["status"] for answer in answers) == [0, 0, 0, 1]
    assert (await shop.office.balances())["paid"] == Decimal(20_000)


async def test_a_voucher_cancelled_while_an_agent_pays_it_out_is_either_paid_or_cancelled_and_its_source_told_which(
    make_service: MakeService,
) -> None:
    """The agent has locked the collection and is about to pay: the cancellation waits, and then says it was used."""
    shop, voucher = await _ready(make_service)
    serial = voucher["serialNumber"]
    async with shop.service.database.session() as agent:
        await agent.execute(text("SELECT 1 FROM cash_collection WHERE reference = :s FOR UPDATE"), {"s": serial})
        cancelling = asyncio.ensure_future(shop.change("cancel", serial))
        await wait_for(lambda: _waiting(shop), what="the cancellation to wait for the agent")
        await agent.execute(
            text("UPDATE cash_collection SET state = 'collected', ended_at = now() WHERE reference = :s"), {"s": serial}
        )
    answer = await cancelling
    assert answer["responseDescription"] == "0 done, 1 refused."
    (told,) = await shop.source.callbacks("voucher-cancel")
    assert told["failedCases"] == [{"serialNumber": serial, "failureReason": "The voucher was used."}]
    assert await shop.status(serial) == 5


async def _waiting(shop: Shop) -> bool:
    async with shop.service.database.session() as session:
        blocked = await session.scalar(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
        )
    return bool(blocked)


async def test_cancelling_and_redeeming_at_once_agree_with_what_each_was_told(make_service: MakeService) -> None:
    shop, voucher = await _ready(make_service)
    paid, cancelled = await asyncio.gather(shop.redeem(voucher), shop.change("cancel", voucher["serialNumber"]))
    done = cancelled["responseDescription"] == "1 done, 0 refused."
    assert (paid["status"] == 1) is not done
    assert await shop.status(voucher["serialNumber"]) == (4 if done else 5)
    assert (await shop.office.balances())["paid"] == Decimal(0 if done else 20_000)


async def test_a_voucher_whose_window_is_over_cannot_be_redeemed_and_says_so(make_service: MakeService) -> None:
    """Fault 14."""
    shop, voucher = await _ready(make_service)
    shop.service.clock.advance(timedelta(days=60))
    shop.agent = shop.service.token("integration", subject="agent-1")
    shop.source.headers = shop.service.token("integration", subject=shop.source.subject)
    shop.office = Office(shop.service)
    refused = await shop.redeem(voucher)
    assert (refused["status"], refused["message"]) == (0, "window_closed")
    await expire_collections(shop.service.context)
    assert await shop.status(voucher["serialNumber"]) == 6
    answer = await shop.change("cancel", voucher["serialNumber"])
    assert answer["responseCode"] == "01"
    assert (await shop.office.balances())["in_transit"] == Decimal(0)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"requestID": "short"}, 400),
        ({"agentID": "x" * 11}, 400),
        ({"voucherSecretNumber": ""}, 400),
        ({"voucherSecretNumber": 123456}, 400),
        ({"voucherSerialNumber": None}, 400),
        ({"agentID": "A2"}, 403),
        ({"voucherSerialNumber": "NOSUCH"}, 200),
    ],
)
async def test_a_redemption_that_is_none_is_refused_in_the_specifications_words(
    make_service: MakeService, change: dict[str, Any], status: int
) -> None:
    shop, voucher = await _ready(make_service)
    body = {
        "requestID": request_id(),
        "voucherSerialNumber": voucher["serialNumber"],
        "agentID": "A1",
        "voucherSecretNumber": voucher["voucherNumber"],
    } | change
    answer = await shop.service.http.post(
        "/payments/v1/govstack/vouchers/voucher_redemption", headers=shop.agent, json=body
    )
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == 0
    document = specification(*FOLDER, "VoucherRedemption.yml")
    valid(document, answer_schema(document, "/vouchers", "post", "200"), answer.json())
    assert await shop.status(voucher["serialNumber"]) == 2
