"""HTTP of appeals: `/grievance/v1/appeals`."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response

from services.grievance.appeals import repository
from services.grievance.appeals.decide_appeal import appoint_panel, cast_vote, withdraw_appeal
from services.grievance.appeals.errors import (
    AppealEnded,
    AppealExists,
    AppealInvalid,
    AppealNotFound,
    NotOnThisPanel,
)
from services.grievance.appeals.lodge_appeal import lodge_appeal
from services.grievance.appeals.model import Appeal
from services.grievance.appeals.schemas import (
    AppealDetail,
    AppealSummary,
    AppointPanel,
    CastVote,
    LodgeAppeal,
    LodgedAppeal,
    WithdrawAppeal,
)
from services.grievance.appeals.show_appeal import SEES_APPEALS, show_appeal
from services.grievance.cases.endpoints import opened_view
from services.grievance.cases.errors import CaseStateConflict, OwnCase
from services.grievance.cases.work import people_of
from services.grievance.permissions import AppealRead, CaseOpen, CaseSupervise, CaseWork, PanelWork
from services.grievance.resources import DeskDep
from shared.errors import BadRequest, OutsideArea, PreconditionFailed, PreconditionRequired, responses
from shared.etag import IfMatch, etag
from shared.http import ClockDep, Router, SessionDep
from shared.pagination import Page, PageParams, Paging

router = Router(prefix="/grievance/v1/appeals", tags=["appeals"])
_TAKEN = (AppealNotFound, AppealEnded, OutsideArea, OwnCase, CaseStateConflict)


@router.post("", status_code=201, responses=responses(AppealInvalid, AppealExists, OutsideArea))
async def post_appeal(
    body: LodgeAppeal, response: Response, session: SessionDep, desk: DeskDep, clock: ClockDep, principal: CaseOpen
) -> LodgedAppeal:
    """Appeal against a refusal or a de-listing. The receipt code in the answer is shown once."""
    appeal, opened = await lodge_appeal(session, desk, clock, principal, body)
    response.headers["ETag"] = etag(appeal.version)
    response.headers["Location"] = f"/grievance/v1/appeals/{appeal.id}"
    return LodgedAppeal(**AppealSummary.model_validate(appeal).model_dump(), case=opened_view(desk, opened))


@router.get("")
async def get_appeals(
    session: SessionDep, principal: AppealRead, paging: Paging, pending: bool | None = None
) -> Page[AppealSummary]:
    """Appeals of the caller's area, oldest first; a panel member sees those that she decides."""
    mine = not principal.has(*SEES_APPEALS)
    rows = await repository.page(
        session,
        principal,
        await people_of(session, principal),
        pending=pending,
        mine=mine,
        after=_after(paging),
        fetch=paging.fetch,
    )
    kept, next_cursor = paging.cut([row.Appeal for row in rows], lambda appeal: {"id": str(appeal.id)})
    return Page(items=[AppealSummary.model_validate(appeal) for appeal in kept], next_cursor=next_cursor)


@router.get("/{appeal_id}", responses=responses(AppealNotFound, OutsideArea, OwnCase))
async def get_appeal(
    appeal_id: UUID, response: Response, session: SessionDep, desk: DeskDep, principal: AppealRead
) -> AppealDetail:
    """The decision's reasons, rule version and facts beside the complaint."""
    detail = await show_appeal(session, desk, principal, appeal_id)
    response.headers["ETag"] = etag(detail.version)
    return detail


@router.put("/{appeal_id}/panel", responses=responses(*_TAKEN, AppealInvalid, PreconditionFailed, PreconditionRequired))
async def put_panel(
    appeal_id: UUID,
    body: AppointPanel,
    version: IfMatch,
    response: Response,
    session: SessionDep,
    desk: DeskDep,
    clock: ClockDep,
    principal: CaseSupervise,
) -> AppealSummary:
    """Appoint who decides: nobody who made the decision, worked on the case, or whom it concerns."""
    return _answer(response, await appoint_panel(session, desk, clock, principal, appeal_id, version, body))


@router.post("/{appeal_id}:vote", responses=responses(*_TAKEN, NotOnThisPanel))
async def post_vote(
    appeal_id: UUID,
    body: CastVote,
    response: Response,
    session: SessionDep,
    desk: DeskDep,
    clock: ClockDep,
    principal: PanelWork,
) -> AppealSummary:
    """Vote, once. Votes are only added, so no If-Match is needed. The deciding vote ends the appeal."""
    return _answer(response, await cast_vote(session, desk, clock, principal, appeal_id, body))


@router.post("/{appeal_id}:withdraw", responses=responses(*_TAKEN, PreconditionFailed, PreconditionRequired))
async def post_withdraw(
    appeal_id: UUID,
    body: WithdrawAppeal,
    version: IfMatch,
    response: Response,
    session: SessionDep,
    desk: DeskDep,
    clock: ClockDep,
    principal: CaseWork,
) -> AppealSummary:
    """End an appeal that the complainant no longer wants."""
    return _answer(response, await withdraw_appeal(session, desk, clock, principal, appeal_id, version, body))


def _after(paging: PageParams) -> UUID | None:
    seen = paging.after()
    if seen is None:
        return None
    try:
        return UUID(seen["id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadRequest("Use the next_cursor of the page before, as it is.") from None


def _answer(response: Response, appeal: Appeal) -> AppealSummary:
    response.headers["ETag"] = etag(appeal.version)
    return AppealSummary.model_validate(appeal)
