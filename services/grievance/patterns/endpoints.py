"""HTTP of patterns: `/grievance/v1/patterns`, and of those among sealed cases `/grievance/v1/sealed-patterns`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases.errors import OwnCase
from services.grievance.cases.work import people_of
from services.grievance.patterns import repository
from services.grievance.patterns.model import Pattern, PatternKind, PatternState
from services.grievance.permissions import CaseSupervise, PatternRead, SealedRead
from services.grievance.sealing import CaseSession
from shared import audit
from shared.auth import Principal
from shared.errors import BadRequest, NotFound, OutsideArea, PreconditionFailed, PreconditionRequired, responses
from shared.etag import IfMatch, check_version, etag
from shared.http import Router, SessionDep
from shared.pagination import Page, PageParams, Paging

router = Router(prefix="/grievance/v1", tags=["patterns"])


class PatternNotFound(NotFound):
    """There is no such pattern."""

    code, title = "pattern_not_found", "There is no such pattern"


class PatternView(BaseModel):
    """One account, agent or official in many cases."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int
    kind: PatternKind
    subject: str
    cases: int
    first_at: datetime
    last_at: datetime
    state: PatternState
    decided_by: str | None


class PatternDetail(PatternView):
    """With the ids of its cases, at most 500."""

    case_ids: list[UUID]


class JudgePattern(BaseModel):
    """What was found on looking into it."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["confirmed", "dismissed"]


@router.get("/patterns", responses=responses(OutsideArea))
async def get_patterns(
    session: SessionDep, paging: Paging, principal: PatternRead, state: PatternState | None = None
) -> Page[PatternView]:
    """Patterns, for national supervisors: they cross areas."""
    _ensure_national(principal)
    return await _page(session, principal, paging, state, sealed=False)


@router.get("/sealed-patterns", responses=responses(OutsideArea))
async def get_sealed_patterns(
    session: CaseSession, paging: Paging, principal: SealedRead, state: PatternState | None = None
) -> Page[PatternView]:
    """Patterns among sealed cases."""
    _ensure_national(principal)
    return await _page(session, principal, paging, state, sealed=True)


@router.get("/patterns/{pattern_id}", responses=responses(PatternNotFound, OutsideArea, OwnCase))
async def get_pattern(
    pattern_id: UUID, response: Response, session: SessionDep, principal: PatternRead
) -> PatternDetail:
    """One pattern with its cases."""
    pattern = await _take(session, principal, pattern_id)
    response.headers["ETag"] = etag(pattern.version)
    found = PatternView.model_validate(pattern).model_dump()
    return PatternDetail(**found, case_ids=list(await repository.cases(session, pattern_id)))


@router.post(
    "/patterns/{pattern_id}:judge",
    responses=responses(PatternNotFound, OutsideArea, OwnCase, PreconditionFailed, PreconditionRequired),
)
async def post_judgement(
    pattern_id: UUID,
    body: JudgePattern,
    version: IfMatch,
    response: Response,
    session: SessionDep,
    principal: CaseSupervise,
) -> PatternView:
    """Say what was found. A dismissed pattern comes back when its cases have doubled."""
    pattern = await _take(session, principal, pattern_id)
    check_version(version, pattern.version)
    pattern.state, pattern.decided_by = body.state, principal.subject
    pattern.cases_when_decided = pattern.cases
    pattern.version += 1
    await repository.save(session)
    await audit.record(session, principal, "pattern.judge", "pattern", str(pattern.id), {"state": body.state})
    response.headers["ETag"] = etag(pattern.version)
    return PatternView.model_validate(pattern)


def _ensure_national(principal: Principal) -> None:
    if not principal.national:
        raise OutsideArea("Patterns cross areas: ask a national supervisor.")


async def _take(session: AsyncSession, principal: Principal, pattern_id: UUID) -> Pattern:
    """A pattern, locked. Raises PatternNotFound, OutsideArea, OwnCase: the caller or her household is in it."""
    _ensure_national(principal)
    pattern = await repository.lock(session, pattern_id)
    if pattern is None:
        raise PatternNotFound("Look it up in the list.")
    if await repository.is_about(session, pattern_id, await people_of(session, principal)):
        raise OwnCase("Leave it to a colleague.")
    return pattern


async def _page(
    session: AsyncSession, principal: Principal, paging: PageParams, state: PatternState | None, *, sealed: bool
) -> Page[PatternView]:
    people = await people_of(session, principal)
    rows = await repository.page(session, people, sealed=sealed, state=state, after=_after(paging), fetch=paging.fetch)
    kept, next_cursor = paging.cut(rows, lambda pattern: {"id": str(pattern.id)})
    return Page(items=[PatternView.model_validate(pattern) for pattern in kept], next_cursor=next_cursor)


def _after(paging: PageParams) -> UUID | None:
    seen = paging.after()
    if seen is None:
        return None
    try:
        return UUID(seen["id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadRequest("Use the next_cursor of the page before, as it is.") from None
