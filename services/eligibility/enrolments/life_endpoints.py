"""HTTP of the life of enrolments: one, its history, an officer's actions, warnings and the waiting list."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path, Query, Response

from services.eligibility.access import EnrolmentRead, ProgrammeWrite, ensure_national
from services.eligibility.enrolments import repository
from services.eligibility.enrolments.change_enrolments import Change, change_enrolment, change_many
from services.eligibility.enrolments.errors import ActionRefused, EnrolmentUnknown, OwnHousehold
from services.eligibility.enrolments.life import Action
from services.eligibility.enrolments.reassess_programme import reassess_programme
from services.eligibility.enrolments.schemas import (
    BatchChange,
    BatchResult,
    ChangeRequest,
    ChangeView,
    EnrolmentDetail,
    EnrolmentView,
    JobAccepted,
    ReassessRequest,
)
from services.eligibility.paging import after_day, after_rank
from services.eligibility.programmes import repository as programmes
from services.eligibility.programmes.errors import ProgrammeUnknown
from shared.auth import Principal, ensure_area
from shared.errors import OutsideArea, PreconditionFailed, responses
from shared.etag import IfMatch, etag
from shared.http import ClockDep, Router, SessionDep
from shared.pagination import Page, Paging

router = Router(prefix="/eligibility/v1", tags=["enrolments"])
Act = Annotated[Literal["suspend", "resume", "recertify", "graduate", "end"], Path()]


@router.get("/enrolments/{enrolment_id}", responses=responses(EnrolmentUnknown, OutsideArea))
async def get_enrolment(
    enrolment_id: UUID, response: Response, principal: EnrolmentRead, session: SessionDep
) -> EnrolmentDetail:
    """One enrolment with its history. The ETag is needed to change it."""
    return await _detail(session, principal, enrolment_id, response)


@router.post(
    "/enrolments/{enrolment_id}/{action}",
    responses=responses(EnrolmentUnknown, OutsideArea, ActionRefused, OwnHousehold, PreconditionFailed),
)
async def post_action(
    enrolment_id: UUID,
    action: Act,
    body: ChangeRequest,
    version: IfMatch,
    response: Response,
    principal: ProgrammeWrite,
    session: SessionDep,
) -> EnrolmentDetail:
    """Suspend, resume, recertify, graduate or end one enrolment."""
    await change_enrolment(session, principal, enrolment_id, version, _change(action, body))
    return await _detail(session, principal, enrolment_id, response)


@router.post("/programmes/{code}/enrolments:change", responses=responses(ProgrammeUnknown, OutsideArea, OwnHousehold))
async def post_batch(code: str, body: BatchChange, principal: ProgrammeWrite, session: SessionDep) -> BatchResult:
    """The same action on up to 5,000 enrolments of a programme; those that do not allow it are named."""
    await _ensure_known(session, code)
    result = await change_many(session, principal, code, body.enrolment_ids, _change(body.action, body))
    return BatchResult.model_validate(result)


@router.post("/programmes/{code}:reassess", status_code=202, responses=responses(ProgrammeUnknown))
async def post_reassess(
    code: str, body: ReassessRequest, principal: ProgrammeWrite, session: SessionDep
) -> JobAccepted:
    """Judge everybody enrolled again on a day, as a job; the platform does the same by itself once a day."""
    ensure_national(principal)
    await _ensure_known(session, code)
    return JobAccepted(job_id=await reassess_programme(session, principal, code, body.on))


@router.get("/programmes/{code}/waiting-list", responses=responses(ProgrammeUnknown))
async def get_waiting_list(
    code: str, principal: EnrolmentRead, session: SessionDep, paging: Paging
) -> Page[EnrolmentView]:
    """Who waits for a place, in the order of the programme's ranking, in the caller's area."""
    await _ensure_known(session, code)
    rows = await repository.waiting_list(session, principal, code, after_rank(paging), paging.fetch)
    views = [EnrolmentView.model_validate(row) for row in rows]
    return paging.page(views, lambda row: {"rank": row.rank, "id": str(row.id)})


@router.get("/programmes/{code}/warnings", responses=responses(ProgrammeUnknown))
async def get_warnings(
    code: str,
    principal: EnrolmentRead,
    session: SessionDep,
    clock: ClockDep,
    paging: Paging,
    until: Annotated[
        date | None, Query(description="Cards that end by this day; default: the programme's own.")
    ] = None,
) -> Page[EnrolmentView]:
    """Whose card ends soon, or has ended and is in its grace, the soonest first, in the caller's area."""
    await _ensure_known(session, code)
    today = clock.today()
    if until is None:
        version = await programmes.version_in_force(session, code, today)
        days = programmes.compiled(version.document).file.warn_days if version is not None else 60
        until = today + timedelta(days=days)
    rows = await repository.warnings(session, principal, code, until, after_day(paging), paging.fetch)
    views = [EnrolmentView.model_validate(row) for row in rows]
    return paging.page(views, lambda row: {"day": str(row.card_valid_until), "id": str(row.id)})


def _change(action: str, body: ChangeRequest) -> Change:
    return Change(Action(action), body.cause, body.effective_on, body.until, body.for_good)


async def _detail(session: SessionDep, principal: Principal, enrolment_id: UUID, response: Response) -> EnrolmentDetail:
    row = await repository.find(session, enrolment_id)
    if row is None:
        raise EnrolmentUnknown("Look at the list of enrolments for the id.")
    ensure_area(principal, row.village_code)
    response.headers["ETag"] = etag(row.version)
    view = EnrolmentView.model_validate(row)
    changes = [ChangeView.model_validate(change) for change in await repository.history(session, enrolment_id)]
    return EnrolmentDetail(**view.model_dump(), history=changes)


async def _ensure_known(session: SessionDep, code: str) -> None:
    if not await programmes.exists(session, code):
        raise ProgrammeUnknown(f"There is no programme {code}.")
