"""HTTP of who is left behind: figures of each month that is over, and lists for those who go and see them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.eligibility.access import EnrolmentRead, ProgrammeRead
from services.eligibility.left_behind import edition_repository, repository
from services.eligibility.left_behind.edition import TOTAL
from services.eligibility.left_behind.errors import NotCountedYet
from services.eligibility.left_behind.repository import Kind
from services.eligibility.model import AnyRow
from services.eligibility.paging import after_id
from services.eligibility.programmes import repository as programmes
from services.eligibility.programmes.errors import ProgrammeUnknown
from services.eligibility.programmes.periods import PERIOD_PATTERN
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import FieldError, Forbidden, Invalid, OutsideArea, responses
from shared.http import Router, SessionDep
from shared.pagination import Page, Paging
from shared.spreadsheet import csv_response

router = Router(prefix="/eligibility/v1/programmes/{code}/left-behind", tags=["left behind"])
CycleId = Annotated[UUID | None, Query(description="Of `not_paid`: the closed cycle.")]
By = Literal["place", "sex", "age", "disability"]


@dataclass(frozen=True)
class Asked:
    """Which table."""

    by: By
    place: str
    cycle_id: UUID | None
    period: str | None


async def _asked(
    by: Annotated[By, Query()] = "place",
    place: Annotated[
        str,
        Query(
            pattern=r"^(\d{2}){0,2}$",
            description="Province or district; empty: the country. By place, what lies right below it is listed.",
        ),
    ] = "",
    cycle_id: CycleId = None,
    period: Annotated[
        str | None,
        Query(pattern=PERIOD_PATTERN, description="A month that is over, e.g. `2020-07`; default: the last."),
    ] = None,
) -> Asked:
    return Asked(by, place, cycle_id, period)


AskedDep = Annotated[Asked, Depends(_asked)]


class CellView(BaseModel):
    """A count, to the nearest five. Under the reason `total` stands the sum of the counts that are shown."""

    reason: str
    category: str
    count: int


class TableView(BaseModel):
    """Who was left behind at the end of `period`, by reason and one more property, or `total` of it.

    It stays as it is. In the table of a later month a count differs only where five households made the difference.
    """

    programme_code: str
    kind: str
    period: str
    counted_at: datetime
    by: str
    place: str
    unit: str = Field(description="What is counted: beneficiaries, or people of their households.")
    cells: list[CellView]


class OutreachView(BaseModel):
    """Somebody to be sought out."""

    model_config = ConfigDict(from_attributes=True)

    beneficiary_id: UUID
    reference: str | None
    village_code: str
    reason: str


@router.get("/{kind}", responses=responses(ProgrammeUnknown, NotCountedYet, Invalid, OutsideArea))
async def get_table(code: str, kind: Kind, principal: ProgrammeRead, session: SessionDep, asked: AskedDep) -> TableView:
    """Counts by reason at a month's end: eligible and not enrolled, blocked by a clause, granted and not paid.

    Multiples of five; what is not listed is fewer than five, or is kept back because it would give such a one away.
    """
    return await _table(session, principal, code, kind, asked)


@router.get("/{kind}/table.csv", responses=responses(ProgrammeUnknown, NotCountedYet, Invalid, OutsideArea))
async def get_csv(code: str, kind: Kind, principal: ProgrammeRead, session: SessionDep, asked: AskedDep) -> Response:
    """The same as CSV."""
    view = await _table(session, principal, code, kind, asked)
    rows = [cell.model_dump() for cell in view.cells]
    name = f"left-behind-{code}-{kind}-{asked.by}-{view.period}.csv"
    return csv_response(["reason", "category", "count"], rows, name)


@router.get("/{kind}/people", responses=responses(ProgrammeUnknown, Invalid, Forbidden))
async def get_people(
    code: str,
    kind: Kind,
    principal: EnrolmentRead,
    session: SessionDep,
    paging: Paging,
    place: Annotated[str, Query(pattern=r"^(\d{2}){0,4}$")] = "",
    reason: Annotated[str | None, Query(max_length=200)] = None,
    cycle_id: CycleId = None,
) -> Page[OutreachView]:
    """Whom to seek out, in the caller's area. Each reading leaves an audit record."""
    if not principal.has("programme_officer", "commune_officer", "registry_officer"):
        raise Forbidden("Lists of beneficiaries are for those who go and see them.")
    if not await programmes.exists(session, code):
        raise ProgrammeUnknown(f"There is no programme {code}.")
    _check_cycle(kind, cycle_id)
    rows = await repository.people(
        session, principal, kind, code, cycle_id=cycle_id, place=place, reason=reason, after=after_id(paging),
        limit=paging.fetch,
    )  # fmt: skip
    page = paging.page([OutreachView.model_validate(row) for row in rows], lambda row: {"id": str(row.beneficiary_id)})
    await audit.record(
        session, principal, "left_behind.list", "programme", code,
        {"kind": kind, "place": place, "reason": reason, "count": len(page.items)},
    )  # fmt: skip
    return page


async def _table(session: SessionDep, principal: Principal, code: str, kind: Kind, asked: Asked) -> TableView:
    if not await programmes.exists(session, code):
        raise ProgrammeUnknown(f"There is no programme {code}.")
    _check_cycle(kind, asked.cycle_id)
    _check_place(principal, asked.by, asked.place)
    edition = await edition_repository.find_edition(session, code, kind, asked.cycle_id, asked.period)
    if edition is None:
        raise NotCountedYet("Each month is counted within an hour of its end, once: ask for one that is over.")
    shown = await edition_repository.shown(session, edition.id, asked.by, asked.place)
    beneficiaries = asked.by == "place" or edition.by_person
    return TableView(
        programme_code=code,
        kind=kind,
        period=edition.period,
        counted_at=edition.counted_at,
        by=asked.by,
        place=asked.place,
        unit="beneficiaries" if beneficiaries else "people of their households",
        cells=_with_totals([_cell(row, asked) for row in shown]),
    )


def _cell(row: AnyRow, asked: Asked) -> CellView:
    own = row.place == asked.place
    category = row.category if asked.by != "place" or own else row.place
    return CellView(reason=row.reason, category=category, count=row.figure)


def _with_totals(cells: list[CellView]) -> list[CellView]:
    """The cells, and under each category the sum of the figures shown: a total that says no more than they do."""
    sums: Counter[str] = Counter()
    for cell in cells:
        sums[cell.category] += cell.count
    return [*cells, *(CellView(reason=TOTAL, category=name, count=count) for name, count in sorted(sums.items()))]


def _check_place(principal: Principal, by: By, place: str) -> None:
    """Who works in one area sees its tables; by sex, age and disability also the whole country's."""
    if place:
        ensure_area(principal, place)
    elif by == "place" and not principal.national:
        raise OutsideArea("Give a province or district of your own as `place`.")


def _check_cycle(kind: Kind, cycle_id: UUID | None) -> None:
    if (kind == "not_paid") != (cycle_id is not None):
        message = "give the cycle for not_paid, and only there"
        raise Invalid("Correct the cycle_id.", errors=[FieldError("cycle_id", "cycle_needed", message)])
