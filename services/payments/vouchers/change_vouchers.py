"""Activate or cancel vouchers of a batch: the good ones are done, the others named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.edges.sources.model import Source
from services.payments.rails.cash.end_collections import by_attempt, end_collections
from services.payments.rails.cash.model import MOST_TRIES
from services.payments.vouchers import repository
from services.payments.vouchers.model import VoucherFault, VoucherStatus, status_of
from shared import audit
from shared.auth import Principal
from shared.service import Context

_NOT_ACTIVATED = {
    VoucherStatus.CONSUMED: VoucherFault.CONSUMED,
    VoucherStatus.CANCELLED: VoucherFault.CANCELLED,
    VoucherStatus.EXPIRED: VoucherFault.EXPIRED,
}


@dataclass(frozen=True)
class Changed:
    """What became of a request: the serials that were not changed, and why."""

    total: int
    faults: list[tuple[str, VoucherFault]]


def current_status(row: Any) -> VoucherStatus:
    """What a stored voucher is worth now."""
    locked = (row.collection_tries or 0) >= MOST_TRIES
    return status_of(row.state, row.collection_state, row.payment_status, locked)


async def activate_vouchers(
    session: AsyncSession, context: Context, principal: Principal, source: Source, batch_id: str, serials: Sequence[str]
) -> Changed:
    """Make vouchers redeemable, as far as the source decides. One that is activated already stays so."""
    rows, faults = await _rows(session, source, batch_id, serials)
    good = []
    for serial, row in rows.items():
        fault = _NOT_ACTIVATED.get(current_status(row))
        if fault is not None:
            faults.append((serial, fault))
        else:
            good.append(serial)
    await repository.activate(session, good, context.clock.now())
    detail = {"source": source.code, "done": len(good), "refused": len(faults)}
    await audit.record(session, principal, "voucher.activate", "voucher_batch", batch_id, detail)
    return Changed(len(serials), faults)


async def cancel_vouchers(
    session: AsyncSession, context: Context, principal: Principal, source: Source, batch_id: str, serials: Sequence[str]
) -> Changed:
    """Void vouchers that were not used: what had gone out returns to the fund, what had not will not go."""
    rows, faults = await _rows(session, source, batch_id, serials)
    good = []
    for serial, row in rows.items():
        status = current_status(row)
        if status in (VoucherStatus.CONSUMED, VoucherStatus.EXPIRED, VoucherStatus.CANCELLED):
            faults.append((serial, _NOT_ACTIVATED[status]))
        else:
            good.append(row)
    names = [row.serial for row in good]
    await repository.cancel(session, names, context.clock.now())
    under_way = [by_attempt(row.attempt_id, row.rail_batch_id) for row in good if row.collection_state == "open"]
    if under_way:
        await end_collections(session, context, under_way, "failed", "source")
    detail = {"source": source.code, "done": len(good), "refused": len(faults)}
    await audit.record(session, principal, "voucher.cancel", "voucher_batch", batch_id, detail)
    return Changed(len(serials), faults)


async def _rows(
    session: AsyncSession, source: Source, batch_id: str, serials: Sequence[str]
) -> tuple[dict[str, Any], list[tuple[str, VoucherFault]]]:
    """The vouchers, locked, and the faults of serials that name none of this batch, or name one twice."""
    found = await repository.find(session, source.code, sorted(set(serials)), batch_id=batch_id, lock=True)
    faults: list[tuple[str, VoucherFault]] = []
    seen: set[str] = set()
    for serial in serials:
        if serial in seen:
            faults.append((serial, VoucherFault.REPEATED))
        elif serial not in found:
            faults.append((serial, VoucherFault.UNKNOWN))
        seen.add(serial)
    return found, faults
