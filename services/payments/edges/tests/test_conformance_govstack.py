"""Every operation of GovStack Payments that is offered, held to its specification: requests, answers, callbacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from services.payments.edges.orders.report_orders import report_orders
from services.payments.edges.tests.builders import CALLBACK, EDGES, SETTINGS, SourceBB, request_id, rows
from services.payments.edges.tests.mutations import broken
from services.payments.edges.tests.specifications import (
    answer_schema,
    operation,
    ours_only,
    request_schema,
    required,
    valid,
)
from shared.testing.plugin import MakeService

G2P, VOUCHERS = "G2P API YAMLs", "Voucher API YAMLs"
MAPPER = "/identityAccountMapper/beneficiary"
LENIENT = ("mount ", "inancialAddress ")
"""What is judged instruction by instruction, so that a bad one does not hold up its batch: amounts (also as text), and
addresses (an IBAN has 34 characters, more than the specification allows for)."""


@dataclass(frozen=True)
class Operation:
    """One operation: where it is specified, where it is offered, a good message, and the callback that follows."""

    file: tuple[str, str]
    spec_path: str
    path: str
    message: Callable[[SourceBB], Any]
    method: str = "post"
    status: str = "200"
    headers: dict[str, str] = field(default_factory=dict)
    callback: tuple[str, tuple[str, str], str] | None = None
    id_header: str = ""


def _beneficiary(**changes: Any) -> dict[str, Any]:
    return {"payeeIdentity": "NID9", "PaymentModality": "01", "FinancialAddress": "85512000009"} | changes


def _register(source: SourceBB) -> Any:
    return {"RequestID": request_id(), "Beneficiaries": [_beneficiary(), _beneficiary(PaymentModality="02")]}


def _update(source: SourceBB) -> Any:
    known = {
        "payeeIdentity": "NID0",
        "bankingInstitutionCode": "ACLBKHPP",
        "paymentModality": "00",
        "financialAddress": "000123456",
        "status": "1",
    }
    unknown = {"payeeIdentity": "NOBODY", "status": "0"}
    return {"requestID": request_id(), "sourceBBID": source.code, "beneficiaries": [known, unknown]}


def _raw(source: SourceBB) -> Any:
    return [
        {
            "requestId": request_id(),
            "creditParty": [{"key": "payeeIdentity", "value": payee}],
            "debitParty": [{"key": "account", "value": "treasury"}],
            "paymentMode": "CLOSEDLOOP",
            "amount": 1000,
            "currency": "KHR",
            "descriptionText": "x",
        }
        for payee in ("NID0", "NOBODY")
    ]


def _addresses(source: SourceBB) -> Any:
    return {
        "batchId": request_id(),
        "destinationDFSPID": "WING",
        "creditInstructions": [
            {
                "instructionID": f"I{number}",
                "financialAddress": address,
                "amount": 1000,
                "currency": "KHR",
                "narration": "x",
            }
            for number, address in enumerate(("85512000000", "85599999999"))
        ],
    }


def _vouchers(source: SourceBB) -> Any:
    return {
        "requestID": request_id(),
        "batchID": request_id(),
        "voucherInstructions": [
            {
                "instructionID": request_id(),
                "groupCode": "FOD",
                "currency": "KHR",
                "amount": amount,
                "payeeFunctionalID": "NID0",
                "narration": "food",
            }
            for amount in (20_000, 0.5)
        ],
    }


def _activate(source: SourceBB) -> Any:
    return {"RequestID": request_id(), "BatchID": "VB1", "VoucherInstructions": [{"serialNumber": "NOSUCH"}]}


def _cancel(source: SourceBB) -> Any:
    return {"requestID": request_id(), "batchID": "VB1", "voucherInstructions": [{"serialNumber": "NOSUCH"}]}


OPERATIONS = {
    "register": Operation(
        (G2P, "RegisterBeneficiaryRequest.yml"),
        MAPPER,
        MAPPER,
        _register,
        headers={"X-Registering-Institution-ID": "MOSVY"},
        callback=("register", (G2P, "RegisterBeneficiaryResponse.yml"), "/callback"),
    ),
    "update": Operation(
        (G2P, "UpdateBeneficiaryRequest.yml"),
        MAPPER,
        MAPPER,
        _update,
        "put",
        callback=("update", (G2P, "UpdateBeneficiaryResponse.yml"), "/callback"),
    ),
    "bulk payment": Operation(
        (G2P, "BulkPayment.yml"),
        "/batchtransactions",
        "/batchtransactions?type=raw",
        _raw,
        status="202",
        headers={"Platform-TenantId": "MOSVY"},
        callback=("order", (G2P, "BulkPaymentStatusUpdate.yml"), "/api/v1/batch"),
        id_header="X-CorrelationID",
    ),
    "validate addresses": Operation(
        (G2P, "BulkValidateAccountRequest.yml"),
        "/beneficiaries?command=validate",
        "/beneficiaries?command=validate",
        _addresses,
        status="202",
        headers={"X-Registering-Institution-ID": "MOSVY"},
        callback=("validation", (G2P, "BulkValidateAccountResponse.yml"), "/callback"),
        id_header="X-Client-Correlation-ID",
    ),
    "pre-activate": Operation(
        (VOUCHERS, "VoucherPreactivationRequest.yml"),
        "/vouchers",
        "/vouchers",
        _vouchers,
        callback=("vouchers", (VOUCHERS, "VoucherCreationResponse.yml"), "/voucher-details-return"),
    ),
    "activate": Operation(
        (VOUCHERS, "VoucherActivate.yml"),
        "/vouchers",
        "/vouchers?command=activate",
        _activate,
        "put",
        callback=("voucher-activate", (VOUCHERS, "VoucherActivateResponse.yml"), "/callback-url"),
    ),
    "cancel": Operation(
        (VOUCHERS, "VoucherCancellation.yml"),
        "/vouchers",
        "/vouchers?command=cancel",
        _cancel,
        callback=(
            "voucher-cancel",
            (VOUCHERS, "VoucherCancellationResponse.yml"),
            "/vouchers/cancellation/confirmation",
        ),
    ),
}


async def prepared(make_service: MakeService) -> SourceBB:
    source = SourceBB(await make_service(EDGES, **SETTINGS))
    await source.register()
    await source.beneficiaries(["NID0"])
    return source


async def send(source: SourceBB, asked: Operation, message: Any, **changes: str) -> Any:
    """Send a message as an operation wants it; a header changed to "" is left out."""
    headers = asked.headers | ({asked.id_header: request_id()} if asked.id_header else {}) | changes
    return await source.post(asked.path, message, method=asked.method.upper(), **headers)


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_good_message_its_answer_and_its_callback_are_as_specified(
    make_service: MakeService, name: str
) -> None:
    asked = OPERATIONS[name]
    document = required("govstack-payments", *asked.file)
    source = await prepared(make_service)
    message = asked.message(source)
    schema = request_schema(document, asked.spec_path, asked.method)
    valid(document, schema, message)
    assert ours_only(document, schema, message) == set()
    answer = await send(source, asked, message)
    assert str(answer.status_code) == asked.status, answer.text
    described = operation(document, asked.spec_path, asked.method)["responses"][asked.status]
    if "content" in described:
        told = answer_schema(document, asked.spec_path, asked.method, asked.status)
        valid(document, told, answer.json())
        assert ours_only(document, told, answer.json()) == set()
        assert set(answer.json()) == set(told["properties"])
    assert asked.callback is not None
    await source.service.run_jobs()
    if asked.callback[0] == "order":
        await rows(
            source.service, "UPDATE external_order SET state = 'cancelled', check_at = '2020-01-01' RETURNING id"
        )
        await report_orders(source.service.context)
    called = (await source.callbacks(asked.callback[0]))[-1]
    document = required("govstack-payments", *asked.callback[1])
    described = request_schema(document, asked.callback[2])
    valid(document, described, called)
    assert ours_only(document, described, called) == set()
    wanted = {
        p["name"] for p in operation(document, asked.callback[2], "post").get("parameters", []) if p["in"] == "query"
    }
    row = (await rows(source.service, "SELECT url FROM external_callback ORDER BY id"))[-1]
    assert set(parse_qs(urlsplit(row["url"]).query)) == wanted
    assert row["url"].startswith(CALLBACK)


@pytest.mark.parametrize("name", OPERATIONS)
async def test_what_the_specification_forbids_is_refused_as_specified(make_service: MakeService, name: str) -> None:
    asked = OPERATIONS[name]
    document = required("govstack-payments", *asked.file)
    source = await prepared(make_service)
    schema = request_schema(document, asked.spec_path, asked.method)
    responses = operation(document, asked.spec_path, asked.method)["responses"]
    tried = 0
    for where, message in broken(document, schema, asked.message(source)):
        if any(lenient in f"{where} " for lenient in LENIENT):
            continue
        answer = await send(source, asked, message)
        assert answer.status_code == 400, (where, answer.text)
        tried += 1
        if "content" in responses.get("400", {}):
            told = answer_schema(document, asked.spec_path, asked.method, "400")
            valid(document, told, answer.json())
            assert set(told["properties"]) <= set(answer.json())
    assert tried > 5
    counted = await rows(
        source.service,
        "SELECT (SELECT count(*) FROM external_order) AS orders, (SELECT count(*) FROM external_callback) AS callbacks",
    )
    assert counted == [{"orders": 0, "callbacks": 1}]  # of the registration that went before


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_required_header_or_query_is_required(make_service: MakeService, name: str) -> None:
    asked = OPERATIONS[name]
    document = required("govstack-payments", *asked.file)
    source = await prepared(make_service)
    for parameter in operation(document, asked.spec_path, asked.method).get("parameters", []):
        if not parameter.get("required"):
            continue
        headers = source.headers | {"X-Callback-URL": CALLBACK} | asked.headers
        headers |= {asked.id_header: request_id()} if asked.id_header else {}
        path = asked.path
        if parameter["in"] == "query":
            path = asked.path.partition("?")[0]
        else:
            headers = {key: value for key, value in headers.items() if key.lower() != parameter["name"].lower()}
        if asked.method == "post" and path == "/vouchers" and parameter["in"] == "query":
            continue  # without a command it is a pre-activation
        if asked.spec_path == MAPPER and parameter["name"] == "X-Callback-URL":
            continue  # their conformance suite sends none: there is no callback then
        answer = await source.service.http.request(
            asked.method.upper(), f"/payments/v1/govstack{path}", headers=headers, json=asked.message(source)
        )
        assert answer.status_code == 400, (parameter["name"], answer.text)


async def test_the_details_of_a_batch_are_as_specified_filtered_and_in_pages(make_service: MakeService) -> None:
    document = required("govstack-payments", G2P, "BatchDetails.yml")
    schema = answer_schema(document, "/api/v1/batch/detail", "get", "200")
    source = await prepared(make_service)
    asked = OPERATIONS["bulk payment"]
    correlation = request_id()
    message = _raw(source)
    batch = (await send(source, asked, message, **{"X-CorrelationID": correlation})).json()["batchId"]
    await source.service.run_jobs()

    async def details(expected: int = 200, /, **params: str) -> Any:
        answer = await source.service.http.get(
            "/payments/v1/govstack/api/v1/batch/detail",
            params={"batchId": batch} | params,
            headers=source.headers | {"Platform-TenantId": source.code},
        )
        assert answer.status_code == expected, answer.text
        if expected == 200:
            valid(document, schema, answer.json())
            assert ours_only(document, schema, answer.json()) == set()
        return answer.json()

    first, second = await details()
    assert [first["transactionId"], second["transactionId"]] == [line["requestId"] for line in message]
    assert (first["status"], first["batchId"]) == ("PENDING", batch)
    assert (second["status"], second["errorInformation"]) == ("REFUSED", "The payee is not registered.")
    assert await details(status="PENDING") == [first]
    assert await details(status="refused") == [second]
    assert await details(status="PAID") == []
    assert await details(pageSize="1", pageNo="1") == [second]
    assert await details(pageSize="1", pageNo="1", status="REFUSED") == []
    assert await details(direction="INCOMING") == []
    assert await details(**{"X-CorrelationID": correlation}) == [first, second]
    await details(404, **{"X-CorrelationID": "another"})
    await details(400, status="nonsense")
    await details(400, pageSize="many")
