"""HTTP of counts: `/grievance/v1/statistics` and `/grievance/v1/sealed-statistics`."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from services.grievance.permissions import StatisticsRead
from services.grievance.resources import DeskDep
from services.grievance.statistics import repository
from services.grievance.statistics.freeze_sealed_counts import instant
from shared.errors import FieldError, Invalid, OutsideArea, responses
from shared.http import ClockDep, Router, SessionDep

router = Router(prefix="/grievance/v1", tags=["statistics"])
MAX_DAYS = 400


class PeriodInvalid(Invalid):
    """The period cannot be counted."""

    code, title = "period_invalid", "This period cannot be counted"


class CountedCases(BaseModel):
    """Cases of one category, level and state. Sealed ones are not among them."""

    category: str
    level: str
    state: str
    cases: int
    overdue: int
    ratings: int
    rating: float | None = Field(description="Mean of the complainants' ratings, 1 to 5.")


class SealedCell(BaseModel):
    """Cases of a province and category that were sealed in the quarter: never fewer than five."""

    model_config = ConfigDict(from_attributes=True)

    province_code: str
    category: str
    cases: int


class SealedCounts(BaseModel):
    """Counts of a whole quarter that is over. Cells under five are left out; `total` is the sum of the cells shown."""

    quarter: str
    cells: list[SealedCell]
    total: int


@router.get("/statistics", responses=responses(PeriodInvalid))
async def get_statistics(
    session: SessionDep,
    desk: DeskDep,
    clock: ClockDep,
    principal: StatisticsRead,
    since: Annotated[date, Query(description="First local day.")],
    until: Annotated[date, Query(description="Last local day.")],
) -> list[CountedCases]:
    """Cases of the caller's area that were opened in a period of at most 400 days."""
    if not timedelta(0) <= until - since <= timedelta(days=MAX_DAYS):
        raise PeriodInvalid(errors=[FieldError("until", "period", f"0 to {MAX_DAYS} days after since.")])
    start, end = instant(desk, since), instant(desk, until + timedelta(days=1))
    rows = await repository.seen(session, principal, start, end, desk.calendar.local_date(clock.now()))
    return [CountedCases.model_validate(row, from_attributes=True) for row in rows]


@router.get("/sealed-statistics", responses=responses(PeriodInvalid, OutsideArea))
async def get_sealed_statistics(
    session: SessionDep,
    principal: StatisticsRead,
    quarter: Annotated[str, Query(pattern=r"^20\d{2}-Q[1-4]$", description="A quarter that is over, e.g. `2020-Q2`.")],
) -> SealedCounts:
    """Sealed cases by province and category, as counted once when the quarter was over: nothing to subtract."""
    if not principal.national:
        raise OutsideArea("These counts are national: areas would tell two tables apart.")
    found = await repository.frozen(session, quarter)
    if found is None:
        raise PeriodInvalid(errors=[FieldError("quarter", "not_counted", "Counted within an hour of its end, once.")])
    cells = [SealedCell.model_validate(cell) for cell in found]
    return SealedCounts(quarter=quarter, cells=cells, total=sum(cell.cases for cell in cells))
