"""HTTP of the summary: `/insights/v1/summary`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from services.insights.permissions import FiguresRead
from services.insights.summary.repository import Narrowing
from services.insights.summary.schemas import Summary
from services.insights.summary.summarise import summarise
from shared.errors import OutsideArea, responses
from shared.http import ClockDep, Router, SessionDep

router = Router(prefix="/insights/v1", tags=["summary"])


async def _narrowing(
    principal: FiguresRead,
    province: Annotated[str | None, Query(pattern=r"^\d{2}$", description="Two digits, e.g. `12`.")] = None,
    programme_code: Annotated[str | None, Query(max_length=60)] = None,
    period: Annotated[str | None, Query(pattern=r"^\d{4}-\d{2}$", description="A month, e.g. `2020-07`.")] = None,
) -> Narrowing:
    return Narrowing(principal, province, programme_code, period)


NarrowingDep = Annotated[Narrowing, Depends(_narrowing)]


@router.get("/summary", responses=responses(OutsideArea))
async def get_summary(session: SessionDep, clock: ClockDep, narrow: NarrowingDep) -> Summary:
    """Households, people, enrolments, entitlements, payments and cases in the caller's area.

    Every figure has its unit; `checked` says whether it meets the total its producer told.
    """
    return await summarise(session, clock, narrow)
