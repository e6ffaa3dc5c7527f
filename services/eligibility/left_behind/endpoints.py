"""HTTP of who is left behind: tables without small cells, and lists for those who go and see them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.eligibility.access import EnrolmentRead, ProgrammeRead
from services.eligibility.left_behind import repository
from services.eligibility.left_behind.repository import By, Kind
from services.eligibility.left_behind.tables import protected_table
from services.eligibility.local_day import local_day
from services.eligibility.paging import after_id
from services.eligibility.programmes import repository as programmes
from services.eligibility.programmes.errors import ProgrammeUnknown
from shared import audit
from shared.auth import Principal, ensure_area
from shared.errors import FieldError, Forbidden, Invalid, OutsideArea, responses
from shared.http import ContextDep, Router, SessionDep
from shared.pagination import Page, Paging
from shared.spreadsheet import csv_response

router = Router(prefix="/eligibility/v1/programmes/{code}/left-behind", tags=["left behind"])
Place = Annotated[
    str,
    Query(pattern=r"^(\d{2}){0,3}$", description="Province, district or commune, of `by` place; empty: the country."),
]
CycleId = Annotated[UUID | None, Query(description="Of `not_paid`: the closed cycle.")]


class CellView(BaseModel):
    """A count. `count` null: hidden, because it is below 5 or would let such a one be worked out. `reason` rare: those
    that fewer than 5 share in the whole country."""

    reason: str
    category: str
    count: int | None


class TableView(BaseModel):
    """Who is left behind, by reason and one more property; `total` is a reason and a category of its own."""

    programme_code: str
    kind: str
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


@router.get("/{kind}", responses=responses(ProgrammeUnknown, Invalid, OutsideArea))
async def get_table(
    code: str,
    kind: Kind,
    principal: ProgrammeRead,
    session: SessionDep,
    context: ContextDep,
    by: Annotated[By, Query()] = "place",
    place: Place = "",
    cycle_id: CycleId = None,
) -> TableView:
    """Counts by reason: eligible and not enrolled, blocked by a clause, granted and not paid; small cells hidden."""
    return await _table(session, context, principal, code, kind, by, place, cycle_id)


@router.get("/{kind}/table.csv", responses=responses(ProgrammeUnknown, Invalid, OutsideArea))
async def get_csv(
    code: str,
    kind: Kind,
    principal: ProgrammeRead,
    session: SessionDep,
    context: ContextDep,
    by: Annotated[By, Query()] = "place",
    place: Place = "",
    cycle_id: CycleId = None,
) -> Response:
    """The same as CSV."""
    view = await _table(session, context, principal, code, kind, by, place, cycle_id)
    rows = [cell.model_dump() | {"count": "hidden" if cell.count is None else cell.count} for cell in view.cells]
    return csv_response(["reason", "category", "count"], rows, f"left-behind-{code}-{kind}-{by}.csv")


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
    await _programme(session, code)
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


async def _table(
    session: SessionDep,
    context: ContextDep,
    principal: Principal,
    code: str,
    kind: Kind,
    by: By,
    place: str,
    cycle_id: UUID | None,
) -> TableView:
    unit = await _programme(session, code)
    _check_cycle(kind, cycle_id)
    _check_place(principal, by, place)
    shown = await protected_table(
        session, kind, by, code,
        cycle_id=cycle_id, place=place, by_person=unit != "household", today=local_day(context),
    )  # fmt: skip
    cells = [CellView(reason=reason, category=category, count=count) for (reason, category), count in shown.items()]
    counted = "beneficiaries" if by == "place" or unit != "household" else "people of their households"
    return TableView(programme_code=code, kind=kind, by=by, place=place, unit=counted, cells=cells)


def _check_place(principal: Principal, by: By, place: str) -> None:
    """Who works in one area sees its table. Other properties are counted for the whole country alone: given by place
    too, they could be subtracted from each other."""
    if by != "place" and place:
        message = "by sex, age and disability there is one table, of the whole country"
        raise Invalid("Leave the place out.", errors=[FieldError("place", "whole_country_only", message)])
    if by == "place" and place:
        ensure_area(principal, place)
    elif by == "place" and not principal.national:
        raise OutsideArea("Give a province, district or commune of your own as `place`.")


def _check_cycle(kind: Kind, cycle_id: UUID | None) -> None:
    if (kind == "not_paid") != (cycle_id is not None):
        message = "give the cycle for not_paid, and only there"
        raise Invalid("Correct the cycle_id.", errors=[FieldError("cycle_id", "cycle_needed", message)])


async def _programme(session: SessionDep, code: str) -> str:
    """The unit of a programme's last version."""
    versions: Any = await programmes.list_versions(session, code)
    if not versions:
        raise ProgrammeUnknown(f"There is no programme {code}.")
    stored = await programmes.find_version(session, code, versions[0].version)
    assert stored is not None, "versions are never deleted"
    return str(stored.document["unit"])
