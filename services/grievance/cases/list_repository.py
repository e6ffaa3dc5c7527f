"""All SQL of lists of cases: narrowed to the caller's area, never a case that concerns her or her household.

A list is asked for thousands of times with other values and the same shape (which filters, how many areas), and putting
its statement together costs more than running it: statements are made once per shape, with parameters, and kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Date,
    Row,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    false,
    func,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from services.grievance.cases.model import Case
from services.grievance.cases.states import CaseState, SubjectType
from shared.auth import Principal

COUNT_LIMIT: Final = 1_000
"""Counts of a work list stop here: more is too much for one officer, however much more."""
KEPT_SHAPES: Final = 500
ANSWERED_STATES: Final = frozenset({CaseState.RESOLVED, CaseState.CLOSED, CaseState.MERGED})

_CASE: Final = cast(Table, Case.__table__).c
SUMMARY: Final = tuple(
    _CASE[name]
    for name in (
        "id",
        "reference",
        "version",
        "state",
        "level",
        "category",
        "route",
        "priority",
        "subject_type",
        "subject_id",
        "channel",
        "place_code",
        "assigned_to",
        "outcome",
        "opened_at",
        "due_on",
        "complainant_person_id",
        "merged_into",
        "answered",
        "sealed",
    )
)
"""The columns that a list shows: nothing that people wrote."""


@dataclass(frozen=True)
class CaseFilter:
    """What a list of cases is narrowed to; None: not narrowed."""

    state: CaseState | None = None
    category: str | None = None
    assigned_to: str | None = None
    subject_type: SubjectType | None = None
    subject_id: UUID | None = None
    place_code: str | None = None
    due_until: date | None = None
    level: str | None = None
    answered: bool | None = None
    unassigned: bool = False
    sealed: bool = False


_EQUAL: Final = ("state", "category", "assigned_to", "subject_type", "subject_id", "level")
"""Filters that are an equality with the column of the same name."""


@dataclass(frozen=True)
class _Shape:
    """What a statement depends on but its values.

    Attributes:
        given: names of the filters that are set.
        answered: the answers to `answered` that are asked for: written out, so that the planner sees them.
        place: digits of the place that the list is narrowed to.
        areas: digits of each of the caller's areas; None: the whole country.
    """

    given: frozenset[str]
    answered: frozenset[bool]
    unassigned: bool
    sealed: bool
    place: int | None
    areas: tuple[int, ...] | None
    people: bool
    after: bool
    counted: bool


def _conditions(shape: _Shape) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [_CASE[name] == bindparam(name) for name in _EQUAL if name in shape.given]
    conditions += [_CASE.answered.is_(value) for value in sorted(shape.answered)]
    if shape.unassigned:
        conditions.append(_CASE.assigned_to.is_(None))
    if shape.sealed:
        conditions.append(_CASE.sealed.is_(True))
    if shape.place is not None:
        conditions.append(_inside("place", shape.place))
    if "due_until" in shape.given:
        conditions.append(_CASE.due_on <= bindparam("due_until", type_=Date))
    if shape.people:
        own = bindparam("people", type_=ARRAY(Uuid))
        columns = (_CASE.subject_id, _CASE.beneficiary_id, _CASE.complainant_person_id)
        conditions += [or_(column.is_(None), column != func.all(own)) for column in columns]
    return conditions


def _inside(name: str, digits: int) -> ColumnElement[bool]:
    """The case belongs to an area: an equality that can use an index, and the rest of the code where there is one."""
    column = _CASE.commune_code if digits >= 6 else _CASE.province_code
    exact: ColumnElement[bool] = column == bindparam(f"{name}_index", type_=Text)
    if digits in {2, 6}:
        return exact
    return and_(exact, func.starts_with(_CASE.place_code, bindparam(f"{name}_code", type_=Text)))


def _place_values(name: str, code: str) -> dict[str, str]:
    """The values of `_inside`."""
    exact = code[:6] if len(code) >= 6 else code[:2]
    return {f"{name}_index": exact} | ({} if len(code) in {2, 6} else {f"{name}_code": code})


@lru_cache(maxsize=KEPT_SHAPES)
def _statement(shape: _Shape) -> Any:
    """Per area one walk along its index, `fetch` rows at most; then the first of all."""
    statement = select(*SUMMARY).where(*_conditions(shape))
    order = (_CASE.answered, _CASE.due_on, _CASE.id)
    fetch: Any = bindparam("fetch")
    if shape.after:
        due, identifier = bindparam("after_due", type_=Date), bindparam("after_id", type_=Uuid)
        statement = statement.where(
            tuple_(*order) > tuple_(bindparam("after_answered", type_=Boolean), due, identifier)
        )
    if shape.areas is None:
        rows: Any = statement.order_by(*order).limit(fetch)
    elif not shape.areas:
        rows = statement.where(false())
    else:
        walks = [
            select(statement.where(_inside(f"area_{n}", digits)).order_by(*order).limit(fetch).subquery())
            for n, digits in enumerate(shape.areas)
        ]
        every = (union_all(*walks) if len(walks) > 1 else walks[0]).subquery()
        rows = select(every).order_by(every.c.answered, every.c.due_on, every.c.id).limit(fetch)
    return select(func.count()).select_from(rows.subquery()) if shape.counted else rows


def _areas(principal: Principal) -> list[str]:
    """The caller's areas, without those that lie in another of them (or a case would be listed twice)."""
    return [
        area
        for area in principal.areas
        if not any(area != other and area.startswith(other) for other in principal.areas)
    ]


