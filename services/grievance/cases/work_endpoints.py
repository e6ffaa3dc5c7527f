"""HTTP of work lists: `/grievance/v1/work` (what is due today) and `/grievance/v1/sealed-cases`."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from pydantic import BaseModel, Field

from services.grievance.cases import list_repository
from services.grievance.cases.endpoints import after_case
from services.grievance.cases.list_repository import COUNT_LIMIT, CaseFilter
from services.grievance.cases.schemas import CaseSummary
from services.grievance.cases.show_case import summary_fields
from services.grievance.cases.work import people_of
from services.grievance.permissions import SealedRead, WorkRead
from services.grievance.resources import Desk, DeskDep
from services.grievance.sealing import CaseSession
from shared.auth import Principal
from shared.clock import Clock
from shared.http import ClockDep, Router, SessionDep
from shared.pagination import Page, Paging

router = Router(prefix="/grievance/v1", tags=["work"])


class WorkList(StrEnum):
    """Which part of the work."""

    MINE = "mine"
    DUE_TODAY = "due_today"
    OVERDUE = "overdue"
    UNASSIGNED = "unassigned"


class WorkCounts(BaseModel):
    """How much there is; every number stops at 1,000."""

    mine: int
    mine_due_today: int = Field(description="Of the caller's own cases: due today.")
    mine_overdue: int
    unassigned: int = Field(description="In the caller's area: nobody has them.")
    overdue: int = Field(description="In the caller's area, whoever has them.")
    limit: int = COUNT_LIMIT


@router.get("/work")
async def get_work(
    session: SessionDep,
    desk: DeskDep,
    clock: ClockDep,
    principal: WorkRead,
    paging: Paging,
    part: WorkList = WorkList.MINE,
) -> Page[CaseSummary]:
    """The caller's work, what is due first first. `due_today` and `overdue` are her own cases."""
    people = await people_of(session, principal)
    narrow = _narrow(part, principal, desk, clock)
    rows = await list_repository.page(session, principal, people, narrow, after=after_case(paging), fetch=paging.fetch)
    kept, next_cursor = paging.cut(rows, list_repository.cursor)
    return Page(items=[CaseSummary.model_validate(summary_fields(case)) for case in kept], next_cursor=next_cursor)


@router.get("/work/counts")
async def get_work_counts(session: SessionDep, desk: DeskDep, clock: ClockDep, principal: WorkRead) -> WorkCounts:
    """How much work there is, and how much of it is due today."""
    people = await people_of(session, principal)

    async def count(narrow: CaseFilter) -> int:
        return await list_repository.count(session, principal, people, narrow)

    yesterday = desk.calendar.local_date(clock.now()) - timedelta(days=1)
    mine = await count(_narrow(WorkList.MINE, principal, desk, clock))
    until_today = await count(_narrow(WorkList.DUE_TODAY, principal, desk, clock))
    overdue = await count(_narrow(WorkList.OVERDUE, principal, desk, clock))
    return WorkCounts(
        mine=mine,
        mine_due_today=until_today - overdue,
        mine_overdue=overdue,
        unassigned=await count(_narrow(WorkList.UNASSIGNED, principal, desk, clock)),
        overdue=await count(CaseFilter(answered=False, due_until=yesterday)),
    )


@router.get("/sealed-cases")
async def get_sealed_cases(session: CaseSession, principal: SealedRead, paging: Paging) -> Page[CaseSummary]:
    """Sealed cases of the caller's area, and none that concern her or her household."""
    people = await people_of(session, principal)
    narrow = CaseFilter(sealed=True)
    rows = await list_repository.page(session, principal, people, narrow, after=after_case(paging), fetch=paging.fetch)
    kept, next_cursor = paging.cut(rows, list_repository.cursor)
    return Page(items=[CaseSummary.model_validate(summary_fields(case)) for case in kept], next_cursor=next_cursor)


def _narrow(part: WorkList, principal: Principal, desk: Desk, clock: Clock) -> CaseFilter:
    today = desk.calendar.local_date(clock.now())
    if part is WorkList.UNASSIGNED:
        return CaseFilter(answered=False, unassigned=True)
    until = {WorkList.DUE_TODAY: today, WorkList.OVERDUE: today - timedelta(days=1)}.get(part)
    return CaseFilter(answered=False, assigned_to=principal.subject, due_until=until)
