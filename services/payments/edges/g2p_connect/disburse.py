"""G2P Connect: disburse, and what became of it. `on-disburse` is a callback (see orders/report_orders.py)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import orjson
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import Request, Response

from services.payments.accounts.model import normal_number
from services.payments.edges.errors import OrderNotFound, RequestMalformed
from services.payments.edges.g2p_connect import words
from services.payments.edges.g2p_connect.calls import Call
from services.payments.edges.g2p_connect.route import G2PRoute
from services.payments.edges.g2p_connect.schemas import Disbursement, DisburseRequest, StatusItem, StatusRequest
from services.payments.edges.g2p_connect.signature import our_key
from services.payments.edges.orders import repository as orders
from services.payments.edges.orders.model import (
    MAX_LINES,
    LineFault,
    LineReport,
    Modality,
    NewOrder,
    OrderLine,
    read_money,
)
from services.payments.edges.orders.receive_order import receive_order
from services.payments.edges.payees import repository as payees
from services.payments.edges.payees.model import Address, hash_of
from services.payments.edges.requests import Answer
from shared.auth import Principal, requires
from shared.crypto import KeyedHash
from shared.http import ContextDep, Router, SessionDep
from shared.ids import uuid7

Sender = Annotated[Principal, requires("integration")]
router = Router(prefix="/payments/v1/g2p-connect", tags=["G2P Connect"], route_class=G2PRoute)
JSON_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
}


@router.post("/disburse", status_code=202, openapi_extra=JSON_BODY)
async def disburse(request: Request, principal: Sender, session: SessionDep, context: ContextDep) -> Response:
    """Take a transaction: it becomes a payment list that officers check, approve and release. on-disburse follows."""
    call = await Call.open(request, session, context, principal, "disburse", sync=False)
    message = call.message(DisburseRequest, "disbursements")

    async def act() -> Answer:
        lines = await _lines(call, message.disbursements)
        order = NewOrder(
            words.PROTOCOL,
            Modality.ACCOUNT,
            call.header.message_id,
            message.transaction_id,
            call.header.sender_uri,
            lines,
            _due_at(message.disbursements),
        )
        order_id = await receive_order(session, principal, call.source, order, call.now)
        return call.acknowledged(str(order_id))

    return await call.once("disburse", act)


@router.post("/disburse/txn/status", status_code=202, openapi_extra=JSON_BODY)
async def ask_status(request: Request, principal: Sender, session: SessionDep, context: ContextDep) -> Response:
    """Ask what became of disbursements; the answer is a callback (txn/on-status)."""
    call = await Call.open(request, session, context, principal, "", sync=False)
    message = call.message(StatusRequest)

    async def act() -> Answer:
        content, total, correlation_id = await _status(call, message)
        await call.tell("on-disburse", content, total)
        return call.acknowledged(correlation_id)

    return await call.once("txn-status", act)


@router.post("/disburse/sync/txn/status", openapi_extra=JSON_BODY)
async def read_status(request: Request, principal: Sender, session: SessionDep, context: ContextDep) -> Response:
    """What became of disbursements, at once."""
    call = await Call.open(request, session, context, principal, "", sync=True)
    content, total, _ = await _status(call, call.message(StatusRequest))
    return Response(call.signed("on-disburse", content, total), media_type="application/json")


async def _lines(call: Call, given: Sequence[Disbursement]) -> list[OrderLine]:
    """Each disbursement as an order's line: its payee is one that the mapper knows, by id or by linked address."""
    number_hash = call.context.resources.number_hash
    addresses = {item.payee_fa: words.parse_address(item.payee_fa) for item in given}
    hashes = {fa: _number_hash(number_hash, address) for fa, address in addresses.items() if address is not None}
    source = call.source
    linked = await payees.by_address(call.session, source.code, source.programme_code, sorted(set(hashes.values())))
    lines = []
    for item in given:
        amount, fault = read_money(item.amount, item.currency_code)
        payee, found = _payee(call, item.payee_fa, hashes, linked)
        if source.payer_address and words.normal(item.payer_fa) != words.normal(source.payer_address):
            fault = fault or LineFault.PAYER
        lines.append(OrderLine(item.reference_id, payee, amount, item.currency_code, fault or found))
    return lines


def _payee(call: Call, fa: str, hashes: dict[str, bytes], linked: dict[bytes, list[bytes]]) -> tuple[bytes, str]:
    """The id hash of the payee that an address names, and what is wrong with it."""
    by_id = hash_of(call.context.resources.number_hash, call.source.code, words.normal(fa))
    if fa not in hashes:
        return by_id, "" if words.is_person(fa) else LineFault.UNKNOWN_PAYEE
    owners = linked.get(hashes[fa], [])
    # An address that several payees share names none of them.
    return (owners[0], "") if len(owners) == 1 else (by_id, LineFault.UNKNOWN_PAYEE)


def _number_hash(number_hash: KeyedHash, address: Address) -> bytes:
    return number_hash.digest(normal_number(address.number, address.rail), f"{address.rail}:{address.provider}")


def _due_at(given: Sequence[Disbursement]) -> datetime | None:
    """When the transaction is due: one moment for all of it.

    Raises:
        RequestMalformed: its disbursements are due at different moments.
    """
    moments = {item.scheduled_timestamp for item in given}
    if len(moments) > 1:
        raise RequestMalformed("Send disbursements of different scheduled_timestamp in different transactions.")
    return moments.pop()


async def _status(call: Call, message: StatusRequest) -> tuple[dict[str, Any], int, str]:
    order, reports = await _reports(call, message.txnstatus_request)
    correlation_id = str(uuid7()) if order is None else str(order.id)
    transaction = message.transaction_id if order is None else order.batch_id
    content = {
        "transaction_id": message.transaction_id,
        "correlation_id": correlation_id,
        "txnstatus_response": {
            "txn_type": "on-disburse",
            "txn_status": words.disburse_response(transaction, reports, call.now),
        },
    }
    return content, len(reports), correlation_id


async def _reports(call: Call, asked: StatusItem) -> tuple[Any | None, list[LineReport]]:
    """What became of what is asked about; the order only where all of it is of one.

    Raises:
        OrderNotFound, RequestMalformed.
    """
    value, source, session = asked.attribute_value, call.source.code, call.session
    if asked.attribute_type == "reference_id_list":
        wanted = [value] if isinstance(value, str) else value
        found = await orders.report_instructions(session, source, words.PROTOCOL, wanted)
        named = {order_id for order_id, _ in found}
        order = await orders.by_id(session, named.pop()) if len(named) == 1 else None
        reports = [report for _, report in found]
    elif isinstance(value, str):
        order = await orders.find(session, source, words.PROTOCOL, value)
        reports = [] if order is None else await orders.report(session, order.id, most=MAX_LINES)
    else:
        raise RequestMalformed("attribute_value is one id for this attribute_type.")
    if not reports:
        raise OrderNotFound("Look at the attribute_value again.")
    return order, reports


@router.get("/keys")
async def read_keys(principal: Sender, context: ContextDep) -> Response:
    """The public key that our messages are signed with."""
    key = our_key(context.settings.encryption_key.get_secret_value()).public_key()
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    body = {
        "sender_id": words.OUR_ID,
        "keys": [{"key_id": words.OUR_KEY_ID, "algorithm": "ed25519", "public_key": base64.b64encode(raw).decode()}],
    }
    return Response(orjson.dumps(body), media_type="application/json")
