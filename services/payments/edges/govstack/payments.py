"""GovStack: beneficiaries, prepayment validation, bulk payment and its status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from fastapi import Header, Query, Request, Response

from services.payments.edges.errors import OrderNotFound, RequestMalformed
from services.payments.edges.govstack import words
from services.payments.edges.govstack.calls import Call
from services.payments.edges.govstack.route import GovStackRoute, answer
from services.payments.edges.govstack.schemas import Beneficiary, BulkPayment, Onboarding, RawBatch, RawInstruction
from services.payments.edges.orders import repository as orders
from services.payments.edges.orders.model import (
    MAX_LINES,
    LineFault,
    LineStatus,
    Modality,
    NewOrder,
    OrderLine,
    judge_lines,
    read_money,
    reason_words,
)
from services.payments.edges.orders.receive_order import receive_order
from services.payments.edges.payees.map_payees import MapAction, check_payees, map_payees
from services.payments.edges.payees.model import EXPLAINED, PayeeEntry, PayeeFault, hash_of
from services.payments.edges.reading import read_as, read_json
from services.payments.edges.requests import Answer
from services.payments.edges.sources.model import Source
from shared.auth import Principal, requires
from shared.crypto import KeyedHash
from shared.http import ContextDep, Router, SessionDep
from shared.ids import uuid7

SourceBB = Annotated[Principal, requires("integration")]
router = Router(prefix="/payments/v1/govstack", tags=["GovStack Payments"], route_class=GovStackRoute)
PAYEE_KEYS = frozenset({"payeeidentity", "payeefunctionalid", "functionalid"})
JSON_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
}


def note_request(request: Request, document: Any) -> None:
    """Remember the request id for the answer, whatever becomes of the message."""
    if isinstance(document, dict):
        found = document.get("RequestID") or document.get("requestID")
        request.state.govstack_request_id = found if isinstance(found, str) else ""


@router.post("/bulk-payment", openapi_extra=JSON_BODY)
async def bulk_payment(request: Request, principal: SourceBB, session: SessionDep, context: ContextDep) -> Response:
    """Take a batch of credit instructions: it becomes a payment list that officers check, approve and release."""
    document = await read_json(request)
    note_request(request, document)
    message = read_as(BulkPayment, document)
    call = await Call.open(request, session, context, principal, message.source_bb)

    async def act() -> Answer:
        lines = [
            to_line(call.source, context.resources.number_hash, i.instruction_id, i.payee, i.amount, i.currency)
            for i in message.instructions
        ]
        order = NewOrder(
            words.PROTOCOL, Modality.ACCOUNT, message.request_id, message.batch_id, call.callback_url, lines
        )
        await receive_order(session, principal, call.source, order, context.clock.now())
        return Answer(200, answer(request, words.OK, "Received, to be checked and approved.", message.request_id))

    return await call.once("bulk-payment", message.request_id, document, act)


@router.post("/batchtransactions", status_code=202, openapi_extra=JSON_BODY)
async def raw_batch(
    request: Request,
    principal: SourceBB,
    session: SessionDep,
    context: ContextDep,
    type_: Annotated[str, Query(alias="type", pattern="^raw$")],
    correlation: Annotated[str, Header(alias="X-CorrelationID", min_length=1, max_length=20)],
    _tenant: Annotated[str, Header(alias="Platform-TenantId", min_length=1, max_length=20)],
    _callback: Annotated[str, Header(alias="X-Callback-URL", min_length=1, max_length=500)],
) -> Response:
    """The same in the shape of the specification's YAML: an array of raw instructions."""
    document = await read_json(request)
    message = read_as(RawBatch, {"instructions": document})
    call = await Call.open(request, session, context, principal)

    async def act() -> Answer:
        lines = [_raw_line(call.source, context.resources.number_hash, i) for i in message.instructions]
        batch_id = str(uuid7())  # ours, and what every later word on the batch calls it
        order = NewOrder(words.PROTOCOL, Modality.ACCOUNT, correlation, batch_id, call.callback_url, lines)
        await receive_order(session, principal, call.source, order, context.clock.now())
        return Answer(202, orjson.dumps({"batchId": batch_id}))

    return await call.once("batchtransactions", correlation, document, act)


@router.get("/api/v1/batch/detail")
async def batch_detail(
    request: Request,
    principal: SourceBB,
    session: SessionDep,
    context: ContextDep,
    batch_id: Annotated[str, Query(alias="batchId", min_length=1, max_length=50, pattern=r"^[^\x00-\x1f]*$")],
    _tenant: Annotated[str, Header(alias="Platform-TenantId", min_length=1, max_length=20)],
    page: Annotated[int, Query(alias="pageNo", ge=0, le=10_000)] = 0,
    size: Annotated[int, Query(alias="pageSize", ge=1, le=500)] = 100,
    status: Annotated[str, Query(max_length=12)] = "",
    direction: Annotated[str, Query(max_length=12)] = "",
    correlation: Annotated[str, Query(alias="X-CorrelationID", max_length=20)] = "",
) -> Response:
    """What became of each instruction of one of your batches, a page at a time; all are OUTGOING."""
    wanted = _status(status)
    call = await Call.open(request, session, context, principal)
    order = await orders.find(session, call.source.code, words.PROTOCOL, batch_id)
    if order is None or correlation not in ("", order.request_id):
        raise OrderNotFound("Look at the batchId and the X-CorrelationID again.")
    first = page * size
    if direction.upper() not in ("", "OUTGOING"):
        reports = []
    elif wanted is None:
        reports = await orders.report(session, order.id, after=first, most=size)
    else:
        every = await orders.report(session, order.id, most=MAX_LINES)
        reports = [report for report in every if report.status is wanted][first : first + size]
    return Response(orjson.dumps([words.detail(order, report) for report in reports]), media_type="application/json")


