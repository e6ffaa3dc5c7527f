"""Register, change, unlink and look up payees: the whole request set-wise, the bad ones named, the others done."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.edges.payees import repository
from services.payments.edges.payees.model import PayeeEntry, PayeeFault, SealedPayee, seal_payees
from services.payments.edges.sources import repository as sources
from services.payments.edges.sources.model import Source
from services.payments.metadata import Record
from shared import audit
from shared.auth import Principal
from shared.service import Context


class MapAction(StrEnum):
    """What is asked of the mapper."""

    REGISTER = "register"
    UPDATE = "update"
    UNLINK = "unlink"


@dataclass(frozen=True)
class Mapped:
    """What became of a request: faults by position of the entry; the rest was done."""

    total: int
    faults: dict[int, PayeeFault]

    @property
    def done(self) -> int:
        """How many entries were acted upon."""
        return self.total - len(self.faults)


async def map_payees(
    session: AsyncSession,
    principal: Principal,
    context: Context,
    source: Source,
    action: MapAction,
    entries: Sequence[PayeeEntry],
) -> Mapped:
    """Act on each entry that can be acted upon, in a handful of statements.

    Registering again with the same address changes nothing; with another one it is refused: a change of where money
    goes is an update, so that it is never made by accident.
    """
    programme, resources = source.programme_code, context.resources
    await sources.by_code(session, source.code, lock=True)  # its messages change the mapper one after the other
    ready, faults = await asyncio.to_thread(
        seal_payees,
        entries,
        source=source.code,
        programme=programme,
        cipher=resources.cipher,
        number_hash=resources.number_hash,
    )
    stored = await repository.find(session, source.code, programme, [payee.id_hash for payee in ready])
    good: list[SealedPayee] = []
    for payee in ready:
        fault = _fault(action, payee, stored.get(payee.id_hash))
        if fault is None:
            good.append(payee)
        else:
            faults[payee.position] = fault
    await _act(session, principal, context, source, action, good)
    detail = {"source": source.code, "done": len(good), "refused": len(faults)}
    await audit.record(session, principal, f"external_payee.{action}", "external_source", source.code, detail)
    return Mapped(len(entries), faults)


def _fault(action: MapAction, payee: SealedPayee, stored: Record | None) -> PayeeFault | None:
    """What is wrong with an entry, seen against what is stored."""
    if action is MapAction.REGISTER:
        if payee.sealed is None:
            return PayeeFault.BAD_ADDRESS
        other = stored is not None and stored.account_id is not None
        if other and bytes(stored.number_hash) != payee.sealed.number_hash:  # type: ignore[union-attr]
            return PayeeFault.ALREADY
        return None
    if stored is None:
        return PayeeFault.UNKNOWN
    unlinked = action is MapAction.UNLINK and payee.sealed is not None
    if unlinked and (stored.account_id is None or bytes(stored.number_hash) != payee.sealed.number_hash):  # type: ignore[union-attr]
        return PayeeFault.BAD_ADDRESS
    return None


async def _act(
    session: AsyncSession,
    principal: Principal,
    context: Context,
    source: Source,
    action: MapAction,
    payees: Sequence[SealedPayee],
) -> None:
    hashes = [payee.id_hash for payee in payees]
    if not hashes:
        return
    programme = source.programme_code
    if action is MapAction.UNLINK:
        await repository.close_accounts(session, source.code, programme, hashes, principal.subject)
        return
    if action is MapAction.REGISTER:
        await repository.add(session, source, programme, payees, context.clock.today())
        await repository.set_status(session, source.code, [(key, True) for key in hashes])
    else:
        states = [(payee.id_hash, payee.active) for payee in payees if payee.active is not None]
        await repository.set_status(session, source.code, states)
    await repository.put_accounts(
        session,
        source.code,
        programme,
        payees,
        actor=principal.subject,
        reason=f"{action} by source {source.code}",
        usable_from=context.clock.now() + timedelta(hours=context.settings.account_cooling_off_hours),
    )


async def check_payees(session: AsyncSession, source: Source, hashes: Sequence[bytes]) -> list[PayeeFault | None]:
    """Whether each of these payees could be paid now: known, switched on, with an account."""
    stored = await repository.find(session, source.code, source.programme_code, list(set(hashes)))
    return [_payable(stored.get(key)) for key in hashes]


def _payable(stored: Record | None) -> PayeeFault | None:
    if stored is None:
        return PayeeFault.UNKNOWN
    if stored.status != "active":
        return PayeeFault.INACTIVE
    return PayeeFault.NO_ACCOUNT if stored.account_id is None else None
