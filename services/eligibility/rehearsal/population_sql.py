"""One statement a range: everybody judged by the draft and by what is in force, counted, and nothing stored.

Only where the request asks for a list of households are those that change kept, in a table of the rehearsal's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Integer,
    Numeric,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.eligibility.decisions.population import MONEY
from services.eligibility.facts.repository import MEMBER_FACT, ymd_column
from services.eligibility.facts.units import persons_of
from services.eligibility.model import AnyRow
from services.eligibility.programmes.compiled import CompiledProgramme
from services.eligibility.rehearsal.events_sql import paid_day, projected_events
from services.eligibility.rehearsal.judging_sql import Sources, both_sides
from services.eligibility.rehearsal.lives_sql import lives_of
from services.eligibility.rehearsal.model import RehearsalChangeRow
from services.eligibility.rehearsal.schemas import RehearsalRequest
from services.eligibility.rehearsal.sources_sql import Period, assumed, households_over, own_day

EXACT = Numeric(38, 12)
CHANGES: Table = RehearsalChangeRow.__table__  # type: ignore[assignment]
_BY_HASH = (text("SET LOCAL enable_nestloop = off"), text("SET LOCAL enable_sort = off"))
"""Ranges are joined and counted whole: a plan that looks up one row at a time, or sorts a hundred thousand members to
count them, is never the better one here; the planner takes it where it believes a range to be small."""


@dataclass(frozen=True)
class Trial:
    """What is tried.

    Attributes:
        baseline: what is in force, of the same unit; None: nothing is.
        first_on: reference date of the first period: cards that are valid then are assumed to be renewed.
    """

    rehearsal_id: UUID
    draft: CompiledProgramme
    baseline: CompiledProgramme | None
    request: RehearsalRequest
    first_on: date


async def count_first(
    session: AsyncSession, trial: Trial, period: Period, *, after: UUID | None, until: UUID
) -> Sequence[AnyRow]:
    """Count everybody of a range in the first period, with all tables; keep who changes where that is asked for.

    Returns:
        Rows (kind, k1, k2, k3, units, people, before, after): see `_tables`.
    """
    await _plan_by_hash(session)
    sources = _sources(trial, [period], after=after, until=until, share_percent=100)
    judged = both_sides(sources, trial.draft, trial.baseline, [period])
    both = _persons(judged, sources.facts) if trial.draft.file.unit == "event" else judged
    statement: Any = union_all(*_tables(both, trial, sources, after=after, until=until))
    if trial.request.list_households:
        statement = statement.add_cte(_kept(both, trial))
    return (await session.execute(statement)).all()


async def count_ahead(
    session: AsyncSession, trial: Trial, periods: Sequence[Period], *, after: UUID | None, until: UUID
) -> Sequence[AnyRow]:
    """Count the sample of a range in all the periods ahead at once: sums alone, k1 the period's number."""
    await _plan_by_hash(session)
    share = trial.request.assumptions.sample_percent
    sources = _sources(trial, periods, after=after, until=until, share_percent=share, lives=True)
    judged = both_sides(sources, trial.draft, trial.baseline, periods)
    both = _persons(judged, sources.facts) if trial.draft.file.unit == "event" else judged
    rows: Sequence[AnyRow] = (await session.execute(_sums(both, cast(both.c.number, Text)))).all()
    return rows


async def _plan_by_hash(session: AsyncSession) -> None:
    for setting in _BY_HASH:
        await session.execute(setting)


