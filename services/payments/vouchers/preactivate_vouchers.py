"""Make vouchers for an order: its payees become payees of the source's voucher programme, its lines get serials."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.edges.orders.model import NewOrder
from services.payments.edges.orders.receive_order import receive_order
from services.payments.edges.payees import repository as payees
from services.payments.edges.payees.model import Address, PayeeEntry, hash_of, payee_uuid, seal_payees
from services.payments.edges.sources.model import Source
from services.payments.rails.cash.model import ANY_NETWORK, voucher_hash
from services.payments.rails.names import CASH
from services.payments.vouchers import repository
from services.payments.vouchers.model import NewVoucher, new_secret, new_serial
from shared.auth import Principal
from shared.service import Context


async def preactivate_vouchers(
    session: AsyncSession,
    context: Context,
    principal: Principal,
    source: Source,
    order: NewOrder,
    payee_ids: Sequence[str],
    groups: Sequence[str],
) -> list[NewVoucher]:
    """Take the order in and make a voucher per good line. The secrets are given out once, by the caller.

    Args:
        payee_ids, groups: in parallel to the order's lines.

    Raises:
        RequestMalformed, RequestTooLarge, BatchExists.
    """
    now = context.clock.now()
    order_id = await receive_order(session, principal, source, order, now)
    await _register(session, context, principal, source, payee_ids)
    vouchers = [
        NewVoucher(number, new_serial(), new_secret(), group)
        for number, (line, group) in enumerate(zip(order.lines, groups, strict=True), start=1)
        if not line.fault
    ]
    number_hash = context.resources.number_hash
    await repository.add(
        session,
        {
            "order_id": order_id,
            "batch_id": order.batch_id,
            "lines": [voucher.line for voucher in vouchers],
            "serials": [voucher.serial for voucher in vouchers],
            "groups": [voucher.group_code for voucher in vouchers],
            "hashes": [voucher_hash(number_hash, voucher.serial, voucher.secret) for voucher in vouchers],
            "now": now,
        },
    )
    return vouchers


async def _register(
    session: AsyncSession, context: Context, principal: Principal, source: Source, payee_ids: Sequence[str]
) -> None:
    """Each payee gets a cash account for the voucher programme that no message is ever sent to."""
    resources, programme = context.resources, source.voucher_programme_code
    entries = [
        PayeeEntry(payee, Address(CASH, ANY_NETWORK, number), payee)
        for payee, number in {
            payee: f"8550{payee_uuid(hash_of(resources.number_hash, source.code, payee)).int % 10**10:010d}"
            for payee in payee_ids
        }.items()
    ]
    ready, _ = await asyncio.to_thread(
        seal_payees,
        entries,
        source=source.code,
        programme=programme,
        cipher=resources.cipher,
        number_hash=resources.number_hash,
    )
    await payees.add(session, source, programme, ready, context.clock.today())
    reason = f"vouchers of source {source.code}"
    await payees.put_accounts(
        session,
        source.code,
        programme,
        ready,
        actor=principal.subject,
        reason=reason,
        usable_from=context.clock.now(),
    )
