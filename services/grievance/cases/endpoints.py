"""HTTP of cases: `/grievance/v1/cases`. Actions need If-Match; each answers with the case's new ETag."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Response

from services.grievance.cases import list_repository, repository
from services.grievance.cases.add_note import add_note
from services.grievance.cases.assign_case import assign_case
from services.grievance.cases.close_case import close_case
from services.grievance.cases.errors import (
    AppealPending,
    CaseInvalid,
    CaseNotFound,
    CaseStateConflict,
    OwnCase,
    SealingNotConfigured,
)
from services.grievance.cases.list_repository import CaseFilter
from services.grievance.cases.merge_case import merge_case
from services.grievance.cases.model import Case
from services.grievance.cases.open_case import Opened, open_case
from services.grievance.cases.refer_case import refer_case, return_case
from services.grievance.cases.reopen_case import reopen_case
from services.grievance.cases.resolve_case import resolve_case
from services.grievance.cases.schemas import (
    AddNote,
    AssignCase,
    CaseDetail,
    CaseSummary,
    MergeCase,
    Note,
    OpenCase,
    OpenedCase,
    ReferCase,
    ReopenCase,
    ResolveCase,
    ReturnCase,
    TriageCase,
)
from services.grievance.cases.show_case import due_on_confirmed, show_case, summary_fields
from services.grievance.cases.start_case import start_case
from services.grievance.cases.states import CaseState, SubjectType
from services.grievance.cases.triage_case import triage_case
from services.grievance.cases.work import SEES_CASES, authorise, people_of
from services.grievance.permissions import CaseOpen, CaseRead, CaseWork
from services.grievance.resources import Desk, DeskDep
from services.grievance.sealing import CaseSession
from shared.contracts.base import PlaceCode
from shared.errors import BadRequest, Forbidden, OutsideArea, PreconditionFailed, PreconditionRequired, responses
from shared.etag import IfMatch, etag
from shared.http import ClockDep, Router, SessionDep
from shared.pagination import Page, PageParams, Paging

router = Router(prefix="/grievance/v1/cases", tags=["cases"])
_SEEN = responses(CaseNotFound, OutsideArea, OwnCase)
_ACTION = responses(CaseNotFound, OutsideArea, OwnCase, CaseStateConflict, PreconditionFailed, PreconditionRequired)


@router.post("", status_code=201, responses=responses(CaseInvalid, OutsideArea, SealingNotConfigured))
async def post_case(
    body: OpenCase, response: Response, session: SessionDep, desk: DeskDep, clock: ClockDep, principal: CaseOpen
) -> OpenedCase:
    """Open a case. The receipt code in the answer is shown once: read it to the complainant."""
    opened = await open_case(session, desk, clock, principal, body)
    response.headers["ETag"] = etag(opened.case.version)
    response.headers["Location"] = f"/grievance/v1/cases/{opened.case.id}"
    return opened_view(desk, opened)


def opened_view(desk: Desk, opened: Opened) -> OpenedCase:
    """The answer to a complaint. Of a sealed one it says no more than the receipt: answers are kept for repetition."""
    fields = summary_fields(opened.case)
    if opened.case.sealed:
        fields |= {"category": "sealed", "route": "sealed", "priority": "sealed", "level": "sealed"}
        fields |= {"subject_type": SubjectType.NONE, "subject_id": None, "place_code": None, "anonymous": True}
    confirmed = due_on_confirmed(desk, opened.case)
    return OpenedCase.model_validate({**fields, "receipt_code": opened.receipt_code, "due_on_confirmed": confirmed})


async def _filter(
    state: CaseState | None = None,
    category: Annotated[str | None, Query(max_length=40)] = None,
    assigned_to: Annotated[str | None, Query(max_length=200)] = None,
    subject_type: SubjectType | None = None,
    subject_id: UUID | None = None,
    place_code: Annotated[PlaceCode | None, Query(description="The place and everything in it.")] = None,
    due_until: date | None = None,
    level: Annotated[str | None, Query(max_length=40)] = None,
    answered: bool | None = None,
) -> CaseFilter:
    return CaseFilter(
        state, category, assigned_to, subject_type, subject_id, place_code, due_until, level=level, answered=answered
    )


def after_case(paging: PageParams) -> tuple[bool, date, UUID] | None:
    """The (answered, due_on, id) of the last case seen. Raises BadRequest: the cursor is not one of ours."""
    seen = paging.after()
    if seen is None:
        return None
    try:
        return bool(seen["answered"]), date.fromisoformat(seen["due_on"]), UUID(seen["id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadRequest("Use the next_cursor of the page before, as it is.") from None


@router.get("", responses=responses(Forbidden))
async def get_cases(
    session: SessionDep,
    principal: CaseRead,
    paging: Paging,
    narrow: Annotated[CaseFilter, Depends(_filter)],
) -> Page[CaseSummary]:
    """Cases of the caller's area: those that wait, by deadline, then those that were answered. Never a sealed one."""
    if not principal.has(*SEES_CASES):
        raise Forbidden("Use the list of sealed cases.")
    people = await people_of(session, principal)
    rows = await list_repository.page(session, principal, people, narrow, after=after_case(paging), fetch=paging.fetch)
    kept, next_cursor = paging.cut(rows, list_repository.cursor)
    return Page(items=[CaseSummary.model_validate(summary_fields(case)) for case in kept], next_cursor=next_cursor)


