"""A programme's named conditions as SQL: `m.attends_school` is true when she meets it, or need not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, exists, func, or_, select

from services.eligibility.conditions.model import ConditionEventRow, ConditionWaiverRow, EventState, ServiceGapRow
from services.eligibility.facts.repository import Day, day_column
from services.eligibility.programmes.file import ConditionTest

EVENT: Table = ConditionEventRow.__table__  # type: ignore[assignment]
WAIVER: Table = ConditionWaiverRow.__table__  # type: ignore[assignment]
GAP: Table = ServiceGapRow.__table__  # type: ignore[assignment]


def condition_columns(
    tests: Mapping[str, ConditionTest],
    person: ColumnElement[Any],
    village: ColumnElement[str],
    on: Day,
    known_at: datetime | None = None,
) -> dict[str, ColumnElement[bool]]:
    """A column per named condition: an accepted event in its window, a waiver, or a gap of the service where she lives.

    Each looks into its own table only and takes everything else from outside: left to itself, SQLAlchemy would add the
    outer CTE to a subquery two levels down, and a gap anywhere would count for everybody.

    Args:
        person: column of the person's id; village: of her village's code.
        on: the reference date.
        known_at: what was recorded later is not seen.
    """
    return {name: _met(test, person, village, on, known_at) for name, test in tests.items()}


def _met(
    test: ConditionTest, person: ColumnElement[Any], village: ColumnElement[str], on: Day, known_at: datetime | None
) -> ColumnElement[bool]:
    event, day = EVENT.c, day_column(on)
    counted = [
        event.subject_id == person,
        event.kind == test.kind,
        event.state == EventState.ACCEPTED,
        event.occurred_on <= day,
        event.value >= test.minimum,
    ]
    if test.within_days is not None:
        counted.append(event.occurred_on > day - test.within_days)
    if known_at is not None:
        counted.append(func.coalesce(event.decided_at, event.recorded_at) <= known_at)
    if test.at_least == 1:
        happened: ColumnElement[bool] = exists().where(*counted).correlate_except(EVENT)
    else:
        happened = (
            select(func.count()).select_from(EVENT).where(*counted).correlate_except(EVENT).scalar_subquery()
            >= test.at_least
        )
    if not test.waivable:
        return happened
    waiver, gap = WAIVER.c, GAP.c
    waived = (
        exists().where(waiver.subject_id == person, *_holds(waiver, test.kind, day, known_at)).correlate_except(WAIVER)
    )
    inside = func.left(village, func.length(gap.place_code)) == gap.place_code
    no_service = exists().where(inside, *_holds(gap, test.kind, day, known_at)).correlate_except(GAP)
    return or_(happened, waived, no_service)


def _holds(row: Any, kind: str, day: ColumnElement[Any], known_at: datetime | None) -> list[ColumnElement[bool]]:
    """A waiver or gap of this kind that holds on the day. One withdrawn after `known_at` still held then."""
    conditions = [row.kind == kind, row.valid_from <= day, row.valid_until >= day]
    if known_at is None:
        return [*conditions, row.withdrawn_at.is_(None)]
    not_yet = or_(row.withdrawn_at.is_(None), row.withdrawn_at > known_at)
    return [*conditions, and_(row.granted_at <= known_at, not_yet)]
