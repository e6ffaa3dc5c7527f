"""The job that makes a received order into a closed cycle with control totals, ready for its payment list."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.payments.edges.orders import repository
from services.payments.edges.orders.model import WINDOW_DAYS, Modality, OrderState
from services.payments.edges.orders.receive_order import PREPARE
from services.payments.edges.sources import repository as sources
from services.payments.vouchers import repository as vouchers
from shared import audit
from shared.jobs import JobFailed, JobKind, JobRun


async def prepare_order(run: JobRun) -> dict[str, Any]:
    """Judge the lines and close the cycle, in one transaction: at most MAX_LINES lines.

    A source's orders are prepared one after the other, so that an instruction is accepted in one of them only.

    Returns:
        order_id, state, accepted and refused counts.

    Raises:
        JobFailed: there is no such order.
    """
    order_id, clock = UUID(run.payload["order_id"]), run.context.clock
    async with run.context.database.session() as session:
        await run.still_mine(session)
        order = await repository.by_id(session, order_id, lock=True)
        if order is None:
            raise JobFailed("order_not_found", "The order is not there.")
        if order.state == OrderState.RECEIVED:
            source = await sources.by_code(session, order.source_code, lock=True)
            assert source is not None
            voucher = order.modality == Modality.VOUCHER
            values = {
                "programme": source.voucher_programme_code if voucher else source.programme_code,
                "period": clock.today().strftime("%Y-%m"),
                "today": clock.today(),
                "until": clock.today() + timedelta(days=WINDOW_DAYS),
                "funding_line": source.funding_line,
                "actor": order.received_by,
            }
            await repository.judge(session, order_id)
            count, amount = await repository.write_cycle(session, order, values)
            order = await _conclude(session, order, count, amount, clock.now())
            if voucher:
                await vouchers.link_payments(session, order_id)
    return {
        "order_id": str(order_id),
        "state": order.state,
        "accepted": order.accepted_count,
        "refused": order.count - order.accepted_count,
    }


async def _conclude(session: Any, order: Any, count: int, amount: Decimal, now: Any) -> Any:
    state = OrderState.PREPARED if count else OrderState.REFUSED
    row = await repository.set_state(
        session,
        order.id,
        state,
        refusal="" if count else "No instruction of it can be paid: see the fault of each.",
        count=count,
        amount=amount,
        now=now,
    )
    detail = {"state": str(state), "accepted": count, "refused": order.count - count, "amount": str(amount)}
    await audit.record(session, "worker", "external_order.prepare", "external_order", str(order.id), detail)
    return row


PREPARE_ORDER = JobKind(PREPARE, prepare_order)
