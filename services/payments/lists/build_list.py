"""The job that builds a list: meet the control totals, write and check the lines, hash them.

Chunks commit one by one, in the order of their payments, while the job is held: one that died goes on after the last
line written. The same entitlements, accounts and holds give the same list and the same hash.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.payments.accounts.repository import overshared
from services.payments.entitlements.repository import cycle_by_id, totals_of_cycle
from services.payments.fields import plain
from services.payments.lists import line_repository, repository
from services.payments.lists.model import ListStatus, Total, TotalKey, approvals_needed, compare_totals
from services.payments.lists.start_list import JOB
from services.payments.metadata import Record
from services.payments.sanctions.screen_accounts import open_screen, screen
from services.payments.sanctions.screening_repository import unscreened_of_chunk
from services.payments.statistics import Bulk, expect_chunk, refresh
from shared.jobs import JobFailed, JobKind, JobRun

_SHOWN_DIFFERENCES = 20


async def build_list(run: JobRun) -> dict[str, Any]:
    """Build and check one list.

    Returns:
        payment_list_id, ready and excluded counts and amounts, content_hash.

    Raises:
        JobFailed: `control_totals_differ`; the list is then `refused`.
    """
    list_id = UUID(run.payload["payment_list_id"])
    async with run.context.database.session() as session:
        row = await repository.list_by_id(session, list_id)
        if row is None:
            raise JobFailed("payment_list_not_found", "The list is not there.")
        cycle = await cycle_by_id(session, row.cycle_id)
        arrived = _totals(await totals_of_cycle(session, row.cycle_id))
    if row.status == ListStatus.BUILDING:
        await _meet_totals(run, row, cycle, arrived)
        await _write_lines(run, row, cycle)
        row = await _finish(run, row, cycle)
    return {
        "payment_list_id": str(list_id),
        "ready_count": row.ready_count,
        "ready_amount": plain(row.ready_amount),
        "excluded_count": row.excluded_count,
        "excluded_amount": plain(row.excluded_amount),
        "content_hash": row.content_hash,
    }


def _totals(rows: Iterable[Any]) -> dict[TotalKey, Total]:
    return {(row.component, row.province_code): Total(row.count, Decimal(row.amount)) for row in rows}


async def _meet_totals(run: JobRun, row: Record, cycle: Any, arrived: dict[TotalKey, Total]) -> None:
    """Compare what arrived with what the cycle's closing announced: in total, and per component and province."""
    announced = {
        (total["component"], total["province_code"]): Total(total["count"], Decimal(total["amount"]))
        for total in cycle.totals
    }
    count = sum(total.count for total in arrived.values())
    amount = sum((total.amount for total in arrived.values()), Decimal(0))
    differences = compare_totals(announced, arrived)
    if (count, amount) == (cycle.count, cycle.amount) and not differences:
        return
    message = (
        f"The cycle announced {cycle.count} entitlements of {plain(cycle.amount)}; "
        f"{count} of {plain(amount)} are here, and {len(differences)} control totals differ."
    )
    shown = [
        {
            "component": item.component,
            "province_code": item.province_code,
            "announced": {"count": item.announced.count, "amount": plain(item.announced.amount)},
            "arrived": {"count": item.arrived.count, "amount": plain(item.arrived.amount)},
        }
        for item in differences[:_SHOWN_DIFFERENCES]
    ]
    await _refuse(run, row, "control_totals_differ", message, differences=shown)


async def _refuse(run: JobRun, row: Record, code: str, message: str, **extra: Any) -> None:
    async with run.context.database.session() as session:
        await run.still_mine(session)
        await repository.change_list(session, row.id, status=ListStatus.REFUSED, refusal=message)
    raise JobFailed(code, message, **extra)


async def _write_lines(run: JobRun, row: Record, cycle: Any) -> None:
    settings, now = run.context.settings, run.context.clock.now()
    ceiling = settings.payment_ceilings.get(row.currency)
    async with run.context.database.session() as session:
        await refresh(session, Bulk.BUILD)
        shared = await overshared(session, settings.account_beneficiary_limit)
        after, done = await repository.written_so_far(session, row.id)
        screening = await open_screen(run.context, session)
    while True:
        async with run.context.database.session() as session:
            await run.still_mine(session)
            until = await repository.chunk_end(session, row.cycle_id, after, settings.chunk_size)
            if until is None:
                return
            await expect_chunk(session)
            if screening is not None:
                payees = await unscreened_of_chunk(session, screening.number, row.cycle_id, after, until)
                await screen(session, screening, payees)
            await line_repository.build_lines(session, row, after, until, shared=shared, ceiling=ceiling, now=now)
        after = until
        done = min(done + settings.chunk_size, cycle.count)
        await run.progress(done, cycle.count, "lines built and checked")


async def _finish(run: JobRun, row: Record, cycle: Any) -> Record:
    async with run.context.database.session() as session:
        await run.still_mine(session)
        counts = await repository.counts_of(session, row.id)
        met = (
            counts.ready_count + counts.excluded_count == cycle.count
            and counts.ready_amount + counts.excluded_amount + counts.deducted_amount == cycle.amount
        )
        if met:
            return await repository.change_list(
                session,
                row.id,
                status=ListStatus.BUILT,
                content_hash=await repository.hash_of(session, row.id),
                approvals_needed=approvals_needed(counts.ready_amount, _threshold(run, row)),
                **counts._mapping,
            )
    await _refuse(run, row, "control_totals_differ", "The lines written do not add up to the cycle's totals.")
    raise AssertionError("unreachable: refusing raises")


def _threshold(run: JobRun, row: Record) -> Decimal | None:
    thresholds: dict[str, Decimal] = run.context.settings.second_approval_above
    return thresholds.get(row.currency)


BUILD_LIST = JobKind(JOB, build_list)
