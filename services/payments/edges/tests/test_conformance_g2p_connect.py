"""Every operation of G2P Connect that is offered, held to its specification: requests, answers, callbacks."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson
import pytest

from services.payments.edges.orders.report_orders import report_orders
from services.payments.edges.tests.builders import EDGES, SETTINGS, SourceBB, rows
from services.payments.edges.tests.mutations import broken
from services.payments.edges.tests.specifications import answer_schema, ours_only, request_schema, required, valid
from shared.testing.plugin import MakeService

DISBURSE, MAPPER = "disburse_core_api_v1.0.0.yaml", "mapper_core_api_v1.0.0.yaml"
AT = "2020-07-01T09:00:00Z"
EXTRA = [{"name": "village", "value": "12"}]


def _mapped(action: str, *items: dict[str, Any]) -> dict[str, Any]:
    filled = [
        {"reference_id": f"M{number}", "timestamp": AT, "additional_info": EXTRA, "locale": "khm"} | item
        for number, item in enumerate(items)
    ]
    return {"transaction_id": str(uuid4()), f"{action}_request": filled}


def _message(action: str) -> dict[str, Any]:
    """A full message of an action: one item that can be acted upon, one that cannot."""
    named = {"name": "Sok Dara", "phone_number": "+85512000009"}
    if action == "disburse":
        full = {
            "reference_id": str(uuid4()),
            "payer_fa": "account:1@treasury",
            "payee_fa": "id:0@nid",
            "amount": "10000.00",
            "payer_name": "Treasury",
            "payee_name": "Sok Dara",
            "note": "July",
            "purpose": "Food",
            "instruction": "none",
            "meta": {},
            "currency_code": "KHR",
            "locale": "khm",
        }
        other = full | {"reference_id": str(uuid4()), "amount": "0.00"}
        return {"transaction_id": str(uuid4()), "disbursements": [full, other]}
    if action == "link":
        return _mapped(
            "link",
            {"id": "id:9@nid", "fa": "mobile:85512000009@wing"} | named,
            {"id": "id:8@nid", "fa": "pigeon:1@x"} | named,
        )
    if action == "update":
        return _mapped(
            "update", {"id": "id:0@nid", "fa": "mobile:85512000007@wing"}, {"id": "id:7@nid", "fa": "iban:1@x"}
        )
    if action == "unlink":
        return _mapped("unlink", {"id": "id:0@nid"}, {"id": "id:7@nid", "fa": "mobile:85512000001@wing"})
    return _mapped(
        "resolve",
        {"id": "id:0@nid", "scope": "details"},
        {"fa": "mobile:85512000001@wing", "id": "id:0@nid", "name": "Sok", "scope": "yes_no"},
        {"fa": "pigeon:1@x"},
    )


def _total(message: dict[str, Any]) -> int:
    return next((len(value) for value in message.values() if isinstance(value, list)), 1)


async def prepared(make_service: MakeService) -> SourceBB:
    source = SourceBB(await make_service(EDGES, **SETTINGS))
    await source.register()
    await source.link(["id:0@nid"])
    return source


def _held(document: dict[str, Any], schema: dict[str, Any], message: Any) -> None:
    """A message of ours is what the schema says, and nothing that it does not know."""
    valid(document, schema, message)
    # (An update's answer must name the address, it says, and does not describe it.)
    assert ours_only(document, schema, message) <= {"message.update_response.fa"}


ACTIONS = {
    "disburse": (DISBURSE, "/disburse", "/on-disburse"),
    **{name: (MAPPER, f"/mapper/{name}", f"/mapper/on-{name}") for name in ("link", "update", "resolve", "unlink")},
}


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_good_message_its_acknowledgement_and_its_callback_are_as_specified(
    make_service: MakeService, action: str
) -> None:
    file, path, callback = ACTIONS[action]
    document = required("g2p-connect", file)
    source = await prepared(make_service)
    content = _message(action)
    message = source.message(action, content, _total(content), meta={})
    _held(document, request_schema(document, path), message)
    answer = await source.g2p(path, message, 202)
    _held(document, answer_schema(document, path, "post", "default"), answer.json())
    assert answer.json()["message"]["ack_status"] == "ACK"
    kind = f"on-{action}"
    if action == "disburse":
        await source.service.run_jobs()
        await rows(
            source.service, "UPDATE external_order SET state = 'cancelled', check_at = '2020-01-01' RETURNING id"
        )
        await report_orders(source.service.context)
        kind = "order"
    told = (await source.callbacks(kind))[-1]
    _held(document, request_schema(document, callback), told)
    assert told["header"]["action"] == f"on-{action}"
    assert told["header"]["total_count"] == _total(content)
    assert told["message"]["transaction_id"] == content["transaction_id"]


@pytest.mark.parametrize("action", ["link", "update", "resolve", "unlink"])
async def test_a_synchronous_answer_is_as_specified(make_service: MakeService, action: str) -> None:
    document = required("g2p-connect", MAPPER)
    source = await prepared(make_service)
    content, path = _message(action), f"/mapper/sync/{action}"
    message = source.message("link", content, _total(content), sender_uri="")  # (they call them all `link`)
    answer = await source.g2p(path, message, 200)
    _held(document, answer_schema(document, path, "post", "default"), answer.json())
    assert len(await source.callbacks()) == 1  # of what went before


@pytest.mark.parametrize("kind", ["transaction_id", "reference_id_list", "correlation_id"])
async def test_a_status_is_asked_for_in_three_ways_at_once_or_by_callback(make_service: MakeService, kind: str) -> None:
    document = required("g2p-connect", DISBURSE)
    source = await prepared(make_service)
    content = _message("disburse")
    acknowledged = await source.g2p("/disburse", source.message("disburse", content, 2), 202)
    await source.service.run_jobs()
    references = [item["reference_id"] for item in content["disbursements"]]
    value = {
        "transaction_id": content["transaction_id"],
        "reference_id_list": references,
        "correlation_id": acknowledged.json()["message"]["correlation_id"],
    }[kind]
    asked = {
        "transaction_id": str(uuid4()),
        "txnstatus_request": {
            "reference_id": "S1",
            "txn_type": "disburse",
            "attribute_type": kind,
            "attribute_value": value,
            "locale": "khm",
        },
    }
    path = "/disburse/txn/status"
    message = source.message("on-disburse", asked, 1)
    schema = request_schema(document, path)
    if (
        kind != "reference_id_list"
    ):  # a text is a transaction's id and a correlation's at once, and so is "one of" neither
        node = document["components"]["schemas"]["TxnStatusRequest"]["properties"]["txnstatus_request"]["properties"]
        node["attribute_value"]["oneOf"] = node["attribute_value"]["oneOf"][:2]
    _held(document, schema, message)
    answer = await source.g2p(path, message, 202)
    _held(document, answer_schema(document, path, "post", "default"), answer.json())
    (called,) = await source.callbacks("on-disburse")
    _held(document, request_schema(document, "/disburse/txn/on-status"), called)
    path = "/disburse/sync/txn/status"
    now = (await source.g2p(path, source.message("search", asked, 1, sender_uri=""), 200)).json()
    _held(document, answer_schema(document, path, "post", "default"), now)
    for told in (called, now):
        statuses = told["message"]["txnstatus_response"]["txn_status"]["disbursements_status"]
        assert [(item["reference_id"], item["status"]) for item in statuses] == [
            (references[0], "pdng"),
            (references[1], "rjct"),
        ]
        assert statuses[1]["status_reason_code"] == "rjct.amount.invalid"


LENIENT = (".amount text", ".currency_code text", ".locale text", ".value number")
"""Amounts and currencies are judged disbursement by disbursement, so that a bad one does not hold up its transaction. A
locale may have two letters, as in their own example. A whole number is an integer and a number at once, and so no
`oneOf` them."""


@pytest.mark.parametrize("action", ACTIONS)
async def test_what_the_specification_forbids_is_refused_in_its_own_words(
    make_service: MakeService, action: str
) -> None:
    file, path, _ = ACTIONS[action]
    document = required("g2p-connect", file)
    source = await prepared(make_service)
    name = {"disburse": "DisburseRequest"}.get(action, f"{action.capitalize()}Request")
    schema = {"$ref": f"#/components/schemas/{name}"}
    error = answer_schema(document, path, "post", "default")
    tried = 0
    for where, content in broken(document, schema, _message(action)):
        if where.endswith(LENIENT):
            continue
        answer = await source.g2p(path, source.message(action, content, _total(content)))
        assert answer.status_code == 400, (where, answer.text)
        valid(document, error, answer.json())
        assert answer.json()["message"]["ack_status"] == "ERR"
        tried += 1
    header = source.message(action, _message(action), 2)["header"]
    for where, changed in broken(document, {"$ref": "#/components/schemas/MsgHeader_V1.0.0"}, header):
        answer = await source.g2p(path, source.signed(changed, _message(action)))
        assert answer.status_code == 400, (where, answer.text)
        valid(document, error, answer.json())
        tried += 1
    assert tried > 20
    assert await source.orders() == []


async def test_what_is_not_signed_for_is_401_and_what_is_not_found_404_in_their_words(
    make_service: MakeService,
) -> None:
    document = required("g2p-connect", DISBURSE)
    source = await prepared(make_service)
    unsigned = source.message("disburse", _message("disburse"), 2) | {"signature": ""}
    answer = await source.g2p("/disburse", unsigned, 401)
    valid(document, answer_schema(document, "/disburse", "post", "401"), answer.json())
    valid(document, answer_schema(document, "/disburse", "post", "default"), answer.json())
    stranger = SourceBB(source.service, "OTHER", "nobody")
    answer = await stranger.g2p("/disburse", stranger.message("disburse", _message("disburse"), 2), 403)
    valid(document, answer_schema(document, "/disburse", "post", "403"), answer.json())
    assert answer.json()["errors"][0]["code"] == "err.request.forbidden"
    asked = {
        "transaction_id": "T",
        "txnstatus_request": {
            "reference_id": "S1",
            "txn_type": "disburse",
            "attribute_type": "transaction_id",
            "attribute_value": "nothing of ours",
        },
    }
    answer = await source.g2p("/disburse/sync/txn/status", source.message("search", asked, 1), 404)
    assert answer.json()["message"]["error"]["code"] == "err.request.not_found"
    assert orjson.loads(answer.content)["code"] == "order_not_found"