def _sources(
    trial: Trial,
    periods: Sequence[Period],
    *,
    after: UUID | None,
    until: UUID,
    share_percent: int,
    lives: bool = False,
) -> Sources:
    """The units of a range in some periods, with the request's assumptions."""
    draft, request = trial.draft, trial.request
    if draft.file.unit == "event":
        kinds = sorted({*draft.file.events, *(trial.baseline.file.events if trial.baseline is not None else ())})
        events = projected_events(kinds, periods, request, after=after, until=until, share_percent=share_percent)
        facts = assumed(events, request, trial.first_on)
        return Sources(facts, own_day(facts), paid_day(facts))
    households = households_over(periods, after=after, until=until, share_percent=share_percent)
    rates = request.assumptions.vital_rates if lives else None
    people: Any = MEMBER_FACT
    within = [MEMBER_FACT.c.household_id <= until]
    if after is not None:
        within.append(MEMBER_FACT.c.household_id > after)
    if rates is not None:
        people = lives_of(households, rates, trial.first_on, request.months, after=after, until=until)
        within = []
    units = households
    if draft.file.unit != "household":
        persons = persons_of(draft, households, own_day(households), people=people)
        if rates is not None:
            persons = persons.where(or_(people.c.gone_on.is_(None), people.c.gone_on > households.c.on_date))
        units = persons.cte("facts").prefix_with("MATERIALIZED")
    facts = assumed(units, request, trial.first_on)
    first = periods[0].dates.reference_date
    on = first if len(periods) == 1 else own_day(facts)
    return Sources(facts, on, on, people, tuple(within))


def _persons(judged: CTE, facts: CTE) -> CTE:
    """Events added up to one row a person and period: who gets more for one visit and less for another gets the sum."""
    row = judged.c
    one = func.max(cast(row.household_id, Text))
    times = facts.c.times
    return (
        select(
            row.beneficiary_id.label("unit_id"),
            cast(one, PG_UUID).label("household_id"),
            row.beneficiary_id,
            func.max(row.version).label("version"),
            func.max(row.reference).label("reference"),
            func.max(row.village_code).label("village_code"),
            func.max(row.province_code).label("province_code"),
            func.min(row.poverty_level).label("poverty_level"),
            row.number,
            literal(1, Integer).label("size"),
            func.max(row.clause).label("clause"),
            cast(func.sum(row.before * times), MONEY).label("before"),
            cast(func.sum(row.later * times), MONEY).label("later"),
        )
        .join_from(judged, facts, facts.c.unit_id == row.unit_id)
        .group_by(row.beneficiary_id, row.number)
        .cte("persons")
        .prefix_with("MATERIALIZED")
    )


def _change(both: CTE) -> ColumnElement[Any]:
    before, later = both.c.before, both.c.later
    return case(
        (and_(before == 0, later > 0), "gains"),
        (and_(before > 0, later == 0), "loses"),
        (later > before, "more"),
        (later < before, "less"),
        (later > 0, "same"),
        else_="none",
    )


def _why(both: CTE) -> ColumnElement[Any]:
    """The clause that shuts out, of those who lose."""
    return case((and_(both.c.before > 0, both.c.later == 0), both.c.clause), else_=literal("", Text))


def _kept(both: CTE, trial: Trial) -> CTE:
    changed = and_(both.c.before != both.c.later)
    columns: dict[str, ColumnElement[Any]] = {
        "rehearsal_id": literal(trial.rehearsal_id, PG_UUID),
        "unit_id": both.c.unit_id,
        "household_id": both.c.household_id,
        "reference": both.c.reference,
        "village_code": both.c.village_code,
        "change": _change(both),
        "clause": _why(both),
        "amount_before": both.c.before,
        "amount_after": both.c.later,
    }
    return insert(CHANGES).from_select(list(columns), select(*columns.values()).where(changed)).cte("kept")


def _row(kind: str, keys: Sequence[Any], both: CTE, **counts: Any) -> Select[Any]:
    k1, k2, k3 = [cast(key, Text) for key in (*keys, "", "", "")[:3]]
    row: Any = select(
        literal(kind, Text).label("kind"),
        k1.label("k1"),
        k2.label("k2"),
        k3.label("k3"),
        cast(counts.get("units", func.count()), BigInteger).label("units"),
        cast(counts.get("people", literal(0)), BigInteger).label("people"),
        cast(func.coalesce(counts.get("before", func.sum(both.c.before)), 0), EXACT).label("before"),
        cast(func.coalesce(counts.get("after", func.sum(both.c.later)), 0), EXACT).label("after"),
    )
    counted: Select[Any] = row.group_by(k1, k2, k3)
    return counted


