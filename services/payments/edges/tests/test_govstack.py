"""The GovStack edge: its answers, its quirks, and what it never lets through."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from sqlalchemy import text

from services.payments.edges.tests.builders import CALLBACK, EDGES, SETTINGS, SourceBB, request_id, rows
from services.payments.edges.tests.specifications import answer_schema, request_schema, specification, valid
from shared.testing.plugin import MakeService


async def registered(make_service: MakeService) -> SourceBB:
    source = SourceBB(await make_service(EDGES, **SETTINGS))
    await source.register()
    return source


async def test_answers_and_callbacks_are_what_the_specification_says(make_service: MakeService) -> None:
    source = await registered(make_service)
    g2p = ("govstack-payments", "G2P API YAMLs")
    document = specification(*g2p, "RegisterBeneficiaryRequest.yml")
    body = {
        "RequestID": request_id(),
        "Beneficiaries": [
            {"payeeIdentity": "NID1", "PaymentModality": "01", "FinancialAddress": "85512000001"},
            {"payeeIdentity": "NID2", "PaymentModality": "02", "FinancialAddress": "x"},
        ],
    }
    path = "/identityAccountMapper/beneficiary"
    answer = await source.post(path, body, 200, **{"X-Registering-Institution-ID": source.code})
    valid(document, answer_schema(document, path, "post", "200"), answer.json())
    (told,) = await source.callbacks("register")
    document = specification(*g2p, "RegisterBeneficiaryResponse.yml")
    valid(document, request_schema(document, "/callback"), told)
    assert told["numberFailedCases"] == 2  # one without an institution, one by voucher

    bad = await source.post(path, {"RequestID": "short", "Beneficiaries": []}, 400)
    document = specification(*g2p, "RegisterBeneficiaryRequest.yml")
    valid(document, answer_schema(document, path, "post", "400"), bad.json())

    document = specification(*g2p, "UpdateBeneficiaryRequest.yml")
    await source.beneficiaries(["NID9"])
    update = {
        "requestID": request_id(),
        "sourceBBID": source.code,
        "beneficiaries": [
            {
                "payeeIdentity": "NID9",
                "paymentModality": "00",
                "financialAddress": "000123456",
                "bankingInstitutionCode": "ACLBKHPP",
            }
        ],
    }
    valid(document, request_schema(document, path, "put"), update)
    answer = await source.post(path, update, 200, method="PUT")
    valid(document, answer_schema(document, path, "put", "200"), answer.json())
    assert answer.json()["responseCode"] == "00"

    document = specification(*g2p, "BulkPayment.yml")
    raw = [
        {
            "requestId": "I1",
            "creditParty": [{"key": "payeeIdentity", "value": "NID9"}],
            "debitParty": [{"key": "account", "value": "treasury"}],
            "paymentMode": "CLOSEDLOOP",
            "amount": 1000,
            "currency": "KHR",
            "descriptionText": "x",
        }
    ]
    valid(document, request_schema(document, "/batchtransactions"), raw)
    headers = {"X-CorrelationID": request_id(), "Platform-TenantId": source.code}
    answer = await source.post("/batchtransactions?type=raw", raw, 202, **headers)
    valid(document, answer_schema(document, "/batchtransactions", "post", "202"), answer.json())
    await source.service.run_jobs()
    document = specification(*g2p, "BatchDetails.yml")
    detail = await source.service.http.get(
        "/payments/v1/govstack/api/v1/batch/detail",
        params={"batchId": answer.json()["batchId"]},
        headers=source.headers | {"Platform-TenantId": source.code},
    )
    valid(document, answer_schema(document, "/api/v1/batch/detail", "get", "200"), detail.json())
    assert [item["status"] for item in detail.json()] == ["PENDING"]


async def test_a_batch_sent_twice_is_one_order_and_another_body_under_its_id_is_refused(
    make_service: MakeService,
) -> None:
    """Fault 2."""
    source = await registered(make_service)
    await source.beneficiaries(["A", "B"])
    message = source.bulk(["A", "B"])
    first = await source.post("/bulk-payment", message, 200)
    again = await source.post("/bulk-payment", message, 200)
    assert again.json() == first.json()
    other = await source.post("/bulk-payment", source.bulk(["A"], RequestID=message["RequestID"]), 409)
    assert (other.json()["ResponseCode"], other.json()["code"]) == ("01", "request_reused")
    renamed = await source.post("/bulk-payment", message | {"RequestID": request_id()}, 409)
    assert renamed.json()["code"] == "batch_exists"
    assert len(await source.orders()) == 1


async def test_the_same_batch_at_the_same_time_never_answers_500_and_is_one_order(make_service: MakeService) -> None:
    """Fault 6."""
    source = await registered(make_service)
    await source.beneficiaries(["A"])
    message = source.bulk(["A"])
    answers = await asyncio.gather(*(source.post("/bulk-payment", message) for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert [answer for answer in answers if answer.status_code == 200]
    assert len(await source.orders()) == 1


async def test_two_payments_to_one_person_stay_two_and_the_bad_lines_are_named(make_service: MakeService) -> None:
    """Faults 5 and 7: nothing is rounded, nothing collapses; the good rest goes on."""
    source = await registered(make_service)
    await source.beneficiaries(["A", "B", "OFF"])
    await source.post(
        "/update-beneficiary-details",
        {
            "RequestID": request_id(),
            "SourceBBID": source.code,
            "Beneficiaries": [{"PayeeFunctionalID": "OFF", "status": "0"}],
        },
        200,
    )
    message = source.bulk(["A", "A", "B", "B", "B", "NOBODY", "OFF"], amount=50_000)
    lines = message["CreditInstructions"]
    lines[3]["Amount"] = 100.5
    lines[4]["Currency"] = "XXX"
    lines.append(dict(lines[0]))
    await source.post("/bulk-payment", message, 200)
    await source.service.run_jobs()
    (order,) = await source.orders()
    assert (order["accepted_count"], order["accepted_amount"]) == (3, "150003")
    read = await source.service.http.get(
        f"/payments/v1/external-orders/{order['id']}/lines", headers=source.maker, params={"limit": "100"}
    )
    assert [item["code"] for item in read.json()["items"]] == [
        "", "", "", "bad_amount", "bad_currency", "unknown_payee", "inactive_payee", "repeated_instruction",
    ]  # fmt: skip
    stored = await rows(source.service, "SELECT payment_id, component, amount FROM entitlement ORDER BY component")
    assert len({row["payment_id"] for row in stored}) == 3
    assert [row["component"] == order["reference"] for row in stored] == [True, True, False]

    second = source.bulk(["A"])
    second["CreditInstructions"][0]["InstructionID"] = lines[0]["InstructionID"]
    await source.post("/bulk-payment", second, 200)
    await source.service.run_jobs()
    (late,) = await source.orders(state="refused")
    assert list((await source.lines(late["id"])).values()) == [("refused", "known_instruction")]


async def test_an_amount_is_never_a_float(make_service: MakeService) -> None:
    """Fault 5: 12,345,678,901,234.56 is not a binary fraction."""
    source = await registered(make_service)
    await source.beneficiaries(["A"])
    body = orjson.dumps(source.bulk(["A"], amount="@")).replace(b'"@"', b"12345678901234.56").replace(b"KHR", b"USD")
    await source.post("/bulk-payment", body, 200)
    await source.service.run_jobs()
    ((stored),) = await rows(source.service, "SELECT amount FROM external_order_line")
    assert str(stored["amount"]) == "12345678901234.56"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"RequestID": "short"}, "RequestID"),
        ({"RequestID": "x" * 13}, "RequestID"),
        ({"BatchID": ""}, "BatchID"),
        ({"CreditInstructions": []}, "CreditInstructions"),
        ({"CreditInstructions": "x"}, "CreditInstructions"),
        ({"Surprise": 1}, "Surprise"),
    ],
)
async def test_a_malformed_request_is_400_but_a_prepayment_validation_200_with_01(
    make_service: MakeService, change: dict, field: str
) -> None:
    """The quirk of their conformance suite."""
    source = await registered(make_service)
    message = source.bulk(["A"]) | change
    bulk = await source.post("/bulk-payment", message, 400)
    assert (bulk.json()["ResponseCode"], bulk.json()["code"]) == ("01", "request_malformed")
    assert [error["field"] for error in bulk.json()["errors"]] == [field]
    checked = await source.post("/prepayment-validation", message, 200)
    assert checked.json()["ResponseCode"] == "01"
    assert checked.json()["RequestID"] == message["RequestID"][:12]
    assert await source.orders() == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1]", b'"x"', b'{"RequestID": NaN}', b'{"a": 1, "a": 2}', b"[" * 100_000, b"\xff\xfe", b"null"],
)
async def test_what_is_no_message_is_refused_with_a_clean_answer(make_service: MakeService, body: bytes) -> None:
    source = await registered(make_service)
    for path in ("/bulk-payment", "/register-beneficiary", "/vouchers"):
        assert (await source.post(path, body)).status_code == 400


async def test_a_message_above_the_limit_is_refused(make_service: MakeService) -> None:
    source = await registered(make_service)
    assert (await source.post("/bulk-payment", b" " * (8 * 1024 * 1024 + 1))).status_code == 413
    many = source.bulk([f"P{n}" for n in range(10_001)])
    assert (await source.post("/bulk-payment", many)).status_code == 400


async def test_nobody_speaks_for_another_institution_and_answers_go_to_registered_addresses_only(
    make_service: MakeService,
) -> None:
    source = await registered(make_service)
    other = SourceBB(source.service, "OTHER", "source-2")
    await other.register()
    await source.beneficiaries(["A"])
    assert (await source.post("/bulk-payment", source.bulk(["A"], SourceBBID="OTHER"))).json()["code"] == (
        "source_mismatch"
    )
    posed = await source.post("/bulk-payment", source.bulk(["A"]), **{"X-Registering-Institution-ID": "OTHER"})
    assert posed.json()["code"] == "source_mismatch"
    for url in ("http://127.0.0.1:10/x", "https://evil.example/x", "http://127.0.0.1:9@evil.example/", "ftp://x"):
        answer = await source.post("/bulk-payment", source.bulk(["A"]), **{"X-Callback-URL": url})
        assert (answer.status_code, answer.json()["code"]) == (403, "callback_not_allowed"), url
    unknown = SourceBB(source.service, "MOSVY", "stranger")
    assert (await unknown.post("/bulk-payment", source.bulk(["A"]))).json()["code"] == "source_unknown"
    officer = await source.service.http.post("/payments/v1/govstack/bulk-payment", headers=source.maker, json={})
    assert officer.status_code == 403
    nobody = await source.service.http.post("/payments/v1/govstack/bulk-payment", json={})
    assert nobody.status_code == 401
    # The other's payee of the same id is another payee.
    order = other.bulk(["A"])
    await other.post("/bulk-payment", order, 200)
    await source.service.run_jobs()
    (refused,) = await source.orders(source="OTHER")
    assert refused["state"] == "refused"


async def test_a_validation_tells_which_payees_could_not_be_paid(make_service: MakeService) -> None:
    source = await registered(make_service)
    await source.beneficiaries(["A"])
    message = source.bulk(["A", "NOBODY"])
    answer = await source.post("/prepayment-validation", message, 200)
    assert answer.json()["ResponseDescription"] == "1 of 2 cannot be paid."
    (told,) = await source.callbacks("validation")
    document = specification("govstack-payments", "G2P API YAMLs", "BulkValidateAccountResponse.yml")
    valid(document, request_schema(document, "/callback"), told)
    assert told["failedAccountLookups"] == [
        {
            "instructionID": message["CreditInstructions"][1]["InstructionID"],
            "failureReason": "The payee is not registered.",
        }
    ]


async def test_where_money_goes_is_changed_by_an_update_only_and_cools_off(make_service: MakeService) -> None:
    source = await registered(make_service)
    await source.beneficiaries(["A"])
    await source.beneficiaries(["A"])  # the same again changes nothing
    taken = {
        "RequestID": request_id(),
        "SourceBBID": source.code,
        "Beneficiaries": [
            {
                "PayeeFunctionalID": "A",
                "PaymentModality": "01",
                "FinancialAddress": "85599999999",
                "BankingInstitutionCode": "WING",
            }
        ],
    }
    refused = await source.post("/register-beneficiary", taken, 200)
    assert refused.json()["ResponseCode"] == "01"
    (account,) = await rows(source.service, "SELECT version, purpose, usable_from FROM account")
    assert (account["version"], account["purpose"], account["usable_from"]) == (1, "EXT-MOSVY", None)
    await source.post("/update-beneficiary-details", taken | {"RequestID": request_id()}, 200)
    (account,) = await rows(source.service, "SELECT version, usable_from FROM account")
    assert account["version"] == 2
    assert account["usable_from"] > source.service.clock.now()
    history = await rows(source.service, "SELECT version, changed_by FROM account_history ORDER BY version")
    assert [row["version"] for row in history] == [1, 2]


async def test_functional_ids_and_addresses_are_nowhere_in_clear(make_service: MakeService) -> None:
    """Fault 26 / law 8."""
    source = await registered(make_service)
    await source.beneficiaries(["SECRET-ID-77"], start=85577777777)
    await source.post("/bulk-payment", source.bulk(["SECRET-ID-77"]), 200)
    await source.service.run_jobs()
    tables = (
        "external_payee", "external_order", "external_order_line", "external_request", "external_callback", "account",
        "account_history", "audit_entry", "enrolment", "entitlement", "job",
    )  # fmt: skip
    async with source.service.database.session() as session:
        for table in tables:
            dump = str((await session.execute(text(f"SELECT * FROM {table}"))).all())
            assert "SECRET-ID-77" not in dump, table
            assert "85577777777" not in dump, table


async def test_a_commit_that_fails_is_no_success(make_service: MakeService) -> None:
    """Law 3."""
    source = await registered(make_service)
    await source.beneficiaries(["A"])
    async with source.service.commits_fail():
        answer = await source.post("/bulk-payment", source.bulk(["A"]))
    assert answer.status_code >= 500
    assert await source.orders() == []


async def test_an_officer_refuses_an_order_and_its_source_is_told_once(make_service: MakeService) -> None:
    from services.payments.edges.orders.report_orders import report_orders

    source = await registered(make_service)
    await source.beneficiaries(["A"])
    await source.post("/bulk-payment", source.bulk(["A"]), 200)
    await source.service.run_jobs()
    (order,) = await source.orders()
    path = f"/payments/v1/external-orders/{order['id']}:refuse"
    local = source.service.token("payment_officer", areas=("12",))
    assert (await source.service.http.post(path, headers=local, json={"reason": "not agreed"})).status_code == 403
    done = await source.service.http.post(path, headers=source.maker, json={"reason": "no funding agreed"})
    assert done.json()["state"] == "cancelled"
    again = await source.service.http.post(path, headers=source.maker, json={"reason": "no funding agreed"})
    assert again.json()["code"] == "order_state"
    assert await report_orders(source.service.context) == 1
    await rows(source.service, "UPDATE external_order SET check_at = '2020-01-01' RETURNING id")
    assert await report_orders(source.service.context) == 0
    (told,) = await source.callbacks("order")
    assert (told["failed"], told["completed"]) == (1, 0)
    assert CALLBACK.startswith("http://127.0.0.1:9")
