"""HTTP of cycles."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from services.eligibility.access import CycleRead, CycleWrite, ensure_national
from services.eligibility.cycles import repository
from services.eligibility.cycles.close_cycle import close_cycle
from services.eligibility.cycles.compute_cycle import compute_cycle
from services.eligibility.cycles.errors import (
    ControlTotalsDiffer,
    CycleAlreadyOpen,
    CycleFrozen,
    CycleNotComputed,
    CycleUnknown,
)
from services.eligibility.cycles.open_cycle import open_cycle
from services.eligibility.cycles.schemas import CloseCycle, CycleView, EntitlementView, OpenCycle
from services.eligibility.enrolments.schemas import JobAccepted
from services.eligibility.paging import after_id
from services.eligibility.programmes.errors import NoVersionInForce, ProgrammeUnknown
from shared.errors import responses
from shared.http import Router, SessionDep
from shared.pagination import Page, Paging

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
    responses=responses(CycleUnknown, CycleFrozen, CycleNotComputed, ControlTotalsDiffer),
)
async def post_close(cycle_id: UUID, body: CloseCycle, principal: CycleWrite, session: SessionDep) -> JobAccepted:
    """Freeze the cycle and publish its entitlements with control totals, as a job."""
    ensure_national(principal)
    job_id = await close_cycle(session, principal, cycle_id, body.expected_count, body.expected_amount)
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
    await _view(session, cycle_id)
    rows = await repository.list_entitlements(session, principal, cycle_id, after_id(paging), paging.fetch)
    return paging.page([EntitlementView.model_validate(row) for row in rows], lambda row: {"id": str(row.id)})


async def _view(session: SessionDep, cycle_id: UUID) -> CycleView:
    cycle = await repository.find(session, cycle_id)
    if cycle is None:
        raise CycleUnknown("Look at the list of cycles for the id.")
    return CycleView.model_validate(cycle)