def _listing(
    principal: Principal,
    people: frozenset[UUID],
    narrow: CaseFilter,
    after: tuple[bool, date, UUID] | None,
    fetch: int,
    *,
    counted: bool = False,
) -> tuple[Any, dict[str, Any]]:
    """The statement of a list, and its values."""
    values: dict[str, Any] = {
        name: value for name in (*_EQUAL, "due_until") if (value := getattr(narrow, name)) is not None
    }
    given = frozenset(values)
    answered = {narrow.answered} if narrow.answered is not None else set()
    if narrow.state is not None:
        answered.add(narrow.state in ANSWERED_STATES)
    areas = None if principal.national else _areas(principal)
    for number, area in enumerate(areas or ()):
        values |= _place_values(f"area_{number}", area)
    if narrow.place_code is not None:
        values |= _place_values("place", narrow.place_code)
    if people:
        values["people"] = list(people)
    if after is not None:
        values |= {"after_answered": after[0], "after_due": after[1], "after_id": after[2]}
    shape = _Shape(
        given=given,
        answered=frozenset(answered),
        unassigned=narrow.unassigned,
        sealed=narrow.sealed,
        place=len(narrow.place_code) if narrow.place_code is not None else None,
        areas=None if areas is None else tuple(len(area) for area in areas),
        people=bool(people),
        after=after is not None,
        counted=counted,
    )
    return _statement(shape), values | {"fetch": fetch}


async def page(
    session: AsyncSession,
    principal: Principal,
    people: frozenset[UUID],
    narrow: CaseFilter,
    *,
    after: tuple[bool, date, UUID] | None,
    fetch: int,
) -> Sequence[Row[Any]]:
    """Rows of SUMMARY that the caller may see: unanswered ones first, those due first first.

    Args:
        people: ids of the caller, her household and its members: their cases are left out.
        after: (answered, due_on, id) of the last case seen.
        fetch: how many rows at most.
    """
    statement, values = _listing(principal, people, narrow, after, fetch)
    rows: Sequence[Row[Any]] = (await session.execute(statement, values)).all()
    return rows


async def count(session: AsyncSession, principal: Principal, people: frozenset[UUID], narrow: CaseFilter) -> int:
    """How many such cases the caller sees, at most COUNT_LIMIT."""
    statement, values = _listing(principal, people, narrow, None, COUNT_LIMIT, counted=True)
    return await session.scalar(statement, values) or 0


def cursor(case: Row[Any]) -> dict[str, Any]:
    """The values that order the list, as a page cursor."""
    return {"answered": case.answered, "due_on": case.due_on.isoformat(), "id": str(case.id)}
