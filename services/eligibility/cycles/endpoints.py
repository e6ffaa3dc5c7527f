"""HTTP of cycles."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response

from services.eligibility.access import CycleRead, CycleWrite, ensure_national
from services.eligibility.cycles import comparison_sql, repository
from services.eligibility.cycles.close_cycle import close_cycle
from services.eligibility.cycles.compute_cycle import compute_cycle
from services.eligibility.cycles.errors import (
    ComparisonNotSeen,
    ControlTotalsDiffer,
    CycleAlreadyOpen,
    CycleFrozen,
    CycleNotComputed,
    CycleUnknown,
    CycleUnpriced,
    EarlierCycleOpen,
    RateUnconfirmed,
)
from services.eligibility.cycles.open_cycle import open_cycle
from services.eligibility.cycles.schemas import (
    AdjustmentView,
    ChangeView,
    CloseCycle,
    ComparisonView,
    CycleView,
    EntitlementView,
    OpenCycle,
)
from services.eligibility.enrolments.schemas import JobAccepted
from services.eligibility.model import AnyRow
from services.eligibility.paging import after_component, after_id
from services.eligibility.programmes.errors import NoVersionInForce, ProgrammeUnknown
from shared.errors import responses
from shared.http import Router, SessionDep
from shared.pagination import Page, Paging
from shared.spreadsheet import csv_response

router = Router(prefix="/eligibility/v1/cycles", tags=["cycles"])


@router.post("", status_code=201, responses=responses(ProgrammeUnknown, NoVersionInForce, CycleAlreadyOpen))
async def post_cycle(body: OpenCycle, response: Response, principal: CycleWrite, session: SessionDep) -> CycleView:
    """Open the cycle of a programme for a month."""
    ensure_national(principal)
    cycle_id = await open_cycle(session, principal, body.programme_code, body.period)
    response.headers["Location"] = f"/eligibility/v1/cycles/{cycle_id}"
    return await _view(session, cycle_id)


@router.post("/{cycle_id}:compute", status_code=202, responses=responses(CycleUnknown, CycleFrozen))
async def post_compute(cycle_id: UUID, principal: CycleWrite, session: SessionDep) -> JobAccepted:
    """Compute decisions and entitlements of everybody enrolled, as a job. Can be repeated until the cycle is closed."""
    ensure_national(principal)
    return JobAccepted(job_id=await compute_cycle(session, principal, cycle_id))


@router.post(
    "/{cycle_id}:close",
    status_code=202,
    responses=responses(
        CycleUnknown,
        CycleFrozen,
        CycleNotComputed,
        ControlTotalsDiffer,
        CycleUnpriced,
        RateUnconfirmed,
        ComparisonNotSeen,
        EarlierCycleOpen,
    ),
)
async def post_close(cycle_id: UUID, body: CloseCycle, principal: CycleWrite, session: SessionDep) -> JobAccepted:
    """Freeze the cycle and publish its entitlements with control totals, as a job."""
    ensure_national(principal)
    job_id = await close_cycle(
        session, principal, cycle_id, body.expected_count, body.expected_amount, body.comparison_hash
    )
    return JobAccepted(job_id=job_id)


@router.get("")
async def get_cycles(
    _: CycleRead, session: SessionDep, paging: Paging, programme_code: Annotated[str | None, Query()] = None
) -> Page[CycleView]:
    """Cycles, oldest first."""
    rows = await repository.list_cycles(session, programme_code, after_id(paging), paging.fetch)
    return paging.page([CycleView.model_validate(row) for row in rows], lambda row: {"id": str(row.id)})


@router.get("/{cycle_id}", responses=responses(CycleUnknown))
async def get_cycle(cycle_id: UUID, _: CycleRead, session: SessionDep) -> CycleView:
    """A cycle: state, count, amount, totals by component and province, content hash."""
    return await _view(session, cycle_id)


@router.get("/{cycle_id}/entitlements", responses=responses(CycleUnknown))
async def get_entitlements(
    cycle_id: UUID, principal: CycleRead, session: SessionDep, paging: Paging
) -> Page[EntitlementView]:
    """Entitlements of a cycle in the caller's area."""
    await _cycle(session, cycle_id)
    rows = await repository.list_entitlements(session, principal, cycle_id, after_component(paging), paging.fetch)
    views = [EntitlementView.model_validate(row) for row in rows]
    return paging.page(views, lambda row: {"id": str(row.beneficiary_id), "component": row.component})


@router.get("/{cycle_id}/adjustments", responses=responses(CycleUnknown))
async def get_adjustments(
    cycle_id: UUID, principal: CycleRead, session: SessionDep, paging: Paging
) -> Page[AdjustmentView]:
    """Closed periods put right in this cycle, in the caller's area: arrears and recovery."""
    await _cycle(session, cycle_id)
    rows = await repository.list_adjustments(session, principal, cycle_id, after_id(paging), paging.fetch)
    return paging.page([AdjustmentView.model_validate(row) for row in rows], lambda row: {"id": str(row.id)})


@router.get("/{cycle_id}/comparison", responses=responses(CycleUnknown, CycleNotComputed))
async def get_comparison(cycle_id: UUID, _: CycleRead, session: SessionDep) -> ComparisonView:
    """The cycle against the closed one before it: new, gone, more, less, same, by cause and province."""
    cycle = await _compared(session, cycle_id)
    return ComparisonView(
        cycle_id=cycle.id, currency=cycle.currency, comparison_hash=cycle.comparison_hash, **cycle.comparison
    )


@router.get("/{cycle_id}/comparison.csv", responses=responses(CycleUnknown, CycleNotComputed))
async def get_comparison_csv(cycle_id: UUID, _: CycleRead, session: SessionDep) -> Response:
    """The same as CSV, one line a group."""
    cycle = await _compared(session, cycle_id)
    rows = [{"currency": cycle.currency, **group} for group in cycle.comparison["groups"]]
    return csv_response(["change", "cause", "province_code", "beneficiaries", "amount_before", "amount_after",
                         "currency"], rows, f"comparison-{cycle.programme_code}-{cycle.period}.csv")  # fmt: skip


@router.get("/{cycle_id}/comparison/changes", responses=responses(CycleUnknown, CycleNotComputed))
async def get_changes(
    cycle_id: UUID,
    principal: CycleRead,
    session: SessionDep,
    paging: Paging,
    change: Annotated[Literal["new", "gone", "more", "less"] | None, Query()] = None,
    cause: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[ChangeView]:
    """Beneficiaries that changed between the two cycles, in the caller's area."""
    cycle = await _compared(session, cycle_id)
    earlier = cycle.comparison["previous_cycle_id"]
    previous = await repository.find(session, UUID(earlier)) if earlier is not None else None
    rows = await comparison_sql.changes(
        session, principal, cycle, previous, change=change, cause=cause, after=after_id(paging), limit=paging.fetch
    )
    views = [ChangeView.model_validate(row) for row in rows]
    return paging.page(views, lambda row: {"id": str(row.beneficiary_id)})


async def _view(session: SessionDep, cycle_id: UUID) -> CycleView:
    return CycleView.model_validate(await _cycle(session, cycle_id))


async def _compared(session: SessionDep, cycle_id: UUID) -> AnyRow:
    cycle = await _cycle(session, cycle_id)
    if cycle.comparison is None:
        raise CycleNotComputed("Compute it first: the comparison is made with it.")
    return cycle


async def _cycle(session: SessionDep, cycle_id: UUID) -> AnyRow:
    cycle = await repository.find(session, cycle_id)
    if cycle is None:
        raise CycleUnknown("Look at the list of cycles for the id.")
    return cycle
