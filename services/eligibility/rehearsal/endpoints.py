"""HTTP of rehearsals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Depends, Query, Response

from services.eligibility.access import CycleRead, ProgrammeWrite, ensure_national
from services.eligibility.model import AnyRow
from services.eligibility.paging import after_id
from services.eligibility.programmes.errors import ProgrammeUnknown
from services.eligibility.rehearsal import repository
from services.eligibility.rehearsal.approve_rehearsal import approve_rehearsal
from services.eligibility.rehearsal.errors import (
    CannotRehearse,
    NoList,
    OwnRehearsal,
    RehearsalNotFinished,
    RehearsalUnknown,
    ResultDiffers,
)
from services.eligibility.rehearsal.model import RehearsalState
from services.eligibility.rehearsal.rehearse_version import rehearse_version
from services.eligibility.rehearsal.schemas import (
    ApproveRehearsal,
    ChangedView,
    RehearsalAccepted,
    RehearsalRequest,
    RehearsalView,
)
from shared import audit
from shared.auth import Principal
from shared.errors import responses
from shared.http import ClockDep, Router, SessionDep
from shared.pagination import Page, Paging
from shared.spreadsheet import csv_response

router = Router(prefix="/eligibility/v1", tags=["rehearsals"])
Table = Literal["changes", "by_person", "months"]
MAX_CSV: Final = 10_000


@dataclass(frozen=True)
class Only:
    """Which of the households that change."""

    change: str | None
    place: str


async def _only(
    change: Annotated[Literal["gains", "loses", "more", "less"] | None, Query()] = None,
    place: Annotated[str, Query(pattern=r"^(\d{2}){0,4}$")] = "",
) -> Only:
    return Only(change, place)


OnlyDep = Annotated[Only, Depends(_only)]
_MONEY: Final = ("amount_before", "amount_after", "difference")
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "changes": ("change", "province_code", "clause", "beneficiaries", *_MONEY),
    "by_person": ("sex", "age_band", "disability", "people", *_MONEY),
    "months": (
        "period",
        "sample_percent",
        "beneficiaries_before",
        "beneficiaries_after",
        "cost_before",
        "cost_after",
    ),
}


@router.post(
    "/programmes/{code}/versions/{version}:rehearse",
    status_code=202,
    responses=responses(ProgrammeUnknown, CannotRehearse),
)
async def post_rehearsal(
    code: str, version: int, body: RehearsalRequest, principal: ProgrammeWrite, session: SessionDep
) -> RehearsalAccepted:
    """Try a version over the whole population without effect, as a job: who gains, who loses, what it costs."""
    ensure_national(principal)
    return await rehearse_version(session, principal, code, version, body)


@router.get("/programmes/{code}/rehearsals")
async def get_rehearsals(code: str, _: CycleRead, session: SessionDep, paging: Paging) -> Page[RehearsalView]:
    """Rehearsals of a programme, oldest first."""
    rows = await repository.list_of(session, code, after_id(paging), paging.fetch)
    return paging.page([RehearsalView.model_validate(row) for row in rows], lambda row: {"id": str(row.id)})


@router.get("/rehearsals/{rehearsal_id}", responses=responses(RehearsalUnknown))
async def get_rehearsal(rehearsal_id: UUID, _: CycleRead, session: SessionDep) -> RehearsalView:
    """A rehearsal with its result."""
    return RehearsalView.model_validate(await _find(session, rehearsal_id))


@router.get("/rehearsals/{rehearsal_id}/result.csv", responses=responses(RehearsalUnknown, RehearsalNotFinished))
async def get_rehearsal_csv(
    rehearsal_id: UUID, _: CycleRead, session: SessionDep, table: Annotated[Table, Query()] = "changes"
) -> Response:
    """One table of the result as CSV."""
    row = await _find(session, rehearsal_id)
    if row.result is None:
        raise RehearsalNotFinished("Wait for its job to end.")
    lines: list[dict[str, Any]] = row.result[table]
    return csv_response(COLUMNS[table], lines, f"rehearsal-{row.programme_code}-{row.version}-{table}.csv")


@router.get("/rehearsals/{rehearsal_id}/households", responses=responses(RehearsalUnknown, NoList))
async def get_changes(
    rehearsal_id: UUID, principal: ProgrammeWrite, session: SessionDep, paging: Paging, only: OnlyDep
) -> Page[ChangedView]:
    """Who would gain, lose, get more or less, in the caller's area. Each reading leaves an audit record."""
    row = await _listed(session, rehearsal_id)
    rows = await repository.list_changes(
        session, principal, row.id, change=only.change, place=only.place, after=after_id(paging), limit=paging.fetch
    )
    page = paging.page([ChangedView.model_validate(item) for item in rows], lambda item: {"id": str(item.unit_id)})
    await _audit_list(session, principal, row, only, len(page.items))
    return page


@router.get("/rehearsals/{rehearsal_id}/households.csv", responses=responses(RehearsalUnknown, NoList))
async def get_changes_csv(
    rehearsal_id: UUID,
    principal: ProgrammeWrite,
    session: SessionDep,
    only: OnlyDep,
    after: Annotated[UUID | None, Query(description="`unit_id` of the last row of the part before.")] = None,
) -> Response:
    """The same as CSV, 10,000 rows at most: give the last `unit_id` as `after` for the next part."""
    row = await _listed(session, rehearsal_id)
    rows = await repository.list_changes(
        session, principal, row.id, change=only.change, place=only.place, after=after, limit=MAX_CSV
    )
    await _audit_list(session, principal, row, only, len(rows))
    lines = [ChangedView.model_validate(item).model_dump(mode="json") for item in rows]
    return csv_response(list(ChangedView.model_fields), lines, f"rehearsal-{row.programme_code}-{row.version}.csv")


async def _listed(session: SessionDep, rehearsal_id: UUID) -> AnyRow:
    row = await _find(session, rehearsal_id)
    if row.state == RehearsalState.RUNNING or not row.request.get("list_households"):
        raise NoList("Rehearse with list_households, and wait for its job to end.")
    return row


async def _audit_list(session: SessionDep, principal: Principal, row: AnyRow, only: Only, count: int) -> None:
    detail = {"programme_code": row.programme_code, "change": only.change, "place": only.place, "count": count}
    await audit.record(session, principal, "rehearsal.list", "rehearsal", row.id, detail)


@router.post(
    "/rehearsals/{rehearsal_id}:approve",
    responses=responses(RehearsalUnknown, RehearsalNotFinished, ResultDiffers, OwnRehearsal),
)
async def post_approve(
    rehearsal_id: UUID, body: ApproveRehearsal, principal: ProgrammeWrite, session: SessionDep, clock: ClockDep
) -> RehearsalView:
    """Approve exactly the result that was looked at; it is kept with the version."""
    ensure_national(principal)
    await approve_rehearsal(session, clock, principal, rehearsal_id, body.result_hash)
    return RehearsalView.model_validate(await _find(session, rehearsal_id))


async def _find(session: SessionDep, rehearsal_id: UUID) -> AnyRow:
    row = await repository.find(session, rehearsal_id)
    if row is None:
        raise RehearsalUnknown("Look at the programme's rehearsals for the id.")
    return row