def _status(given: str) -> LineStatus | None:
    """The status asked for, whatever its case.

    Raises:
        RequestMalformed: there is no such one.
    """
    try:
        return LineStatus(given.lower()) if given else None
    except ValueError:
        raise RequestMalformed(f"status is one of {', '.join(one.value.upper() for one in LineStatus)}.") from None


@router.post("/prepayment-validation", openapi_extra=JSON_BODY)
async def prepayment_validation(
    request: Request, principal: SourceBB, session: SessionDep, context: ContextDep
) -> Response:
    """Which of these instructions could be paid: payee known and active, with an address; amount exact."""
    document = await read_json(request)
    note_request(request, document)
    message = read_as(BulkPayment, document)
    call = await Call.open(request, session, context, principal, message.source_bb)

    async def act() -> Answer:
        lines = [
            to_line(call.source, context.resources.number_hash, i.instruction_id, i.payee, i.amount, i.currency)
            for i in message.instructions
        ]
        unpaid = await check_payees(session, call.source, [line.payee_hash for line in lines])
        failed = [
            (line.instruction_id, EXPLAINED[fault] if fault else reason_words(wrong))
            for line, fault, wrong in zip(lines, unpaid, judge_lines(lines), strict=True)
            if fault or wrong
        ]
        await call.tell("validation", words.validation_body(message.request_id, message.batch_id, failed))
        told = f"{len(failed)} of {len(message.instructions)} cannot be paid." if failed else "All can be paid."
        return Answer(200, answer(request, words.OK, told, message.request_id))

    return await call.once("prepayment-validation", message.request_id, document, act)


@router.post("/register-beneficiary", openapi_extra=JSON_BODY)
@router.post("/identityAccountMapper/beneficiary", openapi_extra=JSON_BODY)
async def register(request: Request, principal: SourceBB, session: SessionDep, context: ContextDep) -> Response:
    """Register beneficiaries with the account mapper; those that could not be are named in the callback."""
    return await _map(request, principal, session, context, MapAction.REGISTER)


@router.post("/update-beneficiary-details", openapi_extra=JSON_BODY)
@router.put("/identityAccountMapper/beneficiary", openapi_extra=JSON_BODY)
async def update(request: Request, principal: SourceBB, session: SessionDep, context: ContextDep) -> Response:
    """Change how beneficiaries are paid, or switch them on or off."""
    return await _map(request, principal, session, context, MapAction.UPDATE)


async def _map(request: Request, principal: Principal, session: Any, context: Any, action: MapAction) -> Response:
    document = await read_json(request)
    note_request(request, document)
    message = read_as(Onboarding, document)
    call = await Call.open(request, session, context, principal, message.source_bb)
    if not message.source_bb and not request.headers.get("x-registering-institution-id"):
        raise RequestMalformed("Name your institution: SourceBBID or X-Registering-Institution-ID.")

    async def act() -> Answer:
        entries = [_entry(action, beneficiary) for beneficiary in message.beneficiaries]
        mapped = await map_payees(session, principal, context, call.source, action, entries)
        failed = [
            (given.payee, given.modality, given.institution, fault)
            for position, fault in sorted(mapped.faults.items())
            for given in [message.beneficiaries[position]]
        ]
        name = "payeeIdentity" if action is MapAction.REGISTER else "payeeFunctionalID"
        await call.tell(action.value, words.onboarding_body(name, message.request_id, failed))
        told = f"{mapped.done} done, {len(failed)} refused."
        code = words.OK if mapped.done else words.FAILED
        return Answer(200, answer(request, code, told, message.request_id))

    return await call.once(f"beneficiary-{action}", message.request_id, document, act)


def _entry(action: MapAction, given: Beneficiary) -> PayeeEntry:
    address = words.address_of(given.modality, given.address, given.institution)
    active = None if given.status is None else given.status == "1"
    if isinstance(address, PayeeFault):
        return PayeeEntry(given.payee, fault=address)
    if address is None and (action is MapAction.REGISTER or active is None):
        return PayeeEntry(given.payee, fault=PayeeFault.BAD_ADDRESS)
    return PayeeEntry(given.payee, address, active=active)


def to_line(
    source: Source, number_hash: KeyedHash, instruction_id: str, payee: str, amount: str, currency: str
) -> OrderLine:
    exact, fault = read_money(amount, currency)
    return OrderLine(instruction_id, hash_of(number_hash, source.code, payee), exact, currency, fault)


def _raw_line(source: Source, number_hash: KeyedHash, given: RawInstruction) -> OrderLine:
    payee = _party(given.credit)
    line = to_line(source, number_hash, given.request_id, payee, given.amount, given.currency)
    if payee:
        return line
    return OrderLine(line.instruction_id, line.payee_hash, line.amount, line.currency, LineFault.UNKNOWN_PAYEE)


def _party(parties: Sequence[Any]) -> str:
    """The payee's functional id among the keys of a credit party; empty: it names none."""
    return next((party.value for party in parties if party.key.lower() in PAYEE_KEYS), "")
