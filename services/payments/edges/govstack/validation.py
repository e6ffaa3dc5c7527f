"""GovStack: the specification's own form of a validation, by financial address instead of payee."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Header, Query, Request, Response

from services.payments.accounts.model import normal_number
from services.payments.edges.govstack import words
from services.payments.edges.govstack.calls import Call
from services.payments.edges.govstack.payments import JSON_BODY, SourceBB
from services.payments.edges.govstack.route import GovStackRoute
from services.payments.edges.govstack.schemas import AddressInstruction, AddressValidation
from services.payments.edges.orders.model import read_money, reason_words
from services.payments.edges.payees import repository as payees
from services.payments.edges.payees.model import EXPLAINED, PayeeFault
from services.payments.edges.reading import read_as, read_json
from services.payments.edges.requests import Answer
from shared.crypto import KeyedHash
from shared.http import ContextDep, Router, SessionDep

router = Router(prefix="/payments/v1/govstack", tags=["GovStack Payments"], route_class=GovStackRoute)


@router.post("/beneficiaries", status_code=202, openapi_extra=JSON_BODY)
async def validate_addresses(
    request: Request,
    principal: SourceBB,
    session: SessionDep,
    context: ContextDep,
    command: Annotated[str, Query(pattern="^validate$")],
    correlation: Annotated[str, Header(alias="X-Client-Correlation-ID", min_length=1, max_length=20)],
    _institution: Annotated[str, Header(alias="X-Registering-Institution-ID", min_length=1, max_length=20)],
    _callback: Annotated[str, Header(alias="X-Callback-URL", min_length=1, max_length=500)],
) -> Response:
    """Which of these addresses could be paid: each is one that an active payee of yours is registered with."""
    document = await read_json(request)
    message = read_as(AddressValidation, document)
    call = await Call.open(request, session, context, principal)

    async def act() -> Answer:
        failed = await _failed(call, message)
        await call.tell("validation", words.validation_body(correlation[:12], message.batch_id, failed))
        return Answer(202, b"{}")

    return await call.once(f"beneficiaries-{command}", correlation, document, act)


async def _failed(call: Call, message: AddressValidation) -> list[tuple[str, str]]:
    """The instructions that could not be paid, and why: two look-ups for all of them."""
    number_hash, source = call.context.resources.number_hash, call.source
    programme = source.programme_code
    hashes = [_hashes(number_hash, message.institution, item) for item in message.instructions]
    every = sorted({key for keys in hashes for key in keys})
    linked = await payees.by_address(call.session, source.code, programme, every)
    owners = sorted({owner for found in linked.values() for owner in found})
    known = await payees.find(call.session, source.code, programme, owners)
    failed = []
    for item, keys in zip(message.instructions, hashes, strict=True):
        states = {known[owner].status for key in keys for owner in linked.get(key, ())}
        reason = EXPLAINED[PayeeFault.INACTIVE if states else PayeeFault.UNREGISTERED] if "active" not in states else ""
        if not reason and item.amount is not None and item.currency is not None:
            reason = reason_words(fault) if (fault := read_money(item.amount, item.currency)[1]) else ""
        if reason:
            failed.append((item.instruction_id, reason))
    return failed


def _hashes(number_hash: KeyedHash, institution: str, item: AddressInstruction) -> Sequence[bytes]:
    """What an address may be stored as: the message does not say of which kind it is."""
    rails = sorted(set(words.RAILS.values()))
    return [number_hash.digest(normal_number(item.address, rail), f"{rail}:{institution}") for rail in rails]
