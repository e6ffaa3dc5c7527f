"""Somebody else collects: named beforehand, with a reason and an end, approved by another officer."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.entitlements.repository import village_of
from services.payments.errors import SamePerson, UnknownBeneficiary
from services.payments.metadata import Record
from services.payments.rails.cash import agents_repository as repository
from services.payments.rails.cash.errors import ProxyNotFound, ProxyState
from services.payments.rails.cash.model import PROXY_CONTEXT, proxy_hash
from services.payments.rails.cash.schemas import ProxyIn
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import FieldError, Invalid
from shared.ids import uuid7
from shared.service import Context

LONGEST: Final = timedelta(days=366)
_FROM: Final = {"approved": ("requested",), "refused": ("requested",), "revoked": ("requested", "approved")}


async def request_proxy(session: AsyncSession, context: Context, principal: Principal, body: ProxyIn) -> Record:
    """Record who may collect for a payee, and why; nobody may until it is approved.

    Raises:
        UnknownBeneficiary, OutsideArea.
        Invalid: the dates.
    """
    village = await village_of(session, body.beneficiary_id)
    if village is None:
        raise UnknownBeneficiary("Nothing is owed to this payee here.")
    ensure_area(principal, village)
    today = context.clock.today()
    if not (today <= body.valid_until <= body.valid_from + LONGEST and body.valid_from <= body.valid_until):
        error = FieldError("valid_until", "bad_window", "At most a year, and not in the past.")
        raise Invalid("Correct the dates.", errors=[error])
    resources = context.resources
    row = await repository.add_proxy(
        session,
        {
            "id": uuid7(),
            "beneficiary": body.beneficiary_id,
            "village": village,
            "name": resources.cipher.encrypt(body.name.strip(), PROXY_CONTEXT),
            "id_hash": proxy_hash(resources.number_hash, body.id_number),
            "reason": body.reason,
            "valid_from": body.valid_from,
            "valid_until": body.valid_until,
            "actor": principal.subject,
        },
    )
    detail = {"beneficiary_id": str(body.beneficiary_id)}
    await audit.record(session, principal, "cash_proxy.request", "cash_proxy", str(row.id), detail)
    return row


async def decide_proxy(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    proxy_id: UUID,
    state: Literal["approved", "refused", "revoked"],
    reason: str,
) -> Record:
    """Approve, refuse or revoke a proxy. Approving is done by another person than who asked.

    Raises:
        ProxyNotFound: or not in the caller's area.
        ProxyState, SamePerson.
    """
    row = await repository.lock_proxy(session, proxy_id)
    if row is None or not principal.covers(row.village_code):
        raise ProxyNotFound("Look at the id again, or ask an officer of that area.")
    if row.state not in _FROM[state]:
        raise ProxyState(f"It is {row.state}.", proxy_state=row.state)
    if state != "revoked" and row.requested_by == principal.subject:
        raise SamePerson("You asked for this proxy: somebody else decides.")
    changed = await repository.decide_proxy(
        session,
        {
            "id": proxy_id,
            "state": state,
            "actor": principal.subject,
            "reason": reason,
            "now": context.clock.now(),
        },
    )
    await audit.record(session, principal, f"cash_proxy.{state}", "cash_proxy", str(proxy_id), {"reason": reason})
    return changed
