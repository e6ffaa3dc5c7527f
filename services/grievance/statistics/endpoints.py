"""HTTP of counts: `/grievance/v1/statistics` and `/grievance/v1/sealed-statistics`."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from services.grievance.permissions import StatisticsRead
from services.grievance.resources import Desk, DeskDep
from services.grievance.sealing import close_seal, open_seal
from services.grievance.statistics import repository
from services.grievance.statistics.suppress import suppress
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
    """Sealed cases of a province and category: never fewer than five."""

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
    start, end = _instant(desk, since), _instant(desk, until + timedelta(days=1))
    rows = await repository.seen(session, principal, start, end, desk.calendar.local_date(clock.now()))
    return [CountedCases.model_validate(row, from_attributes=True) for row in rows]


@router.get("/sealed-statistics", responses=responses(PeriodInvalid, OutsideArea))
async def get_sealed_statistics(
    session: SessionDep,
    desk: DeskDep,
    clock: ClockDep,
    principal: StatisticsRead,
    quarter: Annotated[str, Query(pattern=r"^20\d{2}-Q[1-4]$", description="A quarter that is over, e.g. `2020-Q2`.")],
) -> SealedCounts:
    """Sealed cases by province and category. Whole quarters only, and one way of cutting them: nothing to subtract."""
    if not principal.national:
        raise OutsideArea("These counts are national: areas would tell two tables apart.")
    year, number = int(quarter[:4]), int(quarter[-1])
    first = date(year, 3 * number - 2, 1)
    after = date(year + number // 4, 3 * number % 12 + 1, 1)
    if desk.calendar.local_date(clock.now()) < after:
        raise PeriodInvalid(errors=[FieldError("quarter", "not_over", "Counted once the quarter is over.")])
    await open_seal(session)
    counts = await repository.sealed(session, _instant(desk, first), _instant(desk, after))
    await close_seal(session)
    shown = suppress(counts)
    cells = [
        SealedCell(province_code=province, category=category, cases=cases)
        for (province, category), cases in sorted(shown.cells.items())
    ]
    return SealedCounts(quarter=quarter, cells=cells, total=shown.total)


def _instant(desk: Desk, day: date) -> datetime:
    """The instant at which a local day begins."""
    return datetime.combine(day, time.min, desk.calendar.zone).astimezone(UTC)
