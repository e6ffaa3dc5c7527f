"""Events as the units of a programme: each with its person and her household as they were on the event's date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Date,
    FromClause,
    Integer,
    Select,
    Table,
    and_,
    case,
    cast,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.conditions.model import ConditionEventRow, EventState, SettledEventRow
from services.eligibility.facts.repository import HOUSEHOLD_FACT, MEMBER_FACT, ymd_column
from services.eligibility.programmes.file import ProgrammeFile

EVENT: Table = ConditionEventRow.__table__  # type: ignore[assignment]
SETTLED: Table = SettledEventRow.__table__  # type: ignore[assignment]
PERSON_COLUMNS = tuple(
    column.name for column in MEMBER_FACT.c if column.name not in {"household_id", "version", "person_id"}
)
MAX_ORDINAL, MAX_DAYS, MAX_LATE = 1_000, 3_700, 40_000
"""Bounds of rules/vocabulary.py: beyond them a number says no more."""


def events_in_force(
    file: ProgrammeFile,
    last_day: date,
    *,
    after: UUID | None = None,
    until: UUID | None = None,
    cycle_id: UUID | None = None,
    known_at: datetime | None = None,
    only: UUID | None = None,
) -> CTE:
    """CTE `facts`: the events that a cycle of this programme looks at, one row each.

    Late events of earlier months are among them, unless a closed cycle of the programme has granted them already.

    Args:
        last_day: of the cycle's period: later events belong to later cycles.
        after, until: range of the persons' ids.
        cycle_id: of the cycle; what it granted itself is looked at again.
        known_at: what was recorded later is not seen.
        only: one event, whatever its state or settlement: to explain a decision on it.
    """
    due = _due(file, last_day, after=after, until=until, cycle_id=cycle_id, known_at=known_at, only=only)
    return _with_facts(due, known_at).cte("facts").prefix_with("MATERIALIZED")


def _due(
    file: ProgrammeFile,
    last_day: date,
    *,
    after: UUID | None,
    until: UUID | None,
    cycle_id: UUID | None,
    known_at: datetime | None,
    only: UUID | None,
) -> CTE:
    event = EVENT.c
    statement = select(*_columns(known_at))
    if only is not None:
        return statement.where(event.id == only).cte("due").prefix_with("MATERIALIZED")
    paid = [SETTLED.c.programme_code == file.code, SETTLED.c.event_id == event.id]
    if cycle_id is not None:
        paid.append(SETTLED.c.cycle_id != cycle_id)
    statement = statement.where(
        event.kind.in_(file.events),
        event.occurred_on <= last_day,
        event.occurred_on >= max(file.valid_from, last_day - timedelta(days=file.late_events_days)),
        *_counts(event, known_at),
        ~exists().where(*paid),
        ~_reported_before(),
    )
    if file.valid_until is not None:
        statement = statement.where(event.occurred_on <= file.valid_until)
    if after is not None:
        statement = statement.where(event.subject_id > after)
    if until is not None:
        statement = statement.where(event.subject_id <= until)
    return statement.cte("due").prefix_with("MATERIALIZED")


def _columns(known_at: datetime | None) -> list[ColumnElement[Any]]:
    event = EVENT.c
    return [
        event.id,
        event.subject_id,
        event.occurred_on,
        event.kind.label("e_kind"),
        _ordinal(known_at).label("e_ordinal"),
        event.babies.label("e_babies"),
        event.value.label("e_value"),
        func.least(MAX_DAYS, 1 + func.coalesce(event.until, event.occurred_on) - event.occurred_on).label("e_days"),
        event.notice_days.label("e_notice_days"),
        func.least(MAX_LATE, func.greatest(0, cast(event.recorded_at, Date) - event.occurred_on)).label("e_late_days"),
    ]


def events_repeated(
    kinds: Sequence[str], months: FromClause, *, after: UUID | None, until: UUID, wanted: ColumnElement[bool]
) -> CTE:
    """CTE `happened`: what was recorded in some months, as it would be if it happened again, settled or not.

    Args:
        months: number, first_day and last_day of the month of the record, and `shift`, months from it to the projected
            one.
        after, until: range of the persons' ids.
        wanted: a further condition on the event.

    Returns:
        The columns of `events_in_force`, number, and paid_on: the day it would happen; facts stay those of its record.
    """
    event, month = EVENT.c, months.c
    within = and_(event.occurred_on >= month.first_day, event.occurred_on <= month.last_day)
    paid_on = cast(event.occurred_on + func.make_interval(0, month.shift), Date)
    statement = (
        select(*_columns(None), month.number, paid_on.label("paid_on"))
        .join_from(EVENT, months, within)
        .where(event.kind.in_(kinds), event.subject_id <= until, *_counts(event, None), ~_reported_before(), wanted)
    )
    if after is not None:
        statement = statement.where(event.subject_id > after)
    due = statement.cte("due").prefix_with("MATERIALIZED")
    return _with_facts(due, None, ("number", "paid_on")).cte("happened").prefix_with("MATERIALIZED")


def _counts(event: Any, known_at: datetime | None) -> list[ColumnElement[bool]]:
    """Accepted, or accepted as far as was known then."""
    if known_at is None:
        return [event.state == EventState.ACCEPTED]
    accepted = or_(
        event.state == EventState.ACCEPTED, and_(event.state == EventState.WITHDRAWN, event.withdrawn_at > known_at)
    )
    return [accepted, func.coalesce(event.decided_at, event.recorded_at) <= known_at]


def _ordinal(known_at: datetime | None) -> ColumnElement[int]:
    """1 + the days of events of its kind and episode that were recorded before it.

    In the order of recording, not of the dates: an event that comes late never takes the place of one that was paid.
    """
    event, other = EVENT.c, EVENT.alias("other").c
    distance = other.occurred_on - event.occurred_on
    earlier = (
        select(func.count(other.occurred_on.distinct()))
        .where(other.subject_id == event.subject_id, other.kind == event.kind, other.seq < event.seq)
        .where(or_(event.episode_days == 0, func.abs(distance) < event.episode_days))
        .where(other.occurred_on != event.occurred_on, *_counts(other, known_at))
        .scalar_subquery()
    )
    return cast(func.least(MAX_ORDINAL, 1 + earlier), Integer)


def _reported_before() -> ColumnElement[bool]:
    """The same event, reported of two records that were merged since: the first report counts."""
    event, twin = EVENT.c, EVENT.alias("twin").c
    return exists().where(
        twin.subject_id == event.subject_id,
        twin.kind == event.kind,
        twin.occurred_on == event.occurred_on,
        twin.state == EventState.ACCEPTED,
        twin.seq < event.seq,
    )


def _with_facts(due: CTE, known_at: datetime | None, more: Sequence[str] = ()) -> Select[Any]:
    """The household that the person belonged to on the event's date, in the version in force then.

    Args:
        more: further columns of `due` to keep; they and the id tell its rows apart.
    """
    fact, person = HOUSEHOLD_FACT.c, MEMBER_FACT.c
    homes = (
        select(due.c.id, due.c.occurred_on, person.household_id)
        .join(MEMBER_FACT, person.person_id == due.c.subject_id)
        .distinct()
        .subquery("homes")
    )
    holds = fact.effective_on <= homes.c.occurred_on
    versions = select(homes.c.id.label("event_id"), HOUSEHOLD_FACT).join(
        HOUSEHOLD_FACT, fact.household_id == homes.c.household_id
    )
    if known_at is not None:
        versions = versions.where(fact.recorded_at <= known_at)
    ranked = (
        versions.ext(distinct_on(homes.c.id, fact.household_id))
        .order_by(homes.c.id, fact.household_id, holds.desc(), case((holds, fact.version), else_=-fact.version).desc())
        .subquery("ranked")
    )
    return (
        select(
            due.c.id.label("unit_id"),
            due.c.subject_id.label("beneficiary_id"),
            due.c.occurred_on.label("on_date"),
            *(column for column in due.c if column.name.startswith("e_") or column.name in more),
            *(column for column in ranked.c if column.name != "event_id"),
            *(person[name].label(f"p_{name}") for name in PERSON_COLUMNS),
        )
        .select_from(due)
        .join(ranked, ranked.c.event_id == due.c.id)
        .join(
            MEMBER_FACT,
            and_(
                person.household_id == ranked.c.household_id,
                person.version == ranked.c.version,
                person.person_id == due.c.subject_id,
            ),
        )
        .where(~ranked.c.dissolved, person.birth_ymd <= ymd_column(due.c.occurred_on))
        .ext(distinct_on(due.c.id, *(due.c[name] for name in more)))
        .order_by(due.c.id, *(due.c[name] for name in more), ranked.c.effective_on.desc(), ranked.c.household_id)
    )


async def event_bounds(session: AsyncSession, kinds: Sequence[str], size: int) -> list[tuple[UUID, int]]:
    """Cut the persons with events of these kinds, in order of id, into chunks: last id, and number up to it."""
    ids = select(EVENT.c.subject_id).where(EVENT.c.kind.in_(kinds)).distinct().subquery("ids")
    position = func.row_number().over(order_by=ids.c.subject_id)
    numbered = select(ids.c.subject_id, position.label("position"), func.count().over().label("total")).subquery(
        "numbered"
    )
    rows = await session.execute(
        select(numbered.c.subject_id, numbered.c.position)
        .where(or_(numbered.c.position % size == 0, numbered.c.position == numbered.c.total))
        .order_by(numbered.c.position)
    )
    return [(row.subject_id, row.position) for row in rows]
