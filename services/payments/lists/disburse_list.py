"""Release an approved list: the request records who, the job instructs the payments chunk by chunk."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.emergency_stops import check as stops
from services.payments.emergency_stops.check import ensure_not_stopped
from services.payments.fields import plain
from services.payments.instructions.disburse import FIRST, chunk_end, instruct_chunk, instructed_totals
from services.payments.lists import repository
from services.payments.lists.model import Action, ListStatus
from services.payments.lists.steps import begin_step
from services.payments.rails.wiring import FORM
from services.payments.statistics import Bulk, expect_chunk, refresh
from shared import audit
from shared.auth import Principal
from shared.jobs import JobFailed, JobKind, JobRun, enqueue

JOB = "disburse_payment_list"


async def disburse_list(session: AsyncSession, principal: Principal, list_id: UUID) -> UUID:
    """Queue the disbursement of an approved list (or of the payments left on hold the last time).

    Returns:
        The job's id.

    Raises:
        PaymentListNotFound, ListState, SamePerson, EmergencyStopped.
    """
    row = await begin_step(session, principal, list_id, Action.DISBURSE)
    await ensure_not_stopped(session, programme_code=row.programme_code, fund_codes=row.fund_codes)
    await repository.change_list(session, list_id, status=ListStatus.DISBURSING, disbursed_by=principal.subject)
    await repository.add_step(session, list_id, Action.DISBURSE, principal.subject, content_hash=row.content_hash)
    detail = {"content_hash": row.content_hash}
    await audit.record(session, principal, "payment_list.disburse", "payment_list", str(list_id), detail)
    return await enqueue(session, JOB, {"payment_list_id": str(list_id)}, key=str(list_id))


async def run_disbursement(run: JobRun) -> dict[str, Any]:
    """Instruct exactly what was approved. Resumable: a chunk that was committed is passed over.

    Returns:
        payment_list_id and counts: instructed, on_hold, stopped (account changed since the list was built).

    Raises:
        JobFailed: `content_changed`: the lines are not those approved; `control_totals_differ` at the end.
    """
    list_id = UUID(run.payload["payment_list_id"])
    async with run.context.database.session() as session:
        row = await repository.list_by_id(session, list_id)
        stored = await repository.hash_of(session, list_id)
    if row is None:
        raise JobFailed("payment_list_not_found", "The list is not there.")
    if row.status == ListStatus.DISBURSING:
        if stored != row.content_hash:
            raise JobFailed("content_changed", "The lines are not those that were approved: nothing was paid.")
        async with run.context.database.session() as session:
            await refresh(session, Bulk.DISBURSE)
        await _instruct(run, row, first=True)
        await _instruct(run, row, first=False)
    return await _finish(run, row)


async def _instruct(run: JobRun, row: Any, *, first: bool) -> None:
    after, done = FIRST, 0
    today, size = run.context.clock.today(), run.context.settings.chunk_size
    while True:
        async with run.context.database.session() as session:
            await run.still_mine(session)
            if await stops.stops_list(session, row.id):
                raise JobFailed("emergency_stopped", "A stop was placed: lift it and disburse the rest.")
            until = await chunk_end(session, row.id, after, size, first=first)
            if until is None:
                return
            await expect_chunk(session)
            await instruct_chunk(session, row, after, until, today, first)
            await enqueue(session, FORM, {}, key=FORM)
        after = until
        done = min(done + size, row.ready_count)
        await run.progress(done, row.ready_count, "payments instructed")


async def _finish(run: JobRun, row: Any) -> dict[str, Any]:
    async with run.context.database.session() as session:
        await run.still_mine(session)
        totals = await instructed_totals(session, row.id)
        if (totals.count, totals.amount) != (row.ready_count, row.ready_amount):
            raise JobFailed(
                "control_totals_differ",
                f"{row.ready_count} payments of {plain(row.ready_amount)} were approved; "
                f"{totals.count} of {plain(totals.amount)} exist.",
            )
        current = await repository.list_by_id(session, row.id, lock=True)
        if current is not None and current.status == ListStatus.DISBURSING:
            status = ListStatus.PARTLY_DISBURSED if totals.on_hold else ListStatus.DISBURSED
            await repository.change_list(session, row.id, status=status)
    return {
        "payment_list_id": str(row.id),
        "count": totals.count,
        "amount": plain(totals.amount),
        "on_hold": totals.on_hold,
        "stopped": totals.stopped,
    }


DISBURSE_LIST = JobKind(JOB, run_disbursement)
