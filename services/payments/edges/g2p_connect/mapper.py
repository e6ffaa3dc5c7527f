"""G2P Connect: the account mapper. Link, update, unlink and resolve, by callback or at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import Request, Response

from services.payments.accounts.model import normal_number
from services.payments.edges.g2p_connect import words
from services.payments.edges.g2p_connect.calls import Call
from services.payments.edges.g2p_connect.disburse import JSON_BODY, Sender
from services.payments.edges.g2p_connect.route import G2PRoute
from services.payments.edges.g2p_connect.schemas import (
    LinkItem,
    LinkRequest,
    ResolveItem,
    ResolveRequest,
    UnlinkItem,
    UnlinkRequest,
    UpdateRequest,
)
from services.payments.edges.payees import repository as payees
from services.payments.edges.payees.map_payees import MapAction, map_payees
from services.payments.edges.payees.model import PayeeEntry, PayeeFault, hash_of
from services.payments.edges.requests import Answer
from shared.http import ContextDep, Router, SessionDep
from shared.ids import uuid7

router = Router(prefix="/payments/v1/g2p-connect/mapper", tags=["G2P Connect"], route_class=G2PRoute)
_MODELS: Final[dict[str, Any]] = {
    "link": (LinkRequest, MapAction.REGISTER),
    "update": (UpdateRequest, MapAction.UPDATE),
    "unlink": (UnlinkRequest, MapAction.UNLINK),
}


@router.post("/link", status_code=202, openapi_extra=JSON_BODY)
async def link(request: Request, principal: Sender, session: SessionDep, context: ContextDep) -> Response:
    """Link ids to financial addresses; on-link follows."""
    return await _answer(await Call.open(request, session, context, principal, "link", sync=False), "link", False)


@router.post("/update", status_code=202, openapi_extra=JSON_BODY)
async def update(request: Request, principal: Sender, session: SessionDep, context: ContextDep) -> Response:
    """Change the addresses of ids; on-update follows."""
    return await _answer(await Call.open(request, session, context, principal, "update", sync=False), "update", False)


@router.post("/unlink", status_code=202, openapi_extra=JSON_BODY)
async def unlink(request: Request, principal: Sender, session: SessionDep, context: ContextDep) -> Response:
    """Remove ids from the mapper; on-unlink follows."""
    return await _answer(await Call.open(request, session, context, principal, "unlink", sync=False), "unlink", False)


@router.post("/resolve", status_code=202, openapi_extra=JSON_BODY)
async def resolve(request: Request, principal: Sender, session: SessionDep, context: ContextDep) -> Response:
    """Whether ids and addresses can be paid; on-resolve follows."""
    return await _answer(await Call.open(request, session, context, principal, "resolve", sync=False), "resolve", False)


@router.post("/sync/link", openapi_extra=JSON_BODY)
async def link_now(request: Request, principal: Sender, session: SessionDep, context: ContextDep) -> Response:
    """Link ids to financial addresses, answered at once."""
    return await _answer(await Call.open(request, session, context, principal, "", sync=True), "link", True)


@router.post("/sync/update", openapi_extra=JSON_BODY)
async def update_now(request: Request, principal: Sender, session: SessionDep, context: ContextDep) -> Response:
    """Change the addresses of ids, answered at once."""
    return await _answer(await Call.open(request, session, context, principal, "", sync=True), "update", True)


@router.post("/sync/unlink", openapi_extra=JSON_BODY)
async def unlink_now(request: Request, principal: Sender, session: SessionDep, context: ContextDep) -> Response:
    """Remove ids from the mapper, answered at once."""
    return await _answer(await Call.open(request, session, context, principal, "", sync=True), "unlink", True)


@router.post("/sync/resolve", openapi_extra=JSON_BODY)
async def resolve_now(request: Request, principal: Sender, session: SessionDep, context: ContextDep) -> Response:
    """Whether ids and addresses can be paid, answered at once."""
    return await _answer(await Call.open(request, session, context, principal, "", sync=True), "resolve", True)


async def _answer(call: Call, action: str, sync: bool) -> Response:
    """Act on a mapper message; answer at once, or acknowledge and queue the callback."""
    if action == "resolve":
        message = call.message(ResolveRequest, "resolve_request")
        items: Sequence[Any] = message.resolve_request
    else:
        message = call.message(_MODELS[action][0], f"{action}_request")
        items = getattr(message, f"{action}_request")

    async def act() -> Answer:
        correlation_id = str(uuid7())
        told = await (_resolve(call, items) if action == "resolve" else _map(call, action, items))
        content = {
            "transaction_id": message.transaction_id,
            "correlation_id": correlation_id,
            f"{action}_response": told,
        }
        if sync:
            return Answer(200, call.signed(f"on-{action}", content, len(items)))
        await call.tell(f"on-{action}", content, len(items))
        return call.acknowledged(correlation_id)

    return await call.once(f"{action}-sync" if sync else action, act)


async def _map(call: Call, action: str, items: Sequence[LinkItem | UnlinkItem]) -> list[dict[str, Any]]:
    entries = [_entry(item) for item in items]
    mapped = await map_payees(
        call.session,
        call.principal,
        call.context,
        call.source,
        _MODELS[action][1],
        entries,
    )
    return [
        words.map_status(action, item.reference_id, item.fa, mapped.faults.get(position), call.now)
        for position, item in enumerate(items)
    ]


def _entry(item: LinkItem | UnlinkItem) -> PayeeEntry:
    payee = words.normal(item.id)
    if not words.is_person(payee):
        return PayeeEntry(payee, fault=PayeeFault.BAD_ID)
    if not item.fa:
        return PayeeEntry(payee)
    address = words.parse_address(item.fa)
    if address is None:
        return PayeeEntry(payee, fault=PayeeFault.BAD_ADDRESS)
    return PayeeEntry(payee, address, name=getattr(item, "name", ""))


async def _resolve(call: Call, items: Sequence[ResolveItem]) -> list[dict[str, Any]]:
    """The whole request in two look-ups, by id and by address."""
    number_hash, source = call.context.resources.number_hash, call.source
    programme = source.programme_code
    ids = {item.id: hash_of(number_hash, source.code, words.normal(item.id)) for item in items if item.id}
    addresses = {item.fa: words.parse_address(item.fa) for item in items if item.fa}
    numbers = {
        fa: number_hash.digest(normal_number(a.number, a.rail), f"{a.rail}:{a.provider}")
        for fa, a in addresses.items()
        if a
    }
    linked = await payees.by_address(call.session, source.code, programme, sorted(set(numbers.values())))
    asked = {*ids.values(), *(owner for owners in linked.values() for owner in owners)}
    known = await payees.find(call.session, source.code, programme, sorted(asked))
    return [_resolved(call, item, ids, numbers, known, linked) for item in items]


def _resolved(
    call: Call,
    item: ResolveItem,
    ids: dict[str, bytes],
    numbers: dict[str, bytes],
    known: dict[bytes, Any],
    linked: dict[bytes, list[bytes]],
) -> dict[str, Any]:
    body: dict[str, Any] = {"reference_id": item.reference_id, "timestamp": words.moment(call.now)}
    if not item.id and not item.fa:
        return body | {"status": "rjct", "status_reason_code": "rjct.id.invalid"}
    if item.fa and item.fa not in numbers:
        return body | {"status": "rjct", "status_reason_code": "rjct.fa.invalid"}
    owners = linked.get(numbers[item.fa], []) if item.fa else []
    named = ids[item.id] if item.id else next((owner for owner in owners if known[owner].status == "active"), b"")
    row = known.get(named)
    code = _judge(item, row, owners, ids)
    if code in ("succ.id.active", "succ.fa.active") and item.scope == "details" and row is not None:
        body["account_provider_info"] = {"name": row.provider, "code": row.provider}
    return body | {"status": "succ", "status_reason_code": code}


def _judge(item: ResolveItem, row: Any, owners: Sequence[bytes], ids: dict[str, bytes]) -> str:
    """By the specification: an address alone is verified; with an id, both must belong together."""
    if item.fa and item.id:
        if not owners:
            return "succ.fa.not_found"
        if ids[item.id] not in owners:
            return "succ.fa.not_linked_to_id"
        return "succ.fa.active" if row is not None and row.status == "active" else "succ.fa.inactive"
    if item.fa:
        return "succ.fa.not_found" if not owners else "succ.fa.inactive" if row is None else "succ.fa.active"
    if row is None:
        return "succ.id.not_found"
    return "succ.id.active" if row.status == "active" and row.account_id is not None else "succ.id.inactive"
