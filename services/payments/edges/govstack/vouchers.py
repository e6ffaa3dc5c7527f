"""GovStack: vouchers, pre-activated and activated and cancelled by their source, redeemed by an agent."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import Path, Query, Request, Response

from services.payments.edges.errors import RequestMalformed, SourceMismatch
from services.payments.edges.govstack import words
from services.payments.edges.govstack.calls import Call
from services.payments.edges.govstack.payments import JSON_BODY, SourceBB, note_request, to_line
from services.payments.edges.govstack.repository import lock_collections
from services.payments.edges.govstack.route import GovStackRoute, answer
from services.payments.edges.govstack.schemas import VoucherBatch, VoucherPreactivation, VoucherRedemption
from services.payments.edges.orders.model import Modality, NewOrder
from services.payments.edges.reading import read_as, read_json
from services.payments.edges.requests import Answer
from services.payments.edges.sources import repository as sources
from services.payments.rails.cash.errors import CollectionNotFound
from services.payments.rails.cash.model import Redemption
from services.payments.rails.cash.redeem import agent_of, redeem
from services.payments.vouchers import repository
from services.payments.vouchers.change_vouchers import activate_vouchers, cancel_vouchers, current_status
from services.payments.vouchers.preactivate_vouchers import preactivate_vouchers
from shared.auth import Principal
from shared.http import ContextDep, Router, SessionDep

router = Router(prefix="/payments/v1/govstack/vouchers", tags=["GovStack Payments"], route_class=GovStackRoute)


@router.post("", openapi_extra=JSON_BODY)
async def create_or_cancel(
    request: Request,
    principal: SourceBB,
    session: SessionDep,
    context: ContextDep,
    command: Annotated[str | None, Query(pattern="^(cancel|preactivate)$")] = None,
) -> Response:
    """Pre-activate vouchers, or (command=cancel) void some that were not used."""
    if command == "cancel":
        return await _change(request, principal, session, context, "voucher-cancel")
    document = await read_json(request)
    note_request(request, document)
    message = read_as(VoucherPreactivation, document)
    call = await Call.open(request, session, context, principal)
    if not call.callback_url:
        raise RequestMalformed("Send X-Callback-URL: the vouchers are handed over there.")

    async def act() -> Answer:
        number_hash = context.resources.number_hash
        lines = [
            to_line(call.source, number_hash, i.instruction_id, i.payee, i.amount, i.currency)
            for i in message.instructions
        ]
        # The callback of a pre-activation is the vouchers themselves; what becomes of them is asked by serial.
        order = NewOrder(words.PROTOCOL, Modality.VOUCHER, message.request_id, message.batch_id, "", lines)
        payees = [i.payee for i in message.instructions]
        groups = [i.group_code for i in message.instructions]
        await sources.by_code(session, call.source.code, lock=True)  # two batches may name one new payee
        made = await preactivate_vouchers(session, context, principal, call.source, order, payees, groups)
        narrations = [i.narration for i in message.instructions]
        body = words.vouchers_body(message.request_id, message.batch_id, lines, made, narrations)
        await call.tell("vouchers", body)
        told = f"{len(made)} pre-activated, {len(lines) - len(made)} refused."
        return Answer(200, answer(request, words.OK if made else words.FAILED, told, message.request_id))

    return await call.once("voucher-preactivate", message.request_id, document, act)


@router.put("", openapi_extra=JSON_BODY)
async def activate(
    request: Request,
    principal: SourceBB,
    session: SessionDep,
    context: ContextDep,
    command: Annotated[str, Query(pattern="^activate$")],
) -> Response:
    """Activate vouchers: with their payment released, they can be redeemed."""
    return await _change(request, principal, session, context, f"voucher-{command}")


async def _change(request: Request, principal: Principal, session: Any, context: Any, action: str) -> Response:
    document = await read_json(request)
    note_request(request, document)
    message = read_as(VoucherBatch, document)
    call = await Call.open(request, session, context, principal)
    change = cancel_vouchers if action == "voucher-cancel" else activate_vouchers

    async def act() -> Answer:
        serials = [item.serial for item in message.instructions]
        await lock_collections(session, call.source.code, serials)
        changed = await change(session, context, principal, call.source, message.batch_id, serials)
        await call.tell(action, words.voucher_cases_body(message.request_id, changed.faults))
        done = changed.total - len(changed.faults)
        told = f"{done} done, {len(changed.faults)} refused."
        return Answer(200, answer(request, words.OK if done else words.FAILED, told, message.request_id))

    return await call.once(action, message.request_id, document, act)


@router.post("/voucher_redemption", openapi_extra=JSON_BODY)
async def redeem_voucher(request: Request, principal: SourceBB, session: SessionDep, context: ContextDep) -> Response:
    """An agent hands out a voucher's value: once, against its secret."""
    message = read_as(VoucherRedemption, await read_json(request))
    agent = await agent_of(session, context, principal)
    if agent.code != message.agent:
        raise SourceMismatch("Send your own agentID.")
    worth = await repository.value_of(session, message.serial)
    if worth is None:
        raise CollectionNotFound("Look at the serial number again.")
    said = Redemption(
        reference=message.serial,
        code=message.secret,
        amount=worth.amount,
        currency=worth.currency,
        agent_reference=message.request_id,
        identity_method="bearer",
        identity_matches=True,
        by_proxy=False,
    )
    row = await redeem(session, context, principal, said)
    body = {
        "status": 1,
        "message": "redeemed",
        "serialNumber": row.reference,
        "value": words.number(row.amount),
        "timestamp": words.moment(row.ended_at),
        "transactionId": row.receipt.removeprefix("RC-"),
    }
    return Response(orjson.dumps(body), media_type="application/json")


@router.get("/{serial}")
async def voucher_status(
    request: Request,
    principal: SourceBB,
    session: SessionDep,
    context: ContextDep,
    serial: Annotated[str, Path(max_length=20, pattern=r"^[^\x00-\x1f]*$")],
    fields: Annotated[str, Query(pattern="^status$")],
) -> Response:
    """What one of your vouchers is worth now."""
    call = await Call.open(request, session, context, principal)
    row = (await repository.find(session, call.source.code, [serial])).get(serial)
    if row is None:
        raise CollectionNotFound("Look at the serial number again.")
    body = {
        fields: words.VOUCHER_STATUS[current_status(row)],
        "serialNumber": row.serial,
        "value": words.number(row.amount),
    }
    return Response(orjson.dumps(body), media_type="application/json")
