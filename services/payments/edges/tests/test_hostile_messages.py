"""What somebody who means harm, or a careless client, would send: the money stays right, and the answer clean."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from services.payments.edges.orders.model import LineFault, read_money, reason_words, told_code
from services.payments.edges.orders.report_orders import report_orders
from services.payments.edges.tests.builders import EDGES, SETTINGS, SourceBB, request_id, rows
from services.payments.tests.builders import Office
from shared.testing.plugin import MakeService


async def registered(make_service: MakeService) -> SourceBB:
    source = SourceBB(await make_service(EDGES, **SETTINGS))
    await source.register()
    return source


def disbursement(payee: str, reference: str = "", **changes: Any) -> dict[str, Any]:
    return {
        "reference_id": reference or uuid4().hex,
        "payer_fa": "account:1@treasury",
        "payee_fa": payee,
        "amount": "10000.00",
        "currency_code": "KHR",
    } | changes


def transaction(*items: dict[str, Any], name: str = "") -> dict[str, Any]:
    return {"transaction_id": name or str(uuid4()), "disbursements": list(items)}


# --- amounts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "amount",
    ["1e5", "1E+5", " 7", "7 ", "1_000", "+5", "-5", "\u17e1\u17e0\u17e0", "\uff11\uff10", "0x10", "NaN", "Infinity",
     "", ".5", "5.", "1,000", "00000000000000000001"],
)  # fmt: skip
def test_an_amount_is_plain_digits_and_nothing_that_only_decimal_would_read(amount: str) -> None:
    assert read_money(amount, "KHR") == (None, LineFault.BAD_AMOUNT)


@given(st.decimals(min_value=Decimal("0.01"), max_value=Decimal("9999999999999"), places=2))
def test_an_amount_that_was_written_is_read_back_exactly_or_refused(amount: Decimal) -> None:
    assert read_money(f"{amount:f}", "USD") == (amount, "")
    whole = amount == amount.to_integral_value()
    assert (read_money(f"{amount:f}", "KHR")[0] is not None) is whole


async def test_a_fraction_of_a_riel_and_another_currency_are_refused_line_by_line_whatever_their_type(
    make_service: MakeService,
) -> None:
    source = await registered(make_service)
    await source.beneficiaries([f"P{n}" for n in range(7)])
    message = source.bulk([f"P{n}" for n in range(7)])
    for line, amount in zip(message["CreditInstructions"], [1000, "1000", 1000.0, 0.5, "0.5", 1000, 1000], strict=True):
        line["Amount"] = amount
    message["CreditInstructions"][5]["Currency"] = "USD"
    message["CreditInstructions"][6]["Currency"] = "XTS"
    await source.post("/bulk-payment", message, 200)
    await source.service.run_jobs()
    (order,) = await source.orders()
    assert (order["accepted_count"], order["accepted_amount"]) == (3, "3000")
    codes = [code for _, code in (await source.lines(order["id"])).values()]
    assert codes == ["", "", "", "bad_amount", "bad_amount", "mixed_currency", "bad_currency"]


async def test_amounts_that_add_up_to_more_than_can_be_held_are_refused_not_answered_with_500(
    make_service: MakeService,
) -> None:
    source = await registered(make_service)
    await source.beneficiaries(["A"])
    message = source.bulk(["A"] * 20, amount="999999999999999")
    answer = await source.post("/bulk-payment", message, 400)
    assert answer.json()["code"] == "request_malformed"
    content = transaction(*(disbursement("id:1@nid", amount="9999999999999.00") for _ in range(1_001)))
    assert (await source.g2p("/disburse", source.message("disburse", content, 1_001))).status_code == 400
    assert await source.orders() == []


async def test_an_order_in_a_currency_no_fund_has_is_prepared_and_never_paid(make_service: MakeService) -> None:
    source = await registered(make_service)
    office = Office(source.service)
    await office.open_fund()  # in riel
    await source.beneficiaries(["A"])
    message = source.bulk(["A"], amount="12.50")
    message["CreditInstructions"][0]["Currency"] = "USD"
    await source.post("/bulk-payment", message, 200)
    await source.service.run_jobs()
    (order,) = await source.orders()
    assert (order["state"], order["currency"], order["accepted_amount"]) == ("prepared", "USD", "12.5")
    refused = await office.post("/payment-lists", office.maker, {"cycle_id": order["id"]}, 422)
    assert refused.json()["code"] == "no_fund"
    assert await rows(source.service, "SELECT 1 FROM payment_attempt") == []


# --- ids ------------------------------------------------------------------------------------------------------------


async def test_ids_of_99_characters_are_taken_and_of_100_refused(make_service: MakeService) -> None:
    source = await registered(make_service)
    await source.link(["id:1@nid"])
    taken = transaction(disbursement("id:1@nid", "r" * 99), name="t" * 99)
    await source.g2p("/disburse", source.message("disburse", taken, 1, message_id="m" * 99), 202)
    for content, header in (
        (transaction(disbursement("id:1@nid", "r" * 100)), {}),
        (transaction(disbursement("id:1@nid"), name="t" * 100), {}),
        (transaction(disbursement("id:1@nid")), {"message_id": "m" * 100}),
    ):
        answer = await source.g2p("/disburse", source.message("disburse", content, 1, **header), 400)
        assert len(answer.json()["message"]["correlation_id"]) <= 99
    await source.service.run_jobs()
    (order,) = await source.orders()
    assert (order["batch_id"], order["accepted_count"]) == ("t" * 99, 1)


async def test_a_reference_twice_in_one_transaction_pays_once_and_its_status_is_that_of_the_payment(
    make_service: MakeService,
) -> None:
    source = await registered(make_service)
    await source.link(["id:1@nid", "id:2@nid"])
    first = transaction(disbursement("id:1@nid", "R1"), disbursement("id:2@nid", "R1"), disbursement("id:2@nid", "R2"))
    await source.g2p("/disburse", source.message("disburse", first, 3), 202)
    await source.service.run_jobs()
    # The same reference again in another transaction, and a new one with it.
    second = transaction(disbursement("id:1@nid", "R1"), disbursement("id:1@nid", "R3"))
    await source.g2p("/disburse", source.message("disburse", second, 2), 202)
    await source.service.run_jobs()
    (paid,) = await rows(source.service, "SELECT count(*) AS n FROM entitlement")
    assert paid["n"] == 3
    asked = {
        "transaction_id": "S",
        "txnstatus_request": {
            "reference_id": "S1",
            "txn_type": "disburse",
            "attribute_type": "reference_id_list",
            "attribute_value": ["R1", "R2", "R3", "R9"],
        },
    }
    answer = await source.g2p("/disburse/sync/txn/status", source.message("search", asked, 1), 200)
    told = answer.json()["message"]["txnstatus_response"]["txn_status"]["disbursements_status"]
    # R1 was refused twice as a duplicate: asked about, it is the payment that counts, not the refusals.
    assert [(item["reference_id"], item["status"]) for item in told] == [("R1", "pdng"), ("R2", "pdng"), ("R3", "pdng")]


# --- signatures -----------------------------------------------------------------------------------------------------


async def test_a_signature_is_good_for_one_day_one_sender_and_one_message(make_service: MakeService) -> None:
    """Fault 13."""
    source = await registered(make_service)
    other = SourceBB(source.service, "OTHER", "source-2")
    await other.register()
    message = source.message("disburse", transaction(disbursement("id:1@nid")), 1)
    header, content = message["header"], message["message"]
    # Another partner's key and token, the first one's header.
    assert (await other.g2p("/disburse", other.signed(header, content))).json()["code"] == "sender_invalid"
    # Her own token with the other's signature over her own header.
    own = header | {"sender_id": other.sender}
    assert (await other.g2p("/disburse", source.signed(own, content), 401)).json()["code"] == "signature_invalid"
    old = source.signed(header, content, ago=timedelta(hours=1, seconds=1))
    assert (await source.g2p("/disburse", old)).status_code == 401
    ahead = source.signed(header, content, ago=-timedelta(minutes=6))
    assert (await source.g2p("/disburse", ahead)).status_code == 401
    first = await source.g2p("/disburse", message, 202)
    # The same message, signed anew a while later, is the same message.
    source.service.clock.advance(timedelta(minutes=30))
    again = await source.g2p("/disburse", source.signed(header, content), 202)
    assert again.json() == first.json()
    # Recorded, and sent again when its signature is over: nothing.
    source.service.clock.advance(timedelta(hours=2))
    source.headers = source.service.token("integration", subject=source.subject)
    assert (await source.g2p("/disburse", message)).status_code == 401
    (held,) = await rows(source.service, "SELECT count(*) AS n FROM external_order")
    assert held["n"] == 1


@pytest.mark.parametrize(
    "uri",
    ["https://evil.example/x", "http://127.0.0.1:9@evil.example/x", "http://127.0.0.1:90/x", "http://127.0.0.1/x",
     "http://[::1]:9/x", "http://localhost:9/x", "http://2130706433:9/x", "http://127.1:9/x", "http://0.0.0.0:9/x",
     "https://169.254.169.254/latest", "http://127.0.0.1:9\\@evil.example/", "http://127.0.0.1:9/\x01",
     "http://127.0.0.1:9/\u17a2", "//127.0.0.1:9/x", "file:///etc/passwd", "http://127.0.0.1:9", "HTTP://127.0.0.1:9/x"],
)  # fmt: skip
async def test_an_answer_goes_to_a_registered_origin_by_the_letter_or_nowhere(
    make_service: MakeService, uri: str
) -> None:
    source = await registered(make_service)
    message = source.message("disburse", transaction(disbursement("id:1@nid")), 1, sender_uri=uri)
    answer = await source.g2p("/disburse", message)
    if uri.lower() in ("http://127.0.0.1:9", "http://127.0.0.1:9/x"):
        assert answer.status_code == 202
    else:
        assert answer.json()["code"] == "sender_uri_invalid"
        assert await source.orders() == []


@pytest.mark.parametrize(
    "origin",
    ["https://169.254.169.254", "https://0.0.0.0", "https://[::]", "https://[fe80::1]", "https://[::ffff:0.0.0.0]",
     "http://10.0.0.5", "https://user@ministry.example", "https://ministry.example/x"],
)  # fmt: skip
async def test_an_origin_that_is_nobodys_cannot_be_registered(make_service: MakeService, origin: str) -> None:
    source = SourceBB(await make_service(EDGES, **SETTINGS))
    with pytest.raises(AssertionError, match="callback_origins"):
        await source.register(callback_origins=[origin])


# --- many at once ---------------------------------------------------------------------------------------------------


async def test_the_same_payee_registered_many_times_at_once_is_one_payee_with_one_account(
    make_service: MakeService,
) -> None:
    """Fault 6."""
    source = await registered(make_service)
    people = [f"P{n}" for n in range(6)]

    async def register(order: list[str]) -> int:
        entries = [
            {
                "PayeeFunctionalID": payee,
                "PaymentModality": "01",
                "FinancialAddress": str(85512000000 + int(payee[1:])),
                "BankingInstitutionCode": "WING",
            }
            for payee in order
        ]
        body = {"RequestID": request_id(), "SourceBBID": source.code, "Beneficiaries": entries}
        return (await source.post("/register-beneficiary", body)).status_code

    answers = await asyncio.gather(*(register(people if n % 2 else people[::-1]) for n in range(8)))
    assert answers == [200] * 8
    (counted,) = await rows(
        source.service, "SELECT (SELECT count(*) FROM external_payee) AS payees, count(*) AS accounts FROM account"
    )
    assert (counted["payees"], counted["accounts"]) == (6, 6)


async def test_one_address_linked_and_unlinked_at_once_ends_in_one_state_or_the_other(
    make_service: MakeService,
) -> None:
    source = await registered(make_service)
    await source.link(["id:1@nid"])

    async def ask(action: str) -> int:
        item = {"reference_id": "R", "timestamp": "2020-07-01T09:00:00Z", "id": "id:1@nid"}
        item |= {} if action == "unlink" else {"fa": "mobile:85512000001@wing"}
        message = {"transaction_id": str(uuid4()), f"{action}_request": [item]}
        return (await source.g2p(f"/mapper/{action}", source.message(action, message, 1))).status_code

    answers = await asyncio.gather(
        *(ask(action) for action in ("unlink", "update", "unlink", "link", "update", "link"))
    )
    assert set(answers) == {202}
    active = await rows(source.service, "SELECT version FROM account WHERE status = 'active'")
    assert len(active) <= 1


# --- while our own side is away -------------------------------------------------------------------------------------


async def test_an_order_taken_while_no_worker_ran_or_whose_job_came_to_nothing_is_prepared_in_the_end(
    make_service: MakeService,
) -> None:
    source = await registered(make_service)
    await source.beneficiaries(["A"])
    await source.post("/bulk-payment", source.bulk(["A"]), 200)
    await rows(source.service, "UPDATE job SET state = 'failed' RETURNING id")  # nobody will run it again
    await report_orders(source.service.context)
    await source.service.run_jobs()
    assert [order["state"] for order in await source.orders()] == ["received"]  # not yet its time
    source.service.clock.advance(timedelta(minutes=11))
    source.maker = source.service.token("payment_officer", subject="maker-1")
    await report_orders(source.service.context)
    await source.service.run_jobs()
    assert [order["state"] for order in await source.orders()] == ["prepared"]


# --- payees about whom something is known ---------------------------------------------------------------------------


async def test_a_source_learns_that_a_payment_is_withheld_not_that_somebody_is_looked_into(
    make_service: MakeService,
) -> None:
    source = await registered(make_service)
    office = Office(source.service)
    await office.open_fund()
    await source.beneficiaries(["A", "B", "DEAD"])
    message = source.bulk(["A", "B", "DEAD"])
    await source.post("/bulk-payment", message, 200)
    await source.service.run_jobs()
    (order,) = await source.orders()
    built = await office.post("/payment-lists", office.maker, {"cycle_id": order["id"]}, 202)
    await source.service.run_jobs()
    listed = await office.get(f"/payment-lists/{built.json()['payment_list_id']}")
    async with source.service.database.session() as session:
        for payee, reason in ((0, "sanctions"), (2, "deceased")):
            await session.execute(
                text(
                    "UPDATE payment_list_line l SET status = 'excluded', reasons = ARRAY[:reason] "
                    "FROM external_order_line e WHERE e.payment_id = l.payment_id AND e.instruction_id = :name"
                ),
                {"reason": reason, "name": message["CreditInstructions"][payee]["InstructionID"]},
            )
        await session.execute(text("UPDATE payment_list SET status = 'disbursed' WHERE id = :id"), {"id": listed["id"]})
    answer = await source.service.http.get(
        "/payments/v1/govstack/api/v1/batch/detail",
        params={"batchId": order["batch_id"]},
        headers=source.headers | {"Platform-TenantId": source.code},
    )
    assert "sanction" not in answer.text
    withheld, pending, dead = answer.json()
    assert (withheld["status"], withheld["errorInformation"]) == ("REFUSED", "It is withheld.")
    assert pending["status"] == "PENDING"
    assert dead["errorInformation"] == "The beneficiary has died since."


def test_every_reason_that_may_be_told_has_words_and_none_speaks_of_an_investigation() -> None:
    for reason in ("sanctions", "stopped", "hold"):
        assert reason_words(told_code(reason)) == "It is withheld."
    for fault in LineFault:
        assert reason_words(fault).endswith(".")
        assert "rail" not in reason_words(fault)
    assert "AC04" not in reason_words("AC04")


async def test_an_address_whose_payee_was_switched_off_resolves_as_inactive(make_service: MakeService) -> None:
    source = await registered(make_service)
    await source.link(["id:1@nid"])
    await rows(source.service, "UPDATE external_payee SET status = 'inactive' RETURNING id")
    item = {"reference_id": "R", "timestamp": "2020-07-01T09:00:00Z", "fa": "mobile:85512000000@wing"}
    message = {"transaction_id": "T", "resolve_request": [item]}
    answer = await source.g2p("/mapper/sync/resolve", source.message("resolve", message, 1), 200)
    (resolved,) = answer.json()["message"]["resolve_response"]
    assert resolved["status_reason_code"] == "succ.fa.inactive"


async def test_a_validation_refuses_what_the_preparation_would_refuse(make_service: MakeService) -> None:
    source = await registered(make_service)
    await source.beneficiaries(["A", "B", "C"])
    message = source.bulk(["A", "B", "C"])
    lines = message["CreditInstructions"]
    lines[1]["InstructionID"] = lines[0]["InstructionID"]
    lines[2]["Currency"], lines[2]["Amount"] = "USD", "5.00"
    await source.post("/prepayment-validation", message, 200)
    (told,) = await source.callbacks("validation")
    assert [item["failureReason"] for item in told["failedAccountLookups"]] == [
        "The instruction is in the batch twice.",
        "The batch is in another currency.",
    ]
    await source.post("/bulk-payment", message | {"RequestID": request_id()}, 200)
    await source.service.run_jobs()
    (order,) = await source.orders()
    assert order["accepted_count"] == 1


async def test_a_message_without_a_name_of_its_sender_or_with_a_foreign_one_changes_nothing(
    make_service: MakeService,
) -> None:
    source = await registered(make_service)
    body = orjson.loads(orjson.dumps(source.bulk(["A"])))
    del body["SourceBBID"]
    assert (await source.post("/bulk-payment", body)).status_code == 400
    assert (await source.post("/bulk-payment", source.bulk(["A"]), **{"Platform-TenantId": "X"})).status_code == 403
    assert await source.orders() == []