@router.get("/{case_id}", responses=_SEEN)
async def get_case(
    case_id: UUID, response: Response, session: CaseSession, desk: DeskDep, clock: ClockDep, principal: CaseRead
) -> CaseDetail:
    """A case in full, with what happened to its payment."""
    detail = await show_case(session, desk, clock, principal, case_id)
    response.headers["ETag"] = etag(detail.version)
    return detail


@router.get("/{case_id}/similar", responses=_SEEN)
async def get_similar(case_id: UUID, session: CaseSession, principal: CaseRead) -> list[CaseSummary]:
    """Cases of the caller's area about the same thing or the same beneficiary: perhaps repeats. At most 50."""
    case = await authorise(session, principal, await repository.find(session, case_id))
    rows = await repository.similar(session, case, await people_of(session, principal))
    seen = [row for row in rows if row.sealed == case.sealed and principal.covers(row.place_code)]
    return [CaseSummary.model_validate(summary_fields(row)) for row in seen]


@router.post("/{case_id}:triage", responses={**_ACTION, **responses(CaseInvalid)})
async def post_triage(
    case_id: UUID,
    body: TriageCase,
    version: IfMatch,
    response: Response,
    session: CaseSession,
    desk: DeskDep,
    clock: ClockDep,
    principal: CaseWork,
) -> CaseSummary:
    """Say what the case is really about. Into a sealed category: it is hidden from now on."""
    return _answer(response, await triage_case(session, desk, clock, principal, case_id, version, body))


@router.post("/{case_id}:merge", responses={**_ACTION, **responses(CaseInvalid, AppealPending)})
async def post_merge(
    case_id: UUID,
    body: MergeCase,
    version: IfMatch,
    response: Response,
    session: CaseSession,
    clock: ClockDep,
    principal: CaseWork,
) -> CaseSummary:
    """Put a repeat together with the case that it repeats; its receipt code shows the other's progress."""
    return _answer(response, await merge_case(session, clock, principal, case_id, version, body.into))


@router.post("/{case_id}:refer", responses={**_ACTION, **responses(CaseInvalid)})
async def post_refer(
    case_id: UUID,
    body: ReferCase,
    version: IfMatch,
    response: Response,
    session: CaseSession,
    desk: DeskDep,
    clock: ClockDep,
    principal: CaseWork,
) -> CaseSummary:
    """Give the case to another institution. Our deadline runs on."""
    return _answer(response, await refer_case(session, desk, clock, principal, case_id, version, body))


@router.post("/{case_id}:return", responses=_ACTION)
async def post_return(
    case_id: UUID,
    body: ReturnCase,
    version: IfMatch,
    response: Response,
    session: CaseSession,
    desk: DeskDep,
    clock: ClockDep,
    principal: CaseWork,
) -> CaseSummary:
    """Take a referred case back with what the institution said."""
    return _answer(response, await return_case(session, desk, clock, principal, case_id, version, body))


@router.post("/{case_id}:assign", responses={**_ACTION, **responses(CaseInvalid)})
async def post_assign(
    case_id: UUID,
    body: AssignCase,
    version: IfMatch,
    response: Response,
    session: CaseSession,
    clock: ClockDep,
    principal: CaseWork,
) -> CaseSummary:
    """Give the case to an officer; nobody named: to the caller."""
    return _answer(response, await assign_case(session, clock, principal, case_id, version, body))


@router.post("/{case_id}:start", responses=_ACTION)
async def post_start(
    case_id: UUID, version: IfMatch, response: Response, session: CaseSession, clock: ClockDep, principal: CaseWork
) -> CaseSummary:
    """Begin work on an assigned case."""
    return _answer(response, await start_case(session, clock, principal, case_id, version))


@router.post("/{case_id}:resolve", responses={**_ACTION, **responses(AppealPending)})
async def post_resolve(
    case_id: UUID,
    body: ResolveCase,
    version: IfMatch,
    response: Response,
    session: CaseSession,
    desk: DeskDep,
    clock: ClockDep,
    principal: CaseWork,
) -> CaseSummary:
    """Give the case its outcome."""
    return _answer(response, await resolve_case(session, desk, clock, principal, case_id, version, body))


@router.post("/{case_id}:close", responses=_ACTION)
async def post_close(
    case_id: UUID, version: IfMatch, response: Response, session: CaseSession, clock: ClockDep, principal: CaseWork
) -> CaseSummary:
    """Put a resolved case away."""
    return _answer(response, await close_case(session, clock, principal, case_id, version))


@router.post("/{case_id}:reopen", responses=_ACTION)
async def post_reopen(
    case_id: UUID,
    body: ReopenCase,
    version: IfMatch,
    response: Response,
    session: CaseSession,
    desk: DeskDep,
    clock: ClockDep,
    principal: CaseWork,
) -> CaseSummary:
    """Take a resolved or closed case up again, with a new deadline."""
    return _answer(response, await reopen_case(session, desk, clock, principal, case_id, version, body))


@router.post("/{case_id}/notes", status_code=201, responses=_SEEN)
async def post_note(
    case_id: UUID, body: AddNote, session: CaseSession, desk: DeskDep, clock: ClockDep, principal: CaseWork
) -> Note:
    """Write something down about the case. Notes are only added, so no If-Match is needed."""
    note = await add_note(session, desk, clock, principal, case_id, body)
    fields = {"id": note.id, "visibility": note.visibility, "author": note.author, "at": note.at}
    return Note.model_validate({**fields, "text": body.text})


def _answer(response: Response, case: Case) -> CaseSummary:
    response.headers["ETag"] = etag(case.version)
    return CaseSummary.model_validate(summary_fields(case))
