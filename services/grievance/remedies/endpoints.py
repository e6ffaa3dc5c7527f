"""HTTP of remedies: `/grievance/v1/cases/{case_id}/remedies`. They are shown with their case."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response

from services.grievance.cases.errors import CaseNotFound, OwnCase
from services.grievance.cases.schemas import CaseRemedy
from services.grievance.permissions import CaseWork
from services.grievance.remedies.errors import RemedyInvalid, RemedyNotPossible, RemedyPending
from services.grievance.remedies.request_remedy import request_remedy
from services.grievance.remedies.schemas import RequestRemedy
from services.grievance.resources import DeskDep
from services.grievance.sealing import CaseSession
from shared.errors import OutsideArea, PreconditionFailed, PreconditionRequired, responses
from shared.etag import IfMatch, etag
from shared.http import ClockDep, Router

router = Router(prefix="/grievance/v1/cases/{case_id}/remedies", tags=["remedies"])
_PROBLEMS = (CaseNotFound, OutsideArea, OwnCase, RemedyInvalid, RemedyNotPossible, RemedyPending)


@router.post("", status_code=202, responses=responses(*_PROBLEMS, PreconditionFailed, PreconditionRequired))
async def post_remedy(
    case_id: UUID,
    body: RequestRemedy,
    version: IfMatch,
    response: Response,
    session: CaseSession,
    desk: DeskDep,
    clock: ClockDep,
    principal: CaseWork,
) -> CaseRemedy:
    """Ask the owning service to put something right. Its answer appears on the case."""
    case, remedy = await request_remedy(session, desk, clock, principal, case_id, version, body)
    response.headers["ETag"] = etag(case.version)
    response.headers["Location"] = f"/grievance/v1/cases/{case.id}"
    return CaseRemedy.model_validate(remedy)
