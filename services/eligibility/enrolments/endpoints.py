"""HTTP of enrolments."""

from __future__ import annotations

from services.eligibility.access import EnrolmentRead, ProgrammeRead, ProgrammeWrite, ensure_counts, ensure_national
from services.eligibility.decisions import repository as decisions
from services.eligibility.enrolments import repository
from services.eligibility.enrolments.enrol_programme import enrol_programme
from services.eligibility.enrolments.errors import NothingToEnrol
from services.eligibility.enrolments.schemas import EnrolmentView, EnrolRequest, JobAccepted, ProgrammeCounts
from services.eligibility.paging import after_id
from services.eligibility.programmes import repository as programmes
from services.eligibility.programmes.errors import NoVersionInForce, ProgrammeUnknown
from shared.errors import Forbidden, responses
from shared.http import Router, SessionDep
from shared.pagination import Page, Paging

router = Router(prefix="/eligibility/v1/programmes", tags=["enrolments"])


@router.post("/{code}:enrol", status_code=202, responses=responses(ProgrammeUnknown, NoVersionInForce, NothingToEnrol))
async def post_enrol(code: str, body: EnrolRequest, principal: ProgrammeWrite, session: SessionDep) -> JobAccepted:
    """Decide on every household and enrol those who qualify, as a job."""
    ensure_national(principal)
    return JobAccepted(job_id=await enrol_programme(session, principal, code, body.effective_on))


@router.get("/{code}/enrolments", responses=responses(ProgrammeUnknown))
async def get_enrolments(
    code: str, principal: EnrolmentRead, session: SessionDep, paging: Paging
) -> Page[EnrolmentView]:
    """Enrolments in the caller's area, oldest first."""
    await _ensure_known(session, code)
    rows = await repository.list_enrolments(session, principal, code, after_id(paging), paging.fetch)
    return paging.page([EnrolmentView.model_validate(row) for row in rows], lambda row: {"id": str(row.id)})


@router.get("/{code}/summary", responses=responses(ProgrammeUnknown, Forbidden))
async def get_summary(code: str, principal: ProgrammeRead, session: SessionDep) -> ProgrammeCounts:
    """A programme in numbers at this moment, in the caller's area; of an area, for those who see its enrolments."""
    ensure_counts(principal)
    await _ensure_known(session, code)
    decided, qualified, failed = await decisions.count_last_run(session, principal, code)
    return ProgrammeCounts(
        programme_code=code,
        enrolments=await repository.count_by_state(session, principal, code),
        decided=decided,
        qualified=qualified,
        not_qualified=decided - qualified,
        failed_clauses=failed,
    )


async def _ensure_known(session: SessionDep, code: str) -> None:
    if not await programmes.exists(session, code):
        raise ProgrammeUnknown(f"There is no programme {code}.")