def _sums(both: CTE, key: Any = "") -> Select[Any]:
    """Beneficiaries and money: those before in `people`, those after in `units`."""
    return _row(
        "sums", (key,), both,
        units=func.count().filter(both.c.later > 0), people=func.count().filter(both.c.before > 0),
    ).select_from(both)  # fmt: skip


def _tables(both: CTE, trial: Trial, sources: Sources, *, after: UUID | None, until: UUID) -> list[Select[Any]]:
    """The tables of the first period:

    sums: as `_sums`.  change: k1 what changed, k2 province, k3 the first clause that is not met.
    level: k1 poverty level; `units` all, `people` those who receive after; level_before the same before.
    person: k1 sex, k2 age band, k3 disability; people of beneficiaries; money shared equally among a household's
    members.
    welfare_before, welfare_after: k1 whole currency units a person has; people.
    """
    change = _change(both)
    tables = [_sums(both)]
    tables.append(_row("change", (change, both.c.province_code, _why(both)), both).where(change != "none"))
    level = both.c.poverty_level
    tables.append(_row("level", (level,), both, people=func.count().filter(both.c.later > 0)))
    tables.append(_row("level_before", (level,), both, people=func.count().filter(both.c.before > 0)))
    people = _people(both, trial, sources, after=after, until=until)
    many = func.sum(people.c.people)
    tables.append(
        _row("person", (people.c.sex, people.c.age_band, people.c.disability), both, units=many, people=many,
             before=func.sum(people.c.before * people.c.people), after=func.sum(people.c.later * people.c.people))
        .select_from(people).where(or_(people.c.before > 0, people.c.later > 0))
    )  # fmt: skip
    if trial.request.welfare is not None:
        tables += _welfare(both, people, trial.request)
    return tables


def _welfare(both: CTE, people: CTE, request: RehearsalRequest) -> list[Select[Any]]:
    assert request.welfare is not None
    stated = request.welfare.per_person.items()
    own = case(*((people.c.poverty_level == int(level), literal(amount)) for level, amount in stated), else_=0)
    tables = []
    for kind, amount in (("welfare_before", people.c.before), ("welfare_after", people.c.later)):
        has = cast(func.floor(amount), BigInteger) + cast(own, BigInteger)
        many = func.sum(people.c.people)
        tables.append(
            _row(kind, (has,), both, units=many, people=many, before=literal(0), after=literal(0)).select_from(people)
        )
    return tables


def _people(both: CTE, trial: Trial, sources: Sources, *, after: UUID | None, until: UUID) -> CTE:
    """Persons alike, counted: her own amounts where she is the unit, else an equal part of her household's.

    Amounts are few and people are many: they are counted first, and amounts are divided once a group.
    """
    member = MEMBER_FACT.c
    on = trial.first_on
    number = ymd_column(on)
    age = (number - member.birth_ymd) // 10_000
    band = case((age <= 5, "0-5"), (age <= 17, "6-17"), (age <= 59, "18-59"), else_="60+")
    joined = and_(member.household_id == both.c.household_id, member.version == both.c.version)
    size: ColumnElement[Any] = both.c.size
    if trial.draft.file.unit != "household":
        joined, size = and_(joined, member.person_id == both.c.beneficiary_id), literal(1, Integer)
    wanted = [member.birth_ymd <= number, *sources.range_of_members]
    if trial.request.welfare is None:
        wanted.append(or_(both.c.before > 0, both.c.later > 0))
    alike = (
        select(
            member.sex,
            band.label("age_band"),
            member.disability,
            both.c.poverty_level,
            size.label("size"),
            both.c.before,
            both.c.later,
            func.count().label("people"),
        )
        .join_from(both, MEMBER_FACT, joined)
        .where(*wanted)
        .group_by(member.sex, text("age_band"), member.disability, both.c.poverty_level, text("size"), both.c.before,
                  both.c.later)
        .subquery("alike")
    )  # fmt: skip
    shared = [(cast(alike.c[name], EXACT) / func.greatest(alike.c.size, 1)).label(name) for name in ("before", "later")]
    return (
        select(alike.c.sex, alike.c.age_band, alike.c.disability, alike.c.poverty_level, alike.c.people, *shared)
        .cte("people")
        .prefix_with("MATERIALIZED")
    )
